"""A secret that can be guessed is refused at the start, in one line that names the setting and not its value."""

import secrets
from base64 import b64encode, urlsafe_b64encode
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.settings import SettingsWrong
from services.chassis.strength import is_weak_key, weakness

GOOD_KEY = b64encode(secrets.token_bytes(32)).decode()
GOOD_TOKEN = secrets.token_urlsafe(32)
TOKENS = {
    "unset": None, "empty": "", "blank": "   ", "a tab": "\t", "one letter": "x", "short": "h7Kq2LmZ",
    "one letter often": "a" * 64, "two letters": "ab" * 32, "a word often": "secret" * 6, "changeme": "changeme",
    "long changeme": "changeme-changeme-changeme", "please": "please-change-me-now", "token": "token",
    "operator token": "vicino-operator-token", "disguised": "Ch4ng3-M3-P4ssw0rd", "counted": "1234567890123456789",
    "word and count": "password-1234567890", "blank at the end": f"{GOOD_TOKEN}\n", "blank within": "a long random text",
    "beyond ASCII": "segretissimo-perché-sì", "your token here": "<your-token-here>",
    "letters in order": "abcdefghijklmnopqrstuvwxyz",
}  # fmt: skip
KEYS = {
    "unset": None, "empty": "", "blank": " ", "short": "c2hvcnQ=", "placeholder": "changeme",
    "one byte often": b64encode(b"a" * 32).decode(), "zeros": b64encode(bytes(32)).decode(),
    "two bytes": b64encode(b"ab" * 16).decode(), "a count": b64encode(bytes(range(32))).decode(),
    "a word often": b64encode(b"secret!!" * 4).decode(),
}  # fmt: skip


def start(service: str, **changes: str | None) -> None:
    """Build a service with its settings changed."""
    module = import_module(f"services.{service}.app")
    values = {
        "postgres_url": "postgresql://nowhere/x", "provisioning_url": "postgresql://nowhere/x",
        "kafka_bootstrap": "nowhere", "master_key": GOOD_KEY, "operator_token": GOOD_TOKEN, **changes,
    }  # fmt: skip
    module.build(getattr(module, f"{service.capitalize()}Settings")(**values))


@pytest.mark.parametrize("service", ["gateway", "console", "billing"])
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_a_token_that_can_be_guessed_stops_the_start(service: str, token: str | None) -> None:
    with pytest.raises(SettingsWrong, match=r"^VICINO_OPERATOR_TOKEN [^\n]+$") as refused:
        start(service, operator_token=token)
    if token and len(token.strip()) > 5 and token not in ("a long random text",):
        assert token.strip() not in str(refused.value)


@pytest.mark.parametrize("service", ["gateway", "onboarding"])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_that_can_be_guessed_stops_the_start(service: str, key: str | None) -> None:
    with pytest.raises(SettingsWrong, match=r"^VICINO_MASTER_KEY [^\n]+$") as refused:
        start(service, master_key=key)
    if key and key.strip():
        assert key not in str(refused.value)


@pytest.mark.parametrize("service", ["gateway", "console", "billing", "onboarding"])
def test_random_secrets_are_taken(service: str) -> None:
    start(service)


@given(st.binary(min_size=32, max_size=32).filter(lambda raw: len(set(raw)) > 16))
def test_a_random_token_is_strong_in_every_form_it_may_be_written(raw: bytes) -> None:
    assert [weakness(text) for text in (raw.hex(), urlsafe_b64encode(raw).decode())] == [None, None]


def test_a_random_key_is_strong() -> None:
    assert not any(is_weak_key(secrets.token_bytes(32)) for _ in range(1000))

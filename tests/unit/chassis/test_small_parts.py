"""The small parts of the chassis keep their word: waits are bounded, clocks never go back, seals do not open for others."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.backoff import Backoff
from services.chassis.clock import ManualClock, SteeredClock, SystemClock, clock_from, steer
from services.chassis.sealing import SealBroken, Sealer
from services.chassis.settings import ServiceSettings

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@given(st.integers(1, 10_000), st.integers(0, 2**32))
def test_a_wait_grows_up_to_its_bound_and_never_beyond_its_jitter(failures: int, seed: int) -> None:
    backoff = Backoff(first_seconds=0.5, factor=2.0, max_seconds=60.0, jitter=0.1)
    expected = min(60.0, 0.5 * 2.0 ** min(failures - 1, 64))
    assert expected <= backoff.seconds(failures, random.Random(seed)) <= expected * 1.1


def test_a_schedule_is_followed_to_the_letter_and_its_last_wait_repeats() -> None:
    schedule = Backoff.schedule((5, 300, 1800), jitter=0)
    assert [schedule.seconds(n) for n in (1, 2, 3, 4, 99)] == [5, 300, 1800, 1800, 1800]


def test_a_manual_clock_never_goes_back() -> None:
    clock = ManualClock(NOON)
    clock.set(NOON + timedelta(hours=1))
    assert clock.now() == NOON + timedelta(hours=1)
    with pytest.raises(ValueError, match="never goes back"):
        clock.set(NOON)


def test_all_who_follow_one_steered_clock_see_the_same_time(tmp_path: Path) -> None:
    steer(tmp_path / "clock", NOON)
    one, other = SteeredClock(tmp_path / "clock"), SteeredClock(tmp_path / "clock")
    assert abs(one.now() - other.now()) < timedelta(seconds=1)
    assert timedelta(0) <= one.now() - NOON < timedelta(seconds=5)
    steer(tmp_path / "clock", NOON + timedelta(days=30))
    assert other.now() - NOON >= timedelta(days=30)


def test_the_settings_choose_the_clock(tmp_path: Path) -> None:
    assert isinstance(clock_from(None), SystemClock)
    assert isinstance(clock_from(tmp_path / "clock"), SteeredClock)


@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_what_is_sealed_opens_unchanged_and_only_unchanged(clear: bytes, place: int) -> None:
    sealer = Sealer(b"k" * 32, "contacts")
    sealed = sealer.seal(clear)
    assert sealer.open(sealed) == clear
    changed = bytearray(sealed)
    changed[place % len(sealed)] ^= 1
    with pytest.raises(SealBroken):
        sealer.open(bytes(changed))


def test_a_seal_for_one_purpose_does_not_open_for_another() -> None:
    sealed = Sealer(b"k" * 32, "contacts").seal(b"Ada")
    with pytest.raises(SealBroken):
        Sealer(b"k" * 32, "webhooks").open(sealed)
    with pytest.raises(SealBroken):
        Sealer(b"l" * 32, "contacts").open(sealed)


def test_a_missing_setting_is_told_without_the_secrets_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("VICINO_KAFKA_BOOTSTRAP", raising=False)
    monkeypatch.setenv("VICINO_POSTGRES_URL", "postgresql://u:hunter2@h/x")
    monkeypatch.setenv("VICINO_OPERATOR_TOKEN", "hunter2")
    with pytest.raises(ValueError, match="kafka_bootstrap") as told:
        ServiceSettings()
    assert "hunter2" not in str(told.value)

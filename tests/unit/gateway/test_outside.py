"""Keys, addresses, and waits: the small rules of who knocks and where webhooks may go."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.names import Names
from services.gateway.adapters.webhook import Receiver, WebhookSender
from services.gateway.domain.addresses import AddressRefused, check_url, is_public
from services.gateway.domain.keys import matches, new_key, new_webhook_secret, split
from services.gateway.domain.schedule import (
    RETRY_AFTER_MAX_SECONDS,
    DeliveryVerdict,
    Outcome,
    judge,
    next_wait_seconds,
)
from services.gateway.inbound.limits import Limiter
from tests.support.name_server import NameServer, naming

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
INSIDE = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "192.0.0.8", "224.0.0.1", "255.255.255.255", "::", "::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1", "2002:a9fe:a9fe::", "2001:0:a9fe:a9fe::1", "fc00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    "3fff::1", "192.88.99.1", "168.63.129.16", "::7f00:1", "5f00::1", "2001:2::1", "198.18.0.1", "240.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/", "ftp://hooks.example/", "https://", "https://hooks.example:22/", "https://a:b@c.example/",
        "https://hooks.example/#x", "https://127.0.0.1/", "https://[::1]/", "https://hooks.example\\@10.0.0.1/",
        "https://hooks.example /", "https://hooks.example:99999/", "https://[::1", "https://ho\u2025ks.example/", "",
        "https://hooks.example@10.0.0.1/", "https://hooks.example/\r\nx: y",
        "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/", "https://localhost/",
        "https://kafka:8443/", "https://var.example:0/", "https://-var.example/", "https://var-.example/",
        f"https://{'a' * 64}.example/", "https://a.localhost/", "https://db.internal/", "https://localhost./", "https://a..b/",
    ],
)  # fmt: skip
def test_where_no_webhook_may_go_is_refused_when_it_is_registered(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url, allow_private=False)


@given(st.text())
def test_any_address_is_taken_or_refused(url: str) -> None:
    for text in (url, f"https://{url}"):
        try:
            host, port = check_url(text, allow_private=False)
        except AddressRefused:
            continue
        assert (bool(host), port in (443, 8443)) == (True, True)


@pytest.fixture
async def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that a connection is tried to; none is made."""
    tried: list[Any] = []

    async def connect(_: Any, __: socket.socket, address: Any) -> None:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "sock_connect", connect)
    return tried


async def post(server: NameServer, host: str = "hooks.example") -> str:
    names = Names(server.address)
    sender = WebhookSender(b"k" * 32, allow_private=False, names=names)
    verdict, answer = await sender.post(
        Receiver(f"https://{host}/x", (new_webhook_secret(),)), "id", b"{}"
    )
    await names.close()
    assert verdict.outcome is Outcome.RETRY
    return answer


@pytest.mark.parametrize("address", [address for address in INSIDE if "%" not in address])
async def test_no_packet_leaves_for_a_name_that_leads_inside(
    connections: list[Any], address: str
) -> None:
    async with naming({"hooks.example": ["93.184.215.14", address]}) as server:
        assert await post(server) == "the address is not in the public internet"
    assert connections == []


async def test_a_name_is_asked_once_and_the_checked_address_is_used(connections: list[Any]) -> None:
    async with naming({"hooks.example": ["93.184.215.14"]}) as server:
        await post(server)
        assert server.asked == {"hooks.example": 2}, (
            "one question for each kind of address, and no second look-up"
        )
    assert connections == [("93.184.215.14", 443)]


async def test_what_is_logged_of_a_name_that_is_not_there_says_so(connections: list[Any]) -> None:
    async with naming({}) as server:
        assert await post(server) == "its name has no address"
    assert connections == []


@pytest.mark.parametrize("host", ["2130706433", "0177.0.0.1", "0x7f.1", "127.1"])
async def test_a_number_that_means_this_machine_leads_nowhere(
    connections: list[Any], host: str
) -> None:
    sender = WebhookSender(b"k" * 32, allow_private=False, names=Names())
    try:
        sender.check(f"https://{host}/")
    except AddressRefused:
        return
    verdict, _ = await sender.post(
        Receiver(f"https://{host}/", (new_webhook_secret(),)), "id", b"{}"
    )
    assert (verdict.outcome, connections) == (Outcome.RETRY, [])


def test_a_receiver_does_not_show_its_secret() -> None:
    secret = new_webhook_secret()
    assert secret not in repr(Receiver("https://hooks.example", (secret,)))


def test_a_key_opens_with_its_own_secret_only() -> None:
    one, other = new_key(), new_key()
    parts = split(one.text)
    assert parts is not None
    assert parts[0] == one.key_id
    assert matches(parts[1], one.secret_hash)
    assert not matches(parts[1], other.secret_hash)


@given(st.text())
def test_what_does_not_look_like_a_key_is_not_looked_up(text: str) -> None:
    assert split(text) is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "delivered"), (299, "delivered"), (302, "retry"), (400, "retry"), (404, "retry"), (410, "gone"), (500, "retry")],
)  # fmt: skip
def test_only_2xx_is_delivered_and_only_410_is_the_end(status: int, outcome: str) -> None:
    assert judge(status, None, NOW).outcome == outcome


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("120", 120.0), ("0", 0.0), ("9" * 400, RETRY_AFTER_MAX_SECONDS), ("soon", None), ("-5", None), ("", None),
        (format_datetime(NOW + timedelta(minutes=3), usegmt=True), 180.0), (format_datetime(NOW - timedelta(1)), 0.0),
    ],
)  # fmt: skip
def test_a_wait_asked_for_is_read_as_seconds_or_as_a_date(asked: str, wait: float | None) -> None:
    assert judge(429, asked, NOW).wait_seconds == wait
    assert judge(500, asked, NOW).wait_seconds is None


@given(st.text())
def test_any_retry_after_is_read_or_passed_over(asked: str) -> None:
    wait = judge(503, asked, NOW).wait_seconds
    assert wait is None or 0 <= wait <= RETRY_AFTER_MAX_SECONDS


@given(st.floats(0, 1e6), st.none() | st.floats(0, 1e6))
def test_the_next_wait_is_never_shorter_than_the_schedule_or_than_asked(
    scheduled: float, asked: float | None
) -> None:
    assert next_wait_seconds(scheduled, DeliveryVerdict(Outcome.RETRY, asked)) == max(
        scheduled, asked or 0
    )


def test_a_bucket_empties_and_fills_again() -> None:
    limiter = Limiter(rate=10, burst=2)
    assert [limiter.wait_seconds("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.1]
    assert limiter.wait_seconds("b", 0.0) == 0.0
    assert limiter.wait_seconds("a", 0.2) == 0.0


@pytest.mark.parametrize(
    "retry_after",
    [
        "Fri, 31 Dec 9999 23:59:59 -2400",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "-5",
        "1e9",
        "9" * 400,
        "soon",
        "",
    ],
)
def test_a_retry_after_beyond_any_calendar_is_bounded_or_passed_over(retry_after: str) -> None:
    verdict = judge(503, retry_after, datetime(2026, 11, 1, tzinfo=UTC))
    assert verdict.outcome is Outcome.RETRY
    assert verdict.wait_seconds is None or 0 <= verdict.wait_seconds <= 86400

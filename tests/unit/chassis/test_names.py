"""Names outside are looked up in bounded time, side by side, and a failure is remembered."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from services.chassis import names as module
from services.chassis.names import LOOKUP_SECONDS, Names, NameUnresolved
from tests.support.name_server import NameServer, naming


@asynccontextmanager
async def looking(
    server: NameServer, seconds: Callable[[], float] = time.monotonic
) -> AsyncIterator[Names]:
    names = Names(server.address, seconds)
    try:
        yield names
    finally:
        await names.close()


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("vicino_name_lookups_total", {"outcome": outcome}) or 0.0


async def test_a_name_has_all_its_addresses_of_both_kinds() -> None:
    async with (
        naming({"var.example": ["192.0.2.1", "192.0.2.2", "2001:db8::1"]}) as server,
        looking(server) as names,
    ):
        assert set(await names.addresses("var.example")) == {
            "192.0.2.1",
            "192.0.2.2",
            "2001:db8::1",
        }


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.7", "::1", "2001:db8::7"])
async def test_an_address_is_its_own_answer_and_nobody_is_asked(address: str) -> None:
    async with naming({}) as server, looking(server) as names:
        assert await names.addresses(address) == [address]
        assert not server.asked


async def test_a_hundred_names_that_nobody_answers_for_delay_no_other_and_end_in_time() -> None:
    silent = [f"n{n}.silent.example" for n in range(100)]
    async with naming({"var.example": ["192.0.2.1"]}, silent) as server, looking(server) as names:
        waiting = [asyncio.create_task(names.addresses(name)) for name in silent]
        while len(server.asked) < len(silent):
            await asyncio.sleep(0.01)
        assert await names.addresses("var.example") == ["192.0.2.1"]
        assert not any(task.done() for task in waiting), (
            "the answer came only after those that have none"
        )
        async with asyncio.timeout(10 * LOOKUP_SECONDS):
            failed = await asyncio.gather(*waiting, return_exceptions=True)
        assert {str(error) for error in failed} == {"its name servers did not answer in time"}
        assert all(isinstance(error, NameUnresolved) for error in failed)


@pytest.mark.parametrize(
    "silent",
    [(), ("gone.example",)],
    ids=["a name that is not there", "a name server that is silent"],
)
async def test_what_was_not_found_is_asked_again_only_after_a_while(
    silent: tuple[str, ...],
) -> None:
    later = 0.0
    async with (
        naming({}, silent) as server,
        looking(server, lambda: time.monotonic() + later) as names,
    ):
        told = set()
        for _ in range(5):
            with pytest.raises(NameUnresolved) as caught:
                await names.addresses("gone.example")
            told.add(str(caught.value))
        assert (len(told), "gone.example" in told.pop()) == (1, False)
        before = server.asked["gone.example"]
        server.known["gone.example"], server.silent = ["192.0.2.9"], set()
        later = module.REMEMBERED_SECONDS
        assert await names.addresses("gone.example") == ["192.0.2.9"]
        assert server.asked["gone.example"] > before


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED_MAX", 3)
    async with naming({}) as server, looking(server) as names:
        for n in range(6):
            with pytest.raises(NameUnresolved):
                await names.addresses(f"n{n}.example")
        remembered = counted("remembered")
        for n in range(6):
            with pytest.raises(NameUnresolved):
                await names.addresses(f"n{n}.example")
        # Each of the first three takes the place of one that was remembered: none is left by the time it is asked for.
        assert counted("remembered") == remembered


@pytest.mark.parametrize(
    "host",
    ["", ".", "a..b", "x" * 64 + ".example", "é.example", "2130706433", "0x7f.1", "a b.example"],
)
async def test_whatever_is_no_name_has_no_address(host: str) -> None:
    async with naming({}) as server, looking(server) as names:
        with pytest.raises(NameUnresolved):
            await names.addresses(host)


async def test_a_resolver_can_be_closed_with_look_ups_under_way_and_used_again() -> None:
    async with (
        naming({"var.example": ["192.0.2.1"]}, ["slow.example"]) as server,
        looking(server) as names,
    ):
        waiting = asyncio.create_task(names.addresses("slow.example"))
        while not server.asked:
            await asyncio.sleep(0.01)
        await names.close()
        with pytest.raises(NameUnresolved):
            await waiting
        assert await names.addresses("var.example") == ["192.0.2.1"]

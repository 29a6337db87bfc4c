"""Names of hosts outside, looked up without threads: a name that nobody answers for delays only who asks for it.

The system's own look-up runs in a pool of threads; a few names that never resolve fill it, and every call outside then waits
for them. c-ares looks up in the event loop, with a limit of time.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import aiodns
from aiohttp.abc import AbstractResolver, ResolveResult

from services.chassis import metrics

LOOKUP_SECONDS = 2.0
"""What one look-up may take, however many name servers there are."""

REMEMBERED_SECONDS = 30.0
"""How long a name that was not found is not asked for again."""

REMEMBERED_MAX = 10_000


class NameUnresolved(OSError):
    """A name has no address, or nobody said one in time. Its text is one of two words, and names no host."""


class Names:
    """Looks up addresses; remembers for a while what was not found. Belongs to the event loop it is first used in."""

    def __init__(
        self, nameservers: str = "", seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """`nameservers` are asked in place of the system's: addresses with commas between, each with or without a port."""
        self._seconds = seconds
        self._nameservers = [
            server.strip() for server in nameservers.split(",") if server.strip()
        ] or None
        self._resolver: aiodns.DNSResolver | None = None
        self._failed: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def addresses(self, host: str) -> list[str]:
        """All addresses of a host, which may be an address itself. Raises `NameUnresolved`."""
        until, why = self._failed.get(host, (0.0, ""))
        if self._seconds() < until:
            metrics.NAME_LOOKUPS.labels("remembered").inc()
            raise NameUnresolved(why)
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                found = await self._ask(host)
        except TimeoutError:
            raise self._unresolved(
                host, "slow", "its name servers did not answer in time"
            ) from None
        except aiodns.error.DNSError as error:
            if error.args[0] == aiodns.error.ARES_ETIMEOUT:
                raise self._unresolved(
                    host, "slow", "its name servers did not answer in time"
                ) from None
            raise self._unresolved(host, "unknown", "its name has no address") from None
        metrics.NAME_LOOKUPS.labels("found").inc()
        self._failed.pop(host, None)
        return found

    async def _ask(self, host: str) -> list[str]:
        if self._resolver is None:
            self._resolver = aiodns.DNSResolver(
                nameservers=self._nameservers, timeout=LOOKUP_SECONDS, tries=1
            )
        answer = await self._resolver.getaddrinfo(
            host, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM
        )
        return [node.addr[0].decode() for node in answer.nodes]

    def _unresolved(self, host: str, outcome: str, why: str) -> NameUnresolved:
        metrics.NAME_LOOKUPS.labels(outcome).inc()
        self._failed[host] = (self._seconds() + REMEMBERED_SECONDS, why)
        self._failed.move_to_end(host)
        if len(self._failed) > REMEMBERED_MAX:
            self._failed.popitem(last=False)
        return NameUnresolved(why)

    async def keep(self, _: object) -> None:
        """Close the resolver when the service ends; given to the service as work in the background."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """End look-ups that are under way."""
        if self._resolver is not None:
            resolver, self._resolver = self._resolver, None
            await resolver.close()


class Pinned(AbstractResolver):
    """Answers with addresses that were checked, so that a second look-up cannot say something else."""

    def __init__(self, host: str, port: int, addresses: Sequence[str]) -> None:
        self._found = [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in addresses
        ]  # fmt: skip

    async def resolve(
        self, host: str, port: int = 0, family: int = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses that were checked."""
        return self._found

    async def close(self) -> None:
        """Nothing is held."""

"""Wrong tokens are slowed: a token bucket of tries per address, asked before any look-up."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from services.chassis import metrics
from services.chassis.logs import logger

TRIES = 30.0
"""Wrong tokens that an address may present at once after a rest."""

SECONDS_PER_TRY = 2.0
"""How long it takes until one more may be presented."""

ADDRESSES_MAX = 10_000
PROVEN_MAX = 50_000

log = logger(__name__)


@lru_cache(maxsize=ADDRESSES_MAX)
def _place(address: str) -> str:
    """What shares one bucket: an IPv4 address, or the /64 of an IPv6 address, which one host owns whole."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is None:
        return str(ipaddress.IPv6Network((ip, 64), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)


@dataclass
class Strangers:
    """Who presented wrong tokens lately. In memory, bounded: the oldest address is forgotten first."""

    tries: float = TRIES
    seconds_per_try: float = SECONDS_PER_TRY
    now: Callable[[], float] = time.monotonic
    _left: "OrderedDict[str, tuple[float, float]]" = field(default_factory=OrderedDict)
    _proven: "OrderedDict[tuple[str, bytes], None]" = field(default_factory=OrderedDict)

    def wait_seconds(self, address: str, token: str) -> float:
        """0 when this token may be looked up now, else how long its address has to wait.

        A token that was right before from the same address passes: behind one proxy, a stranger does not lock out others.
        """
        place = _place(address)
        if place not in self._left or (place, _digest(token)) in self._proven:
            return 0.0
        left = self._refilled(place)
        return 0.0 if left >= 1 else (1 - left) * self.seconds_per_try

    def was_wrong(self, address: str, door: str) -> None:
        """A wrong token was presented: count it, log it (never the token), and use up one try."""
        place = _place(address)
        left = max(0.0, self._refilled(place) - 1)
        self._left[place] = (left, self.now())
        self._left.move_to_end(place)
        if len(self._left) > ADDRESSES_MAX:
            self._left.popitem(last=False)
        metrics.WRONG_TOKENS.labels(door).inc()
        log.warning("a wrong token was presented", door=door, address=address, tries_left=int(left))

    def was_right(self, address: str, token: str) -> None:
        """A right token was presented."""
        known = (_place(address), _digest(token))
        self._proven[known] = None
        self._proven.move_to_end(known)
        if len(self._proven) > PROVEN_MAX:
            self._proven.popitem(last=False)

    def _refilled(self, place: str) -> float:
        left, at = self._left.get(place, (self.tries, self.now()))
        return min(self.tries, left + (self.now() - at) / self.seconds_per_try)


def _digest(token: str) -> bytes:
    return blake2b(token.encode(errors="surrogatepass"), digest_size=16).digest()

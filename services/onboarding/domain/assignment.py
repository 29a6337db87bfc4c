"""Which local reseller serves a tenant: near in place, language and trade, certified, and with room.

The policy: hard filters (language, capacity, certification, 250 km), then a score; ties go to the one with more room,
then to the lower id. The whole ranking is returned with its reasons, so that the answer can be explained.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from schemas.catalogue import Place, ResellerProfile
from schemas.tenants import RankedReseller

EARTH_RADIUS_KM = 6371.0088
DISTANCE_KM_MAX = 250.0
KM_COST = 0.2
"""Points a kilometre costs, of 100."""

SAME_PROVINCIA, SAME_REGIONE, SAME_VERTICAL, FREE_CAPACITY = 15.0, 10.0, 20.0, 10.0
NEAREST_SHOWN = 3


class Exclusion(StrEnum):
    """Why a reseller may not be assigned."""

    LANGUAGE = "language"
    CAPACITY = "capacity"
    CERTIFICATION = "certification"
    DISTANCE = "distance"


@dataclass(frozen=True, slots=True)
class Need:
    """What a tenant needs of its reseller."""

    place: Place
    language: str
    vertical: str
    skus: frozenset[str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reseller, measured against a need. Kilometres and score are exact; they are rounded when they are shown."""

    reseller: ResellerProfile
    distance_km: float
    score: float
    excluded: tuple[Exclusion, ...]

    @property
    def order(self) -> tuple[float, int, str]:
        """Best first: score, then free capacity, then the lower id."""
        free = self.reseller.capacity - self.reseller.active
        return -self.score, -free, self.reseller.reseller_id

    def shown(self) -> RankedReseller:
        """As it travels: one decimal of a kilometre, two of the score."""
        return RankedReseller(
            reseller_id=self.reseller.reseller_id,
            distance_km=_rounded(self.distance_km, "0.1"),
            score=_rounded(self.score, "0.01"),
            excluded=tuple(self.excluded),
        )


def _rounded(value: float, step: str) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal(step), ROUND_HALF_UP)


def distance_km(a: Place, b: Place) -> float:
    """Great-circle distance (haversine) on a sphere of the earth's mean radius."""
    phi_a, phi_b = math.radians(a.lat), math.radians(b.lat)
    half_phi, half_lambda = (phi_b - phi_a) / 2, math.radians(b.lon - a.lon) / 2
    h = math.sin(half_phi) ** 2 + math.cos(phi_a) * math.cos(phi_b) * math.sin(half_lambda) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, h)))


def _score(need: Need, reseller: ResellerProfile, km: float) -> float:
    near = max(0.0, 100.0 - KM_COST * km)
    if reseller.place.provincia == need.place.provincia:
        near += SAME_PROVINCIA
    elif reseller.place.regione == need.place.regione:
        near += SAME_REGIONE
    trade = SAME_VERTICAL if need.vertical in reseller.verticals else 0.0
    room = FREE_CAPACITY * (1 - reseller.active / reseller.capacity) if reseller.capacity else 0.0
    return near + trade + max(0.0, room)


def _exclusions(need: Need, reseller: ResellerProfile, km: float) -> tuple[Exclusion, ...]:
    tests = {
        Exclusion.LANGUAGE: need.language not in reseller.languages,
        Exclusion.CAPACITY: reseller.active >= reseller.capacity,
        Exclusion.CERTIFICATION: not need.skus <= set(reseller.certifications),
        Exclusion.DISTANCE: km > DISTANCE_KM_MAX,
    }
    return tuple(reason for reason, holds in tests.items() if holds)


def measure(need: Need, reseller: ResellerProfile) -> Candidate:
    """Measure one reseller against a need."""
    km = distance_km(need.place, reseller.place)
    return Candidate(reseller, km, _score(need, reseller, km), _exclusions(need, reseller, km))


def rank(need: Need, resellers: Iterable[ResellerProfile]) -> list[Candidate]:
    """All resellers, the fitting ones first and best first, then the excluded ones by distance."""
    measured = [measure(need, reseller) for reseller in resellers]
    fitting = sorted((c for c in measured if not c.excluded), key=lambda c: c.order)
    return fitting + sorted(
        (c for c in measured if c.excluded), key=lambda c: (c.distance_km, c.reseller.reseller_id)
    )


def fitting(ranking: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that may be assigned, best first."""
    return [candidate for candidate in ranking if not candidate.excluded]


def preferring(candidates: Sequence[Candidate], reseller_id: str | None) -> list[Candidate]:
    """The same candidates, the preferred one first, if it is among them."""
    return sorted(candidates, key=lambda c: c.reseller.reseller_id != reseller_id)


def preferred_of(said: Iterable[str | None]) -> str | None:
    """Whom orders name, the oldest first: the first word counts."""
    return next((reseller_id for reseller_id in said if reseller_id is not None), None)


def nearest(ranking: Sequence[Candidate]) -> list[Candidate]:
    """The nearest resellers whatever excludes them: what a person who must decide wants to see."""
    return sorted(ranking, key=lambda c: (c.distance_km, c.reseller.reseller_id))[:NEAREST_SHOWN]

"""What monitoring keeps: alerts, the services it watches, and who is responsible for a tenant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import NAMESPACE_OID, uuid5

from schemas.alerts import AlertKind, AlertState
from schemas.signals import Severity
from services.monitoring.domain.alerts import fingerprint

ALERT_MAY_COME_AGAIN = timedelta(days=90)
"""How long a fact is known to have acted: as long as the inbox keeps it."""

OPERATOR_PROVINCIA = "MI"
"""The calendar of the provider's own desk, for tenants that have no reseller."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was noticed. `cause` names the fact that told us: the same fact opens one alert.

    `cause_before`: its name in earlier builds, which left tenant and principal out.
    """

    cause: str
    kind: AlertKind
    severity: Severity
    tenant_id: str
    service_id: str
    sku: str
    summary: str
    cause_before: str | None = None

    @property
    def alert_id(self) -> str:
        """The id of the alert that it opens."""
        return alert_id_of(self.cause)

    @property
    def fingerprint(self) -> str:
        """What other trouble must have in common with it to be the same trouble."""
        return fingerprint(self.tenant_id, self.service_id, self.kind)


def alert_id_of(cause: str) -> str:
    """The id of the alert that a fact opens."""
    return str(uuid5(NAMESPACE_OID, f"vicino|alert|{cause}"))


@dataclass(frozen=True, slots=True)
class Alert:
    """Trouble that somebody has to answer. `reseller_id` is None when the tenant had no reseller."""

    id: str
    tenant_id: str
    service_id: str
    sku: str
    kind: AlertKind
    severity: Severity
    reseller_id: str | None
    summary: str
    state: AlertState
    acknowledge_by: datetime


@dataclass(frozen=True, slots=True)
class WatchedService:
    """A service instance. It is watched while `heartbeat_seconds`, the interval of its signs of life, is known."""

    id: str
    tenant_id: str
    sku: str
    last_beat_at: datetime | None
    heartbeat_seconds: int | None


@dataclass(frozen=True, slots=True)
class Responsible:
    """Who serves a tenant, from how far, and in whose calendar; as it stands without a reseller by default."""

    reseller_id: str | None = None
    distance_km: Decimal = Decimal(0)
    provincia: str = OPERATOR_PROVINCIA

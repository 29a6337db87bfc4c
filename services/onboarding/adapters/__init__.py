"""Back-ends of services. A driver is one file here and one entry in `app.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Protocol
from urllib.parse import urlsplit

from schemas.catalogue import ProvisioningStep
from services.chassis.jobs import GIVE_UP_AFTER, GiveUp
from services.chassis.pending import Limit

BACKEND_CALLS_AT_ONCE = 4


def limit_of(*steps: ProvisioningStep) -> Limit:
    """The limit of a job that calls the back-ends of these steps: one that hangs holds up its own orders and no others."""
    names = sorted(
        {f"{step.driver}:{_host(step.url)}" if step.url else step.driver for step in steps}
    )
    return Limit("driver:" + "+".join(names), BACKEND_CALLS_AT_ONCE)


def _host(url: str) -> str:
    """Host and port of an address; what is no address has the same one for all."""
    try:
        # Without the user's name and password, which may be part of an address.
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Instance:
    """The service instance a back-end is asked about."""

    service_id: str
    tenant_id: str
    sku: str
    quantities: Mapping[str, Decimal]
    is_suspended: bool = False
    """Whether nobody may reach it; its data stay."""


class Driver(Protocol):
    """Makes, changes and takes back. Every call may be repeated with the same key and then changes nothing more."""

    async def provision(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """Make it. Raises when the back-end refuses or does not answer."""
        ...

    async def change(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """Bring it to the instance's quantities, and suspend it or let it serve, as the instance says."""
        ...

    async def exists(self, instance: Instance, step: ProvisioningStep, key: str) -> bool:
        """Whether what the step made is there; True when the back-end cannot say."""
        ...

    async def deprovision(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """Take it back without a trace; what is not there is no error."""
        ...


class Drivers:
    """The drivers there are, by name."""

    def __init__(
        self, drivers: Mapping[str, Driver], give_up_after: Mapping[str, timedelta] | None = None
    ) -> None:
        self._drivers, self._give_up_after = drivers, give_up_after or {}

    def give_up_after(self, step: ProvisioningStep) -> timedelta:
        """How long the back-end of a step is tried, from the first attempt."""
        return self._give_up_after.get(step.driver, GIVE_UP_AFTER)

    def of(self, step: ProvisioningStep) -> Driver:
        """The driver of a step. Raises `GiveUp` for a plan that names none of ours."""
        if step.driver not in self._drivers:
            raise GiveUp(f"no driver is called {step.driver}")
        return self._drivers[step.driver]

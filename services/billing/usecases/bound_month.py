"""Bound a month of a tenant: what its usage comes to below its caps, and what caps on the whole month take off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.billing.domain.caps import Cap, beyond
from services.billing.domain.periods import Days
from services.billing.domain.recurring import fees_of_month
from services.billing.domain.tenant_caps import TenantCap, taken_off
from services.billing.usecases.rate_usage import RatedUse, spent_of
from services.billing.usecases.services_in_time import ServiceInTime


@dataclass(frozen=True, slots=True)
class BoundedMonth:
    """A month's fees and usage, net. `usage` is what each service's usage comes to below its own hard caps."""

    services: Sequence[ServiceInTime]
    fees: Mapping[str, Decimal]
    """By service."""
    usage: Mapping[str, Decimal]
    taken: Mapping[str, Decimal]
    """What a hard cap on the whole month takes off each service's usage (0 or less), where there is one."""

    def billed_of(self, service_id: str) -> Decimal:
        """What is billed of a service's usage: less than it comes to, where a cap binds."""
        return self.usage[service_id] + self.taken.get(service_id, Decimal(0))

    def spent_of(self, currency: str) -> Decimal:
        """What the tenant's cap of a currency bounds: fees and usage, before anything is taken off for it."""
        return sum(
            (self.fees[one.service.id] + self.usage[one.service.id]
             for one in self.services if one.service.currency == currency), Decimal(0),
        )  # fmt: skip


def bound_month(
    services: Sequence[ServiceInTime], rated: Sequence[RatedUse], caps: Sequence[Cap],
    tenant_caps: Mapping[str, TenantCap], month: Days,
) -> BoundedMonth:  # fmt: skip
    """Bound a month's usage, by the caps that are in force in it."""
    there = [one for one in services if one.started < month.end and not one.is_over(month.start)]
    fees = {
        one.service.id: fees_of_month(one.service.plan, one.changes, month, one.service.step, one.price_of, one.free_of)
        for one in there
    }  # fmt: skip
    usage = {one.service.id: _below_own_caps(one.service.id, rated, caps, month) for one in there}
    taken: dict[str, Decimal] = {}
    for currency, cap in tenant_caps.items():
        own = [one.service for one in there if one.service.currency == currency]
        if cap.is_hard and own:
            whole = sum((fees[service.id] for service in own), Decimal(0))
            uses = {service.id: usage[service.id] for service in own}
            taken |= taken_off(cap, month.start, whole, uses, own[0].step)
    return BoundedMonth(there, fees, usage, taken)


def _below_own_caps(
    service_id: str, rated: Sequence[RatedUse], caps: Sequence[Cap], month: Days
) -> Decimal:
    """What a service's usage comes to, less what its hard caps take off."""
    whole = sum(
        (charge.net for use in rated if use.service.id == service_id for charge in use.charges), Decimal(0)
    )  # fmt: skip
    own = [cap for cap in caps if cap.service_id == service_id]
    return whole - sum((beyond(cap, spent_of(cap, rated), month.start) for cap in own), Decimal(0))

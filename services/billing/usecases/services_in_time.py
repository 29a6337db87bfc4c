"""Tenants' services with their quantities over time, as they were known at an instant, of many tenants at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from schemas.catalogue import RecurringPrice
from services.billing import store
from services.billing.domain.agreed_prices import AgreedPrice, AnyPrice, agreed_or_sold
from services.billing.domain.model import BilledService, BilledTenant
from services.billing.domain.periods import Days, civil_day
from services.billing.domain.quantities import Change, QuantityFact, timeline
from services.billing.domain.service_life import WHOLE, Life, StateFact, life, until_end
from services.chassis.database import Connection


@dataclass(frozen=True, slots=True)
class ServiceInTime:
    """A service of a tenant, the civil day it started, and its ordered quantities since."""

    service: BilledService
    started: date
    changes: Sequence[Change]
    agreed: Sequence[AgreedPrice] = ()
    """What its tenant pays instead of the plan's prices, in the order of arrival."""
    life: Life = WHOLE

    @property
    def charged_from(self) -> date:
        """The day from which it costs its fees and its set-up: the one after its trial."""
        return self.started + timedelta(days=self.service.plan.trial_days)

    def free_of(self, price: RecurringPrice) -> Sequence[Days]:
        """The days on which a component costs nothing: of its trial, and of suspensions if the plan pauses it then."""
        trial = Days(self.started, self.charged_from)
        suspended = self.life.suspended if price.paused else ()
        beyond = (Days(max(days.start, trial.end), max(days.end, trial.end)) for days in suspended)
        return [days for days in (trial, *beyond) if len(days)]

    def is_over(self, day: date) -> bool:
        """Whether it ended before a day."""
        return self.life.ended is not None and self.life.ended < day

    def price_of(self, price: AnyPrice, month: date) -> AnyPrice:
        """What a component costs in the month that begins on a day."""
        return agreed_or_sold(self.service.plan.sku, price, self.agreed, month)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about beside what is known: facts of services by their id, and services that are not there."""

    facts: Mapping[str, Sequence[QuantityFact]] = field(default_factory=dict)
    services: Sequence[BilledService] = ()

    states: Mapping[str, Sequence[StateFact]] = field(default_factory=dict)

    @property
    def since(self) -> datetime | None:
        """The earliest instant that it is about."""
        of_quantities = (fact.effective_at for facts in self.facts.values() for fact in facts)
        of_states = (fact.effective_at for facts in self.states.values() for fact in facts)
        return min((*of_quantities, *of_states), default=None)


NOTHING = Asked()


@dataclass(frozen=True, slots=True)
class TenantRun:
    """A run of a tenant: what was stored up to `as_of` counts, and what is asked about beside it."""

    tenant: BilledTenant
    as_of: datetime
    asked: Asked = NOTHING


async def services_in_time(
    db: Connection, tenant: BilledTenant, as_of: datetime, asked: Asked = NOTHING
) -> list[ServiceInTime]:
    """A tenant's services with their quantities, as known at an instant; behind them, what is asked about."""
    return (await services_of(db, [TenantRun(tenant, as_of, asked)]))[tenant.id]


async def services_of(db: Connection, runs: Sequence[TenantRun]) -> dict[str, list[ServiceInTime]]:
    """The same of many tenants."""
    known = await store.services_of(db, [run.tenant.id for run in runs])
    own = {run.tenant.id: [*known[run.tenant.id], *run.asked.services] for run in runs}
    agreed = await store.agreed_prices_of(
        db, [store.AsOf(run.tenant.id, run.as_of) for run in runs]
    )
    everyone = [store.AsOf(service.id, run.as_of) for run in runs for service in own[run.tenant.id]]
    stored = await store.quantity_facts(db, everyone)
    states = await store.state_facts(db, everyone)
    found: dict[str, list[ServiceInTime]] = {run.tenant.id: [] for run in runs}
    for run in runs:
        zone = run.tenant.zone
        for service in own[run.tenant.id]:
            facts = [*stored[service.id], *run.asked.facts.get(service.id, ())]
            if facts:
                told = [*states[service.id], *run.asked.states.get(service.id, ())]
                lived = life(told, service.activated_at, zone)
                changes = until_end(timeline(facts, service.activated_at, zone), lived.ended)
                started = civil_day(service.activated_at, zone)
                found[run.tenant.id].append(
                    ServiceInTime(service, started, changes, agreed[run.tenant.id], lived)
                )
    return found

"""Report an invoice run that fails: it is parked until its cause is gone, and nobody else waits for it."""

from schemas.billing import InvoiceParked, InvoiceReleased
from services.billing.job_kinds import InvoiceRun
from services.chassis.jobs import Delay
from services.chassis.unit import Unit


async def report_parked(args: InvoiceRun, delay: Delay, unit: Unit) -> None:
    """It has failed for a minute. Published once."""
    unit.publish(
        InvoiceParked(boundary=args.boundary, since=delay.since, explanation=delay.why),
        subject=args.tenant_id,
    )


def report_released(args: InvoiceRun, unit: Unit) -> None:
    """It has succeeded after all."""
    unit.publish(InvoiceReleased(boundary=args.boundary), subject=args.tenant_id)

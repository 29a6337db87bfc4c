"""`vicino meters`: definitions, and whether buckets are what their events come to."""

from datetime import datetime
from typing import Annotated

import typer

from services.chassis.texts import one_line
from services.cli.shared import PostgresOption, console, show_table
from services.local.play import play

meters_app = typer.Typer(
    no_args_is_help=True,
    help="What is counted: definitions, and whether what is added up is right.",
)


FirstOption = Annotated[
    datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First civil day.")
]
AfterOption = Annotated[
    datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last one.")
]
MeterOption = Annotated[str | None, typer.Option(help="Only this meter.")]
TenantOption = Annotated[str | None, typer.Option(help="Only this tenant, by id or external id.")]


@meters_app.command("list")
def meters_list(postgres_url: PostgresOption) -> None:
    """All definitions of all meters, and since when each counts."""
    from services.billing.metering.tools import definitions

    columns = ("meter", "version", "counts from", "aggregation", "reads", "filter", "kept apart by")
    show_table(columns, play(definitions(postgres_url)))


@meters_app.command("verify")
def meters_verify(
    postgres_url: PostgresOption,
    first: FirstOption,
    after: AfterOption,
    meter: MeterOption = None,
    tenant: TenantOption = None,
) -> None:
    """Compare buckets with the raw events they were added up from; exits with 1 and prints every difference."""
    from services.billing.metering.tools import verified

    async def compare() -> tuple[int, int]:
        buckets = differences = 0
        async for name, outcome in verified(
            postgres_url, first.date(), after.date(), meter, tenant
        ):
            buckets, differences = buckets + outcome.buckets, differences + len(outcome.differences)
            for one in outcome.differences:
                where = f"{name} {one.meter} v{one.version} {one.dimensions} {one.starts:%Y-%m-%d %H:%M}Z"
                told = f"{where}: stored {one.stored}; its events come to {one.recomputed}"
                console.print(one_line(told), markup=False, highlight=False)
        return buckets, differences

    buckets, differences = play(compare())
    console.print(f"{buckets} buckets compared with their events, {differences} differ.")
    if differences:
        console.print("To add them up again: vicino meters rebuild, with the same options.")
        raise typer.Exit(1)


@meters_app.command("rebuild")
def meters_rebuild(
    postgres_url: PostgresOption, first: FirstOption, after: AfterOption, meter: MeterOption = None, tenant: TenantOption = None,
    as_version: Annotated[int | None, typer.Option(help="Let this version of --meter count from --from on, up to now.")] = None,
) -> None:  # fmt: skip
    """Add up a window again from its raw events, while usage flows in; nothing is counted twice."""
    from services.billing.metering.tools import rebuilt

    if as_version is not None and meter is None:
        raise typer.BadParameter("--as-version needs --meter")

    async def again() -> int:
        buckets = 0
        async for name, n in rebuilt(
            postgres_url, first.date(), after.date(), meter, tenant, as_version
        ):
            console.print(f"{one_line(name)}: {n} buckets", markup=False, highlight=False)
            buckets += n
        return buckets

    console.print(f"{play(again())} buckets added up again.")

"""`vicino caps`, `contracts`, `preview`, `explain` and `audit`: what is owed, and why."""

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

import typer

from services.chassis.texts import one_line
from services.cli.answers import JsonOption, TenantArgument, done, print_json, show
from services.cli.shared import PostgresOption, console, show_table

caps_app = typer.Typer(no_args_is_help=True, help="What usage may cost in a civil month.")
contracts_app = typer.Typer(no_args_is_help=True, help="What resellers earn of documents.")
usage_app = typer.Typer(
    no_args_is_help=True, help="What was used: take back what should not count."
)
payments_app = typer.Typer(no_args_is_help=True, help="What was paid of invoices.")

DayOption = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this civil day on.")]  # fmt: skip
Percent = Annotated[str, typer.Argument(help="In per cent, such as 18 or 12.5.")]


STATES = {"cancel": "ended", "suspend": "suspended", "resume": "active"}
"""What may be asked of a service, and the state it is in then."""


def decimal_of(text: str, name: str) -> Decimal:
    """An amount as it was typed. Raises `BadParameter`."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{name}: {text} is no number") from None
    if not found.is_finite():
        raise typer.BadParameter(f"{name}: {text} is no amount")
    return found


@caps_app.command("set")
def caps_set(
    tenant: TenantArgument,
    service_id: Annotated[
        str,
        typer.Argument(
            help="The service whose usage is bounded; `all`: the tenant's whole month, with its fees."
        ),
    ],
    amount: Annotated[str, typer.Argument(help="Net of IVA, a month; `none` lifts the cap.")],
    postgres_url: PostgresOption,
    meter: Annotated[
        list[str] | None, typer.Option(help="A meter of the service; may be repeated.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="With `all`, where services are billed in several.")
    ] = None,
    soft: Annotated[
        bool, typer.Option("--soft", help="Tell only: the bill may be higher.")
    ] = False,
    since: DayOption = None,
) -> None:
    """Set, change or lift a spending cap, from this month on or from the first day of a later one."""
    from services.billing.tools import cap

    wanted = None if amount == "none" else decimal_of(amount, "amount")
    done(
        cap(
            postgres_url,
            tenant,
            None if service_id == "all" else service_id,
            meter or (),
            wanted,
            currency=currency,
            hard=not soft,
            since=since and since.date(),
        )
    )
    console.print("The cap is lifted." if wanted is None else "The cap is set.")


@caps_app.command("show")
def caps_show(
    tenant: TenantArgument, postgres_url: PostgresOption, as_json: JsonOption = False
) -> None:
    """The caps of this month: what each allows, and what is spent of it."""
    from services.billing.tools import caps

    found = done(caps(postgres_url, tenant))
    if not as_json:
        found = [
            {**row, "service_id": row["service_id"] or "all", "meters": ", ".join(row["meters"])} for row in found
        ]  # fmt: skip
    show(found, ("service_id", "meters", "amount", "spent", "hard", "since"), as_json)


@contracts_app.command("set")
def contracts_set(
    reseller_id: Annotated[str, typer.Argument(help="The reseller.")],
    rate: Percent,
    postgres_url: PostgresOption,
    since: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="For documents of this day on.")
    ],
    uplift: Annotated[
        str, typer.Option(help="Beside the rate, in a tenant's first year; in per cent.")
    ] = "0",
    model: Annotated[
        Literal["agency", "resale"], typer.Option(help="Whom the SME owes.")
    ] = "agency",
) -> None:
    """Agree what a reseller earns of the commissionable lines of its tenants' documents."""
    from services.billing.domain.commission import ContractModel
    from services.billing.tools import contract

    percents = decimal_of(rate, "rate"), decimal_of(uplift, "--uplift")
    if not all(0 <= percent <= 100 for percent in percents):
        raise typer.BadParameter("a rate is from 0 to 100 per cent")
    done(contract(postgres_url, reseller_id, since.date(), ContractModel(model), *percents))
    console.print("The contract is agreed.")


@contracts_app.command("show")
def contracts_show(
    reseller_id: Annotated[str, typer.Argument(help="The reseller.")], postgres_url: PostgresOption, as_json: JsonOption = False
) -> None:  # fmt: skip
    """A reseller's contracts, by the day they count from."""
    from services.billing.tools import contracts

    names = ("since", "model", "rate_percent", "first_year_uplift_percent")
    show(done(contracts(postgres_url, reseller_id)), names, as_json)


def preview(
    tenant: TenantArgument,
    postgres_url: PostgresOption,
    change: Annotated[
        list[str] | None,
        typer.Option(
            help="SERVICE_ID:COMPONENT=QUANTITY, or SERVICE_ID:cancel, :suspend, :resume."
        ),
    ] = None,
    order: Annotated[list[str] | None, typer.Option(help="SKU:COMPONENT=QUANTITY.")] = None,
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="From this day (UTC) on; none: from now on."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What a tenant's next run would issue, as things are, or with changes and orders that might come."""
    from schemas.tenants import LifeState
    from services.billing.tools import preview as previewed
    from services.billing.usecases.preview_invoice import AskedChange, AskedService

    effective = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    changes = []
    for text in change or ():
        state = STATES.get(text.partition(":")[2])
        changes.append(AskedChange(*_asked(text), effective, LifeState(state) if state else None))
    services = [AskedService(sku, said or {}, effective) for sku, said in map(_asked, order or ())]
    found = done(previewed(postgres_url, tenant, changes, services))
    if as_json:
        print_json(
            {"boundary": found.boundary, "as_of": found.as_of, "documents": [
                {"tipo_documento": one.tipo_documento, "currency": one.currency,
                 "lines": [line.model_dump(mode="json") for line in one.lines],
                 "totals": one.totals.model_dump(mode="json")}
                for one in found.documents
            ]}
        )  # fmt: skip
        return
    for one in found.documents:
        console.print(f"{one.tipo_documento} of {found.boundary}, {one.currency}", highlight=False)
        show_table(
            ("component", "description", "quantity", "price", "net", "from", "to"),
            ((line.sku, line.description, line.quantity, line.unit_price, line.net, line.period_from, line.period_to)
             for line in one.lines),
        )  # fmt: skip
        sums = one.totals
        console.print(
            f"net {sums.imponibile}, IVA {sums.imposta}, to pay {sums.da_pagare}", highlight=False
        )
    if not found.documents:
        console.print(f"Nothing would be issued at {found.boundary}.", highlight=False)


def _asked(text: str) -> tuple[str, dict[str, Decimal] | None]:
    """`NAME:COMPONENT=QUANTITY`, or `NAME:` and a state; a name alone has no quantities."""
    name, _, said = text.partition(":")
    if said in STATES:
        return name, None
    component, _, quantity = said.partition("=")
    return name, {component: decimal_of(quantity, component)} if said else {}


@usage_app.command("retract")
def usage_retract(
    tenant: TenantArgument,
    source: Annotated[str, typer.Argument(help="Source of the usage event.")],
    event_id: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    postgres_url: PostgresOption,
    reason: Annotated[str, typer.Option(help="Why; it is published with the fact.")],
    sender: Annotated[
        str | None, typer.Option(help="Who sent it, where several have one of this name.")
    ] = None,
) -> None:
    """Take back a usage event: it counts no more, and the next run gives back what was billed of it."""
    from services.billing.tools import retracted

    is_new = done(retracted(postgres_url, tenant, source, event_id, reason, sender))
    console.print("It counts no more." if is_new else "It was taken back before.")


@payments_app.command("record")
def payments_record(
    number: Annotated[str, typer.Argument(help="NUMBER of an invoice.")],
    amount: Annotated[str, typer.Argument(help="What came; with --back, what went back.")],
    postgres_url: PostgresOption,
    reference: Annotated[str, typer.Option(help="The bank's own: the same again changes nothing.")],
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day it came.")],
    back: Annotated[bool, typer.Option("--back", help="It was paid back.")] = False,
) -> None:
    """Record a payment of an invoice, in part or in full, or a refund."""
    from services.billing.tools import paid

    sign = -1 if back else 1
    found = done(
        paid(postgres_url, number, reference, sign * decimal_of(amount, "amount"), on.date())
    )
    console.print(f"Open of {number}: {found.open}", highlight=False)


def explain(
    number: Annotated[str, typer.Argument(help="NUMBER of a document, or NUMBER/LINE.")],
    postgres_url: PostgresOption,
    as_json: JsonOption = False,
) -> None:
    """What is behind a document's lines; of one line of usage, down to the raw events."""
    from services.billing.tools import explained

    parts = number.split("/")
    line = int(parts.pop()) if len(parts) == 4 and parts[-1].isdecimal() else None
    found = done(explained(postgres_url, "/".join(parts), line))
    if as_json:
        print_json(found)
        return
    for row in found["lines"]:
        show_table(("what", "value"), (
            (name, json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, (dict, list)) else value)
            for name, value in row.items() if value is not None
        ))  # fmt: skip


def audit(
    postgres_url: PostgresOption,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First civil day.")],
    after: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last one.")],
    tenant: Annotated[str | None, typer.Option(help="Only this tenant, by id or external id.")] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Compare the books with themselves, from raw events to commissions; exits with 1 and prints every difference."""
    from services.billing.tools import audited

    async def compare() -> dict[str, Any]:
        found: dict[str, Any] = {"compared": 0, "differences": [], "passed_over": []}
        async for name, one in audited(postgres_url, first.date(), after.date(), tenant):
            found["compared"] += one.compared
            found["passed_over"] += [f"{name}: {why}" for why in one.passed_over]
            found["differences"] += [
                {"tenant": name, "rule": each.rule, "where": each.where, "expected": each.expected, "actual": each.actual}
                for each in one.differences
            ]  # fmt: skip
        return found

    found = done(compare())
    if as_json:
        print_json(found)
    else:
        for why in found["passed_over"]:
            console.print(one_line(f"passed over {why}"), markup=False, highlight=False)
        for each in found["differences"]:
            told = f"{each['tenant']} {each['rule']}: {each['where']}: expected {each['expected']}, found {each['actual']}"
            console.print(one_line(told), markup=False, highlight=False)
        console.print(
            f"{found['compared']} compared, {len(found['differences'])} differ.", highlight=False
        )
    if found["differences"]:
        raise typer.Exit(1)

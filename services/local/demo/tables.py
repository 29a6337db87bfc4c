"""What a person sees at the end of the demo. The invoice is written as its reader writes: in Italian."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.chassis.italian import amount, day, quantity
from services.local.demo.expectations import Expectation, Expectations

STATES = {"active": "[green]active[/]", "waiting": "[yellow]waits for a person[/]"}
ALERT_STATES = {"resolved": "[green]resolved[/]", "escalated": "[yellow]escalated[/]"}
EXCLUSIONS = {
    "capacity": "has no room", "certification": "is not certified for what was ordered",
    "distance": "is too far", "language": "does not speak the language",
}  # fmt: skip


def _table(title: str, *columns: str, right: tuple[str, ...] = (), caption: str = "") -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", header_style="dim", caption=caption or None,
        caption_justify="left",
    )  # fmt: skip
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table


def act_line(title: str, expectations: Sequence[Expectation], seconds: float) -> str:
    """An act that was played."""
    held = sum(item.held for item in expectations)
    if held == len(expectations):
        return f"  [green]✓[/] {title} [dim]{seconds:.1f} s, {held} held[/]"
    return f"  [bold red]✗[/] {title} [dim]{seconds:.1f} s,[/] [bold red]only {held} of {len(expectations)} held[/]"


def show(console: Console, outcome: dict[str, Any], expectations: Expectations) -> None:
    """All tables."""
    found = [_tenants(outcome["tenants"]), _usage(outcome["usage"])]
    found += [
        _invoice(invoice)
        for invoice in outcome["invoices"]
        if (invoice["external_id"], invoice["date"]) == ("SME-01", "2026-12-01")
    ]
    found += [_invoices(outcome["invoices"]), _alerts(outcome["alerts"])]
    for table in found:
        console.print()
        console.print(table)
    console.print()
    show_failures(console, expectations)


def show_failures(console: Console, expectations: Expectations) -> None:
    """What had to hold and did not, if anything."""
    if not expectations.failed:
        return
    table = _table("What did not hold", "act", "expectation", "seen")
    for item in expectations.failed:
        table.add_row(item.act, f"[red]{escape(item.name)}[/]", escape(item.seen))
    console.print(table)


def verdict(outcome: dict[str, Any], expectations: Expectations, file: Path) -> str:
    """The last lines."""
    n, waits = len(expectations.found), outcome["orders_to_active_ms"]
    said = (
        f"[bold green]every expectation held[/]: {n} of {n}"
        if expectations.all_held
        else f"[bold red]not every expectation held[/]: {n - len(expectations.failed)} of {n}"
    )
    return (
        f"{said}; order to active p50 {waits['p50']} ms, p99 {waits['p99']} ms; {outcome['seconds']} s in all.\n"
        f"All of it, expectation by expectation: {escape(str(file))}"
    )


def _tenants(tenants: list[dict[str, Any]]) -> Table:
    table = _table(
        "Tenants and their local reseller", "tenant", "name", "state", "reseller", "km", right=("km",),
        caption="\n".join(_passed_over(tenant) for tenant in tenants if tenant["passed_over"]),
    )  # fmt: skip
    for tenant in tenants:
        state = STATES.get(tenant["state"], f"[red]{tenant['state']}[/]")
        km = "" if tenant["distance_km"] is None else f"{tenant['distance_km']:.1f}"
        table.add_row(tenant["external_id"], tenant["name"], state, tenant["reseller"] or "-", km)
    return table


def _passed_over(tenant: dict[str, Any]) -> str:
    nearest = tenant["passed_over"][0]
    why = " and ".join(EXCLUSIONS[reason] for reason in nearest["excluded"])
    near = "nearer" if tenant["reseller"] else "nearest"
    return f"{tenant['external_id']}: {nearest['reseller']} is {near} ({nearest['distance_km']:.1f} km), but {why}"


def _usage(usage: dict[str, Any]) -> Table:
    table = _table(
        "Usage: every event has exactly one end", "what became of it", "events", right=("events",)
    )
    table.add_row("counted", f"{usage['counted']:,}")
    table.add_row("duplicates (sent twice, counted once)", f"{usage['duplicates']:,}")
    for reason, n in usage["rejected"].items():
        table.add_row(f"rejected: {reason}", f"{n:,}")
    table.add_section()
    table.add_row("[bold]sent[/]", f"[bold]{usage['sent']:,}[/]")
    return table


def _invoice(invoice: dict[str, Any]) -> Table:
    title = f"Fattura {invoice['number']} del {day(invoice['date'])}, {invoice['name']}"
    table = _table(
        title,
        "descrizione",
        "quantità",
        "prezzo",
        "importo",
        right=("quantità", "prezzo", "importo"),
    )
    for line in invoice["lines"]:
        table.add_row(
            line["description"],
            quantity(line["quantity"]),
            amount(line["unit_price"]),
            amount(line["net"]),
        )
    table.add_section()
    totals = invoice["totals"]
    table.add_row("Imponibile", "", "", amount(totals["imponibile"]))
    table.add_row("IVA", "", "", amount(totals["imposta"]))
    table.add_row("[bold]Totale EUR[/]", "", "", f"[bold]{amount(totals['totale_documento'])}[/]")
    return table


def _invoices(invoices: list[dict[str, Any]]) -> Table:
    right = ("lines", "net EUR", "total EUR")
    table = _table(
        "Invoices and credit notes, with VAT in the total",
        "number",
        "date",
        "tenant",
        *right,
        right=right,
    )
    total = Decimal(0)
    for invoice in sorted(invoices, key=lambda item: item["number"]):
        sign = -1 if invoice["tipo_documento"] == "TD04" else 1
        gross = sign * Decimal(invoice["totals"]["totale_documento"])
        total += gross
        table.add_row(
            invoice["number"], invoice["date"], invoice["external_id"], str(len(invoice["lines"])),
            f"{sign * Decimal(invoice['totals']['imponibile']):,}", f"{gross:,}",
        )  # fmt: skip
    table.add_section()
    table.add_row("", "", "", "", "", f"[bold]{total:,}[/]")
    return table


def _alerts(alerts: list[dict[str, Any]]) -> Table:
    table = _table(
        "Alerts", "tenant", "trouble", "reseller", "told after", "state", right=("told after",)
    )
    for alert in alerts:
        told = "-" if alert["notified_ms"] is None else f"{alert['notified_ms']} ms"
        state = ALERT_STATES.get(alert["state"], f"[red]{alert['state']}[/]")
        table.add_row(
            alert["tenant"], alert["kind"].replace("_", " "), alert["reseller"], told, state
        )
    return table

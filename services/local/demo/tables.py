"""What a person sees at the end of the demo."""

from typing import Any

from rich.console import Console
from rich.table import Table

from services.console.italian import amount, day, quantity
from services.local.demo.expectations import Expectations


def _table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", expand=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table


def show(console: Console, outcome: dict[str, Any], expectations: Expectations) -> None:
    """All tables."""
    console.print(_tenants(outcome["tenants"]), _usage(outcome["usage"]))
    for invoice in outcome["invoices"]:
        if invoice["external_id"] == "SME-01" and invoice["date"] == "2026-12-01":
            console.print(_invoice(invoice))
    console.print(_invoices(outcome["invoices"]), _alerts(outcome["alerts"]), _expectations(expectations))


def _tenants(tenants: list[dict[str, Any]]) -> Table:
    table = _table("Tenants and their local reseller", "tenant", "name", "state", "reseller", "km", right=("km",))
    for tenant in tenants:
        state = "[green]active[/]" if tenant["state"] == "active" else "[yellow]waits for a person[/]"
        km = "" if tenant["distance_km"] is None else quantity(tenant["distance_km"])
        table.add_row(tenant["external_id"], tenant["name"], state, tenant["reseller"] or "-", km)
    return table


def _usage(usage: dict[str, Any]) -> Table:
    table = _table("Usage: every event has exactly one end", "what became of it", "events", right=("events",))
    table.add_row("counted", f"{usage['counted']:,}")
    table.add_row("duplicates (sent twice, counted once)", f"{usage['duplicates']:,}")
    for reason, n in usage["rejected"].items():
        table.add_row(f"rejected: {reason}", f"{n:,}")
    table.add_section()
    table.add_row("[bold]sent[/]", f"[bold]{usage['sent']:,}[/]")
    return table


def _invoice(invoice: dict[str, Any]) -> Table:
    title = f"Fattura {invoice['number']} del {day(invoice['date'])}, {invoice['name']}"
    table = _table(title, "descrizione", "quantità", "prezzo", "importo", right=("quantità", "prezzo", "importo"))
    for line in invoice["lines"]:
        table.add_row(line["description"], quantity(line["quantity"]), amount(line["unit_price"]), amount(line["net"]))
    table.add_section()
    totals = invoice["totals"]
    table.add_row("Imponibile", "", "", amount(totals["imponibile"]))
    table.add_row("IVA", "", "", amount(totals["imposta"]))
    table.add_row("[bold]Totale EUR[/]", "", "", f"[bold]{amount(totals['totale_documento'])}[/]")
    return table


def _invoices(invoices: list[dict[str, Any]]) -> Table:
    table = _table("Invoices", "number", "date", "tenant", "lines", "net", "total", right=("lines", "net", "total"))
    for invoice in sorted(invoices, key=lambda item: item["number"]):
        totals = invoice["totals"]
        table.add_row(
            invoice["number"], invoice["date"], invoice["external_id"], str(len(invoice["lines"])),
            amount(totals["imponibile"]), amount(totals["totale_documento"]),
        )  # fmt: skip
    return table


def _alerts(alerts: list[dict[str, Any]]) -> Table:
    table = _table("Alerts", "tenant", "trouble", "reseller", "state", "told after", right=("told after",))
    for alert in alerts:
        told = "-" if alert["notified_ms"] is None else f"{alert['notified_ms']} ms"
        table.add_row(alert["tenant"], alert["kind"], alert["reseller"], alert["state"], told)
    return table


def _expectations(expectations: Expectations) -> Table:
    table = _table("What had to hold", "", "expectation", "seen")
    for item in expectations.found:
        table.add_row("[green]✓[/]" if item.held else "[bold red]✗[/]", item.name, item.seen)
    return table

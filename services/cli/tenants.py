"""`vicino tenants`, `alerts` and `deliveries`: what the operator looks at every day, and the decisions about it."""

from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from schemas.orders import ItemAction, OrderPlaced
from schemas.scalars import rfc3339
from services.cli.answers import JsonOption, print_json, show
from services.cli.clock import now_in
from services.cli.door import ask, ask_all
from services.cli.lists import LimitOption, StateOption, TenantOption
from services.cli.orders import PlacedAtOption, say_order, send
from services.cli.shared import HomeOption, console
from services.local.play import cannot_go_on

tenants_app = typer.Typer(no_args_is_help=True, help="Tenants and who serves them.")
alerts_app = typer.Typer(no_args_is_help=True, help="Alerts and who has them in hand.")
deliveries_app = typer.Typer(no_args_is_help=True, help="Notifications: what became of them.")


@tenants_app.command("list")
def tenants_list(
    state: StateOption = None,
    limit: LimitOption = 100,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tenants by their names, with their services and their newest order."""
    found = ask_all(home, "/v1/tenants", limit, state=state)
    rows = [_in_a_row(tenant) for tenant in found]
    names = ("tenant_id", "external_id", "name", "state", "reseller_id", "services", "newest_order")
    show(found if as_json else rows, names, as_json)


def _in_a_row(tenant: dict[str, Any]) -> dict[str, Any]:
    order = tenant["newest_order"]
    services = ", ".join(f"{one['sku']} {one['state']}" for one in tenant["services"])
    return {**tenant, "services": services, "newest_order": order and f"{order['reference']} {order['state']}"}  # fmt: skip


@tenants_app.command("show")
def tenants_show(
    tenant: Annotated[str, typer.Argument(help="Its id.")], home: HomeOption = None
) -> None:
    """Everything about a tenant, as JSON."""
    print_json(ask(home, "GET", f"/v1/tenants/{tenant}").body)


@tenants_app.command("assign")
def tenants_assign(
    tenant: Annotated[str, typer.Argument(help="Its id.")],
    reseller: Annotated[str, typer.Argument(help="Who shall serve it.")],
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    home: HomeOption = None,
) -> None:
    """Choose the reseller of a tenant that waits for a person."""
    body = {"reseller_id": reseller, "reason": reason}
    ask(home, "PUT", f"/operator/v1/tenants/{tenant}/assignment", body)
    console.print("Decided; `vicino tenants show` says when it is done.")


OnlyOption = Annotated[
    list[str] | None, typer.Option("--service", help="Only this service, by its id; may be given several times.")
]  # fmt: skip
AtOption = Annotated[str | None, typer.Option("--at", help="From when on, RFC 3339; now, if not said.")]  # fmt: skip


@tenants_app.command("move")
def tenants_move(
    tenant: Annotated[str, typer.Argument(help="Its id.")],
    reseller: Annotated[str, typer.Argument(help="Who shall serve it instead.")],
    at: AtOption = None,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    home: HomeOption = None,
) -> None:
    """Move a tenant from its reseller to another one; both are notified."""
    body = {"reseller_id": reseller, "reason": reason} | ({"effective_at": at} if at else {})
    ask(home, "PUT", f"/operator/v1/tenants/{tenant}/reassignment", body)
    console.print("Decided; `vicino tenants show` says when it is done.")


@tenants_app.command("suspend")
def tenants_suspend(
    tenant: Annotated[str, typer.Argument(help="Its id.")],
    service: OnlyOption = None,
    at: AtOption = None,
    placed_at: PlacedAtOption = "",
    home: HomeOption = None,
) -> None:
    """Suspend a tenant's services: nobody of the firm reaches them, their data stay."""
    _order_state(home, tenant, ItemAction.SUSPEND, ("active",), service, at, placed_at)


@tenants_app.command("resume")
def tenants_resume(
    tenant: Annotated[str, typer.Argument(help="Its id.")],
    service: OnlyOption = None,
    at: AtOption = None,
    placed_at: PlacedAtOption = "",
    home: HomeOption = None,
) -> None:
    """Let a tenant's suspended services serve again."""
    _order_state(home, tenant, ItemAction.RESUME, ("suspended",), service, at, placed_at)


@tenants_app.command("end")
def tenants_end(
    tenant: Annotated[str, typer.Argument(help="Its id.")],
    service: OnlyOption = None,
    at: AtOption = None,
    placed_at: PlacedAtOption = "",
    home: HomeOption = None,
) -> None:
    """End a tenant's services for good. Their data are kept for the retention time, then removed."""
    _order_state(home, tenant, ItemAction.END, ("active", "suspended"), service, at, placed_at)


def _order_state(
    home: Path | None, tenant: str, action: ItemAction, states: tuple[str, ...], only: list[str] | None, at: str | None,
    placed_at: str,
) -> None:  # fmt: skip
    """Order a state for services of a tenant: those named, or all that are in one of these states."""
    services = ask(home, "GET", f"/v1/tenants/{tenant}").body["services"]
    fitting = [one["service_id"] for one in services if one["state"] in states]
    chosen = only or fitting
    if strangers := sorted(set(chosen) - set(fitting)):
        cannot_go_on(f"the tenant has no {' or '.join(states)} service {', '.join(strangers)}")
    if not chosen:
        cannot_go_on(f"the tenant has no {' or '.join(states)} service")
    items = [{"action": action, "service_id": one} for one in chosen]
    name = str(uuid4())
    data = {"reference": f"{action} {name[:8]}", "items": items} | (
        {"effective_at": at} if at else {}
    )
    say_order(send(home, OrderPlaced, data, tenant, name, placed_at or rfc3339(now_in(home))))


@alerts_app.command("list")
def alerts_list(
    state: StateOption = None,
    tenant: TenantOption = None,
    limit: LimitOption = 100,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Alerts, newest first."""
    names = ("alert_id", "external_id", "sku", "severity", "state", "opened_at", "acknowledge_by", "summary")  # fmt: skip
    show(ask_all(home, "/v1/alerts", limit, state=state, tenant_id=tenant), names, as_json)


@deliveries_app.command("list")
def deliveries_list(
    state: StateOption = None,
    to: Annotated[str | None, typer.Option("--to", help="Only to this recipient.")] = None,
    limit: LimitOption = 100,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Notifications, newest first: to whom, about what, and what the last answer was."""
    names = ("notification_id", "recipient", "channel", "about", "state", "attempts", "last_answer", "created_at")  # fmt: skip
    found = ask_all(home, "/operator/v1/deliveries", limit, state=state, recipient=to)
    show(found, names, as_json)


@deliveries_app.command("again")
def deliveries_again(
    notification: Annotated[list[str], typer.Argument(help="Their ids.")], home: HomeOption = None
) -> None:
    """Send notifications again, under the same ids."""
    for one in notification:
        ask(home, "POST", f"/operator/v1/deliveries/{one}/redeliver")
    console.print(f"{len(notification)} will be sent again.")

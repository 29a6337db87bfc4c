"""`vicino tenants`, `orders`, `alerts` and `deliveries`: what the operator looks at every day, and the decisions about it."""

from typing import Annotated, Any
from uuid import uuid4

import typer

from schemas.envelope import SPEC_VERSION
from schemas.orders import OrderPlaced
from schemas.scalars import rfc3339
from services.cli.answers import JsonOption, print_json, show
from services.cli.clock import now_in
from services.cli.door import EVENT, FileArgument, ask, ask_all, read_json
from services.cli.shared import HomeOption, console

LimitOption = Annotated[int, typer.Option(min=1, help="At most so many.")]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Only of this tenant: its id.")]
StateOption = Annotated[str | None, typer.Option(help="Only in this state.")]
tenants_app = typer.Typer(no_args_is_help=True, help="Tenants and who serves them.")
orders_app = typer.Typer(no_args_is_help=True, help="Orders and how far they have come.")
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


@orders_app.command("list")
def orders_list(
    state: StateOption = None,
    tenant: TenantOption = None,
    limit: LimitOption = 100,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Orders, newest first; one that waits says for what."""
    names = (
        "order_id",
        "external_id",
        "reference",
        "state",
        "accepted_at",
        "reason",
        "explanation",
    )
    show(ask_all(home, "/v1/orders", limit, state=state, tenant_id=tenant), names, as_json)


@orders_app.command("new")
def orders_new(
    file: FileArgument,
    tenant: TenantOption = None,
    event_id: Annotated[
        str, typer.Option("--id", help="Under this id; sent twice under one id, it is one order.")
    ] = "",
    placed_at: Annotated[
        str, typer.Option("--time", help="When it was placed, RFC 3339; now, if not said.")
    ] = "",
    home: HomeOption = None,
) -> None:
    """Place an order: the file holds its data (docs/reference/events.md), and the first order of a firm its details.

    A later order needs `--tenant`.
    """
    event = {
        "specversion": SPEC_VERSION, "id": event_id or str(uuid4()), "source": "/vicino/cli",
        "type": OrderPlaced.wire_type, "time": placed_at or rfc3339(now_in(home)),
        "data": read_json(file),
    }  # fmt: skip
    if tenant is not None:
        event["subject"] = tenant
    [accepted] = ask(home, "POST", "/v1/events", event, media_type=EVENT).body["accepted"]
    console.print(
        f"order {accepted['order_id']} of tenant {accepted['tenant_id']}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


@orders_app.command("show")
def orders_show(
    order: Annotated[str, typer.Argument(help="Its id.")], home: HomeOption = None
) -> None:
    """How far an order has come, as JSON."""
    print_json(ask(home, "GET", f"/v1/orders/{order}").body)


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

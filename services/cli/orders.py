"""`vicino orders`: place them, see how far they have come, take them back; other commands order through here, too."""

from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from schemas.envelope import SPEC_VERSION, Payload
from schemas.orders import OrderCancelRequested, OrderPlaced
from schemas.scalars import rfc3339
from services.cli.answers import JsonOption, print_json, show
from services.cli.clock import now_in
from services.cli.door import EVENT, FileArgument, ask, ask_all, read_json
from services.cli.lists import LimitOption, StateOption, TenantOption
from services.cli.shared import HomeOption, console

PlacedAtOption = Annotated[
    str, typer.Option("--time", help="When it was placed, RFC 3339; now, if not said.")
]
orders_app = typer.Typer(no_args_is_help=True, help="Orders and how far they have come.")


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
    placed_at: PlacedAtOption = "",
    home: HomeOption = None,
) -> None:
    """Place an order: the file holds its data (docs/reference/events.md), and the first order of a firm its details.

    A later order needs `--tenant`.
    """
    name, at = event_id or str(uuid4()), placed_at or rfc3339(now_in(home))
    accepted = send(home, OrderPlaced, read_json(file), tenant, name, at)
    say_order(accepted)


def send(
    home: Path | None, payload: type[Payload], data: Any, tenant: str | None, name: str, at: str
) -> dict[str, Any]:
    """Send one event, and give back what the door says of it."""
    event = {
        "specversion": SPEC_VERSION, "id": name, "source": "/vicino/cli", "type": payload.wire_type, "time": at,
        "data": data,
    }  # fmt: skip
    if tenant is not None:
        event["subject"] = tenant
    [accepted] = ask(home, "POST", "/v1/events", event, media_type=EVENT).body["accepted"]
    found: dict[str, Any] = accepted
    return found


def say_order(accepted: dict[str, Any]) -> None:
    """Print which order the door has let in."""
    said = f"order {accepted['order_id']} of tenant {accepted['tenant_id']}"
    console.print(said, highlight=False, soft_wrap=True)


@orders_app.command("cancel")
def orders_cancel(
    order: Annotated[str, typer.Argument(help="Its id.")],
    asked_at: PlacedAtOption = "",
    home: HomeOption = None,
) -> None:
    """Take an order back, before any of its items is done; `vicino rejects list` says so if it is too late."""
    tenant = ask(home, "GET", f"/v1/orders/{order}").body["tenant_id"]
    name, at = str(uuid4()), asked_at or rfc3339(now_in(home))
    send(home, OrderCancelRequested, {"order_id": order}, tenant, name, at)
    console.print("Asked for; `vicino orders show` says when it is done.")


@orders_app.command("show")
def orders_show(
    order: Annotated[str, typer.Argument(help="Its id.")], home: HomeOption = None
) -> None:
    """How far an order has come, as JSON."""
    print_json(ask(home, "GET", f"/v1/orders/{order}").body)

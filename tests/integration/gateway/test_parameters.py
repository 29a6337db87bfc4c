"""A query parameter that a door does not have is refused by name: a misspelt filter is not ignored in silence."""

from urllib.parse import quote
from uuid import uuid4

import pytest

from services.gateway.openapi import document
from tests.integration.gateway.world import TOKEN, World

OPERATIONS = [
    (method.upper(), path) for path, methods in document()["paths"].items() for method in methods
]
NAMES = ["limt", "STATE", "alert_id[]", "caffè", "a" * 300, ""]


def filled(path: str) -> str:
    """A path with plausible values in it."""
    for name in ("tenant_id", "order_id", "notification_id", "alert_id", "invoice_id"):
        path = path.replace(f"{{{name}}}", str(uuid4()))
    return path.format(reseller_id="VAR-B", backend_id="erp", key_id="0" * 18)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{m} {p}" for m, p in OPERATIONS])
async def test_no_operation_ignores_a_parameter(served: World, method: str, path: str) -> None:
    key = TOKEN if path.startswith("/operator") else "VAR-A"
    before = await served.let_in()
    for name in NAMES:
        body: dict[str, str] | None = None if method in ("GET", "DELETE") else {}
        answer = await served.call(method, f"{filled(path)}?{quote(name)}=1", body, key)
        assert answer.status == 422, (name, answer.body)
        [fault] = answer.body["errors"]
        assert (fault["reason"], fault["pointer"]) == ("unknown_parameter", f"/{name[:100]}")
        assert answer.body["total"] == 1
    assert await served.let_in() == before


async def test_the_answer_names_what_there_is_and_stays_small(served: World) -> None:
    many = "&".join(f"x{n}=1" for n in range(300))
    answer = await served.call("GET", f"/v1/deliveries?state=failed&{many}", key="VAR-A")
    assert (answer.status, answer.body["total"], len(answer.body["errors"])) == (422, 300, 20)
    assert "alert_id, cursor, limit, state" in answer.body["detail"]


async def test_what_there_is_may_be_asked(served: World) -> None:
    answer = await served.call("GET", "/v1/deliveries?state=failed&limit=5", key="VAR-A")
    assert answer.status == 200

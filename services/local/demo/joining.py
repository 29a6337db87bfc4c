"""How firms come in: the catalogue, eleven orders, the nearest fitting reseller for each, services with a key of their own."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg

from services.local.demo import checks, secrecy
from services.local.demo.stage import ORDER, Stage, reasons
from services.local.demo.usage import DemoService
from services.local.demo.world import PARTIES, catalogue, cloud_event
from services.onboarding.domain.credentials import derive


async def act_register(stage: Stage) -> None:
    """The operator publishes the catalogue and registers nine resellers and a back-end."""
    answer = await stage.operator.call(
        "PUT", "/operator/v1/catalogue", catalogue(stage.backend.url)
    )
    stage.expect.equal("the catalogue is published", answer.status, 200)
    for reseller in PARTIES["resellers"]:
        body = {name: value for name, value in reseller.items() if name != "id"}
        body["webhook_url"] = f"{stage.receivers.url}/{reseller['id']}"
        answer = await stage.operator.call("PUT", f"/operator/v1/resellers/{reseller['id']}", body)
        stage.keys[reseller["id"]] = answer.body["api_key"]
        stage.receivers.secrets[reseller["id"]] = answer.body["webhook_secret"]
    stage.expect.equal("nine resellers are registered", len(stage.receivers.secrets), 9)
    skus = [plan["sku"] for plan in catalogue("")["plans"]]
    answer = await stage.operator.call(
        "PUT", "/operator/v1/backends/services", {"name": "Services", "skus": skus}
    )
    stage.keys["backend"] = answer.body["api_key"]


def _order_of(tenant: dict[str, Any], time_text: str) -> dict[str, Any]:
    details = {name: value for name, value in tenant.items() if name != "items"}
    data = {
        "reference": f"ORD-{tenant['external_id']}", "effective_at": "2026-11-01T00:00:00+01:00", "tenant": details,
        "items": tenant["items"],
    }  # fmt: skip
    return cloud_event(ORDER, f"order-{tenant['external_id']}", "/portal", time_text, data)


async def act_order(stage: Stage) -> None:
    """Eleven orders arrive; one is sent twice, one comes with a bad VAT number first."""
    portal = stage.client("VAR-MO-01")
    bad = _order_of({**PARTIES["tenants"][0], "partita_iva": "00000000000"}, stage.now())
    answer = await portal.send({**bad, "id": "order-bad"})
    stage.expect.equal(
        "an order with VAT number 00000000000 is refused",
        (answer.status, reasons(answer)),
        (422, ["bad_partita_iva"]),
    )
    answers = {}
    for tenant in PARTIES["tenants"]:
        event = _order_of(tenant, stage.now())
        stage.posted_at[tenant["external_id"]] = stage.clock.now()
        answer = await portal.send(event)
        answers[tenant["external_id"]] = (event, answer)
        stage.tenant_ids[tenant["external_id"]] = (
            answer.body["accepted"][0]["tenant_id"] if answer.status == 202 else ""
        )
    stage.expect.equal(
        "eleven orders are accepted",
        Counter(a.status for _, a in answers.values()),
        Counter({202: 11}),
    )
    event, first = answers["SME-01"]
    again = await portal.send(event)
    stage.expect.equal(
        "an order sent twice gets the same answer",
        (again.status, again.body),
        (first.status, first.body),
    )
    other = await portal.send({**event, "data": {**event["data"], "reference": "ORD-OTHER"}})
    stage.expect.equal(
        "the same id with another order is refused",
        (other.status, reasons(other)),
        (409, ["id_reuse"]),
    )


async def act_onboard(stage: Stage) -> None:
    """Each firm gets its nearest fitting reseller and its services; one waits for a person."""

    async def all_settled() -> bool:
        states = Counter(tenant["state"] for tenant in (await stage.tenants()).values())
        stage.tell(", ".join(f"{n} {state}" for state, n in sorted(states.items())))
        return states == Counter({"active": 10, "waiting": 1})

    await stage.until("ten tenants become active, one waits for a person", all_settled)
    tenants = await stage.tenants()
    checks.assignments(stage.expect, tenants)

    async def held() -> bool:
        why = {order["external_id"]: order["reason"] for order in await stage.read("orders")}
        return bool(why["SME-10"] == "assignment.manual_required")

    await stage.until("SME-10's order is held, and says why", held)

    async def all_told() -> bool:
        return (
            len({item.message_id for item in stage.receivers.of("vicino.tenant.activated.v1")})
            == 10
        )

    await stage.until("each new tenant's reseller is notified by a signed webhook", all_told)

    async def all_made() -> bool:
        """A tenant is active with its first service; its order ends with the last one."""
        return Counter(order["state"] for order in await stage.read("orders"))["completed"] == 10

    await stage.until("every order of an active tenant is completed", all_made)


async def act_credentials(stage: Stage) -> None:
    """Every service instance has a database and a login that work, and see nothing else."""
    services = await stage.services()
    found = await asyncio.gather(
        *(_sees_only_its_own(stage, service, services) for service in services)
    )
    stage.expect.equal(
        "every service's credentials work, and open nothing else",
        [item for item in found if item],
        [],
    )
    wanted = sum(
        len(tenant["items"]) for tenant in PARTIES["tenants"] if tenant["external_id"] != "SME-10"
    )
    stage.expect.equal("every ordered service instance is provisioned", len(services), wanted)


async def _sees_only_its_own(
    stage: Stage, service: DemoService, services: list[DemoService]
) -> str:
    key, host = (
        secrecy.key_bytes(stage.stack.master_key),
        stage.stack.superuser_url.rsplit("@", 1)[1].split("/")[0],
    )
    own = derive(key, service.service_id)
    other = derive(key, next(item.service_id for item in services if item != service))
    base = f"postgresql://{own.role}:{own.password}@{host}"
    try:
        connection = await asyncpg.connect(f"{base}/{own.database}")
        await connection.execute("create table if not exists note (text text)")
        await connection.close()
    except asyncpg.PostgresError as error:
        return f"{service.sku} of {service.tenant}: {error}"
    for database in (other.database, "vicino", "postgres"):
        try:
            await (await asyncpg.connect(f"{base}/{database}")).close()
        except asyncpg.PostgresError:
            continue
        return f"{service.sku} of {service.tenant} could open {database}"
    return ""

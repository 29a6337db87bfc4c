"""The story: nine resellers, eleven orders, a month of usage, invoices, trouble. Each act reads like what happens."""

import asyncio
import json
import shutil
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from schemas.scalars import rfc3339
from services.chassis.clock import SteeredClock, steer
from services.local.demo import checks, tables
from services.local.demo.expectations import Expectations
from services.local.demo.usage import ROME, Sending, Service, november, wrong, wrong_behind_the_door
from services.local.demo.world import PARTIES, Backend, Client, Mailbox, Receivers, catalogue, cloud_event
from services.local.home import Home, HomeBusy
from services.local.stack import Stack
from services.onboarding.domain.credentials import derive

OPERATOR_EMAIL = "desk@vicino.example.it"
WAIT_SECONDS = 45.0
ORDER = "vicino.order.placed.v1"
HEARTBEAT = "vicino.heartbeat.received.v1"
HOMES_MAX = 9
"""Demos that may play beside each other in one checkout."""


def rome(*parts: int) -> datetime:
    """A civil time in Rome."""
    return datetime(*parts, tzinfo=ROME)  # type: ignore[misc, arg-type]


class Story:
    """What the acts share: the stack, the world, and what was expected of them."""

    def __init__(self, stack: Stack, session: aiohttp.ClientSession, clock_file: Path, console: Console) -> None:
        self.stack, self.session, self.console = stack, session, console
        self.clock_file, self.clock = clock_file, SteeredClock(clock_file)
        self.expect = Expectations()
        self.receivers, self.backend, self.mailbox = Receivers(), Backend(), Mailbox()
        self.operator = Client(session, stack.address("gateway"), stack.operator_token)
        self.console_api = Client(session, stack.address("console"), stack.operator_token)
        self.billing_api = Client(session, stack.address("billing"), stack.operator_token)
        self.keys: dict[str, str] = {}
        self.tenant_ids: dict[str, str] = {}
        self.posted_at: dict[str, datetime] = {}
        self.sending = Sending()
        self.refusals: Counter[str] = Counter()
        self.sent = 0
        self.alert_times: dict[str, datetime] = {}

    def client(self, principal: str) -> Client:
        """The system of a reseller or back-end."""
        return Client(self.session, self.stack.address("gateway"), self.keys[principal])

    def now(self) -> str:
        """The story's time, as events carry it."""
        return rfc3339(self.clock.now())

    def leap(self, instant: datetime) -> None:
        """Make it that time for everyone."""
        steer(self.clock_file, instant)

    async def until(self, what: str, condition: Callable[[], Awaitable[Any]], seconds: float = WAIT_SECONDS) -> Any:
        """Wait until something is so; if it does not become so, that is an expectation that did not hold."""
        deadline, found = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            if found := await condition():
                break
            await asyncio.sleep(0.05)
        self.expect.that(what, bool(found), f"not within {seconds:.0f} s")
        return found

    async def read(self, path: str) -> Any:
        """Ask the console."""
        return (await self.console_api.call("GET", f"/api/v1/{path}")).body

    async def tenants(self) -> dict[str, dict[str, Any]]:
        """The console's tenants, by external id."""
        return {tenant["external_id"]: tenant for tenant in await self.read("tenants") if tenant["external_id"]}

    async def services(self) -> list[Service]:
        """All active service instances."""
        return [
            Service(name, tenant["tenant_id"], service["service_id"], service["sku"], tenant["reseller_id"])
            for name, tenant in sorted((await self.tenants()).items())
            for service in tenant["services"]
            if service["state"] == "active"
        ]


async def act_register(story: Story) -> None:
    """The operator publishes the catalogue and registers nine resellers and a back-end."""
    answer = await story.operator.call("PUT", "/operator/v1/catalogue", catalogue(story.backend.url))
    story.expect.equal("the catalogue is published", answer.status, 200)
    for reseller in PARTIES["resellers"]:
        body = {name: value for name, value in reseller.items() if name != "id"}
        body["webhook_url"] = f"{story.receivers.url}/{reseller['id']}"
        answer = await story.operator.call("PUT", f"/operator/v1/resellers/{reseller['id']}", body)
        story.keys[reseller["id"]] = answer.body["api_key"]
        story.receivers.secrets[reseller["id"]] = answer.body["webhook_secret"]
    story.expect.equal("nine resellers are registered", len(story.receivers.secrets), 9)
    skus = [plan["sku"] for plan in catalogue("")["plans"]]
    answer = await story.operator.call("PUT", "/operator/v1/backends/services", {"name": "Services", "skus": skus})
    story.keys["backend"] = answer.body["api_key"]


def _order_of(tenant: dict[str, Any], time_text: str) -> dict[str, Any]:
    details = {name: value for name, value in tenant.items() if name != "items"}
    data = {
        "reference": f"ORD-{tenant['external_id']}", "effective_at": "2026-11-01T00:00:00+01:00", "tenant": details,
        "items": tenant["items"],
    }  # fmt: skip
    return cloud_event(ORDER, f"order-{tenant['external_id']}", "/portal", time_text, data)


async def act_order(story: Story) -> None:
    """Eleven orders arrive; one is sent twice, one comes with a bad VAT number first."""
    portal = story.client("VAR-MO-01")
    bad = _order_of({**PARTIES["tenants"][0], "partita_iva": "00000000000"}, story.now())
    answer = await portal.send({**bad, "id": "order-bad"})
    story.expect.equal(
        "an order with VAT number 00000000000 is refused", (answer.status, _reasons(answer)), (422, ["bad_partita_iva"])
    )
    answers = {}
    for tenant in PARTIES["tenants"]:
        event = _order_of(tenant, story.now())
        story.posted_at[tenant["external_id"]] = story.clock.now()
        answer = await portal.send(event)
        answers[tenant["external_id"]] = (event, answer)
        story.tenant_ids[tenant["external_id"]] = (
            answer.body["accepted"][0]["tenant_id"] if answer.status == 202 else ""
        )
    story.expect.equal("eleven orders are accepted", Counter(a.status for _, a in answers.values()), Counter({202: 11}))
    event, first = answers["SME-01"]
    again = await portal.send(event)
    story.expect.equal(
        "an order sent twice gets the same answer", (again.status, again.body), (first.status, first.body)
    )
    other = await portal.send({**event, "data": {**event["data"], "reference": "ORD-OTHER"}})
    story.expect.equal(
        "the same id with another order is refused", (other.status, _reasons(other)), (409, ["id_reuse"])
    )


def _reasons(answer: Any) -> list[str]:
    return [error["reason"] for error in answer.body.get("errors", [])]


async def act_onboard(story: Story) -> None:
    """Each firm gets its nearest fitting reseller and its services; one waits for a person."""

    async def all_settled() -> bool:
        states = Counter(tenant["state"] for tenant in (await story.tenants()).values())
        return states == Counter({"active": 10, "waiting": 1})

    await story.until("ten tenants become active, one waits for a person", all_settled)
    tenants = await story.tenants()
    checks.assignments(story.expect, tenants)

    async def held() -> bool:
        reasons = {order["external_id"]: order["reason"] for order in await story.read("orders")}
        return bool(reasons["SME-10"] == "assignment.manual_required")

    await story.until("SME-10's order is held, and says why", held)

    async def all_told() -> bool:
        return len({item.message_id for item in story.receivers.of("vicino.tenant.activated.v1")}) == 10

    await story.until("each new tenant's reseller is told by a signed webhook", all_told)


async def act_credentials(story: Story) -> None:
    """Every service instance has a database and a login that work, and see nothing else."""
    services = await story.services()
    found = await asyncio.gather(*(_sees_only_its_own(story, service, services) for service in services))
    story.expect.equal("every service's credentials work, and open nothing else", [item for item in found if item], [])
    wanted = sum(len(tenant["items"]) for tenant in PARTIES["tenants"] if tenant["external_id"] != "SME-10")
    story.expect.equal("every ordered service instance is provisioned", len(services), wanted)


async def _sees_only_its_own(story: Story, service: Service, services: list[Service]) -> str:
    key, host = checks.key_bytes(story.stack.master_key), story.stack.superuser_url.rsplit("@", 1)[1].split("/")[0]
    own = derive(key, service.service_id)
    other = derive(key, next(item.service_id for item in services if item != service))
    base = f"postgresql://{own.role}:{own.password}@{host}"
    connection = await asyncpg.connect(f"{base}/{own.database}")
    await connection.execute("create table if not exists note (text text)")
    await connection.close()
    for database in (other.database, "vicino", "postgres"):
        try:
            await (await asyncpg.connect(f"{base}/{database}")).close()
        except asyncpg.PostgresError:
            continue
        return f"{service.sku} of {service.tenant} could open {database}"
    return ""


async def act_first_invoices(story: Story) -> None:
    """Two days later the first invoices are final: fees in advance, and set-up."""
    story.leap(rome(2026, 11, 3, 0, 5))

    # SME-02 pays in arrears only; everybody else but SME-10, who waits, has something to pay in advance.
    advance = {t["external_id"] for t in PARTIES["tenants"]} - {"SME-02", "SME-10"}

    async def all_issued() -> bool:
        return {i["external_id"] for i in await story.read("invoices") if i["date"] == "2026-11-01"} == advance

    await story.until("first invoices are issued, dated the first of November", all_issued)


async def act_grow(story: Story) -> None:
    """SME-01 adds two users from the twelfth of November."""
    story.leap(rome(2026, 11, 12, 9, 0))
    tenant = (await story.tenants())["SME-01"]
    erp = next(service for service in tenant["services"] if service["sku"] == "ERP-CLOUD")
    item = {"action": "change", "service_id": erp["service_id"], "quantities": {"extra_user": "5"}}
    event = cloud_event(
        ORDER,
        "order-SME-01-more",
        "/portal",
        story.now(),
        {"reference": "ORD-SME-01-2", "items": [item]},
        tenant["tenant_id"],
    )
    answer = await story.client("VAR-MO-01").send(event)
    story.expect.equal("the order for two more users is accepted", answer.status, 202)

    async def changed() -> bool:
        services = (await story.tenants())["SME-01"]["services"]
        return any(service["quantities"].get("extra_user") == "5" for service in services)

    await story.until("SME-01 has five extra users", changed)


async def act_usage(story: Story) -> None:
    """The month's usage arrives: in order and out of it, some of it twice, some of it wrong."""
    story.leap(rome(2026, 11, 30, 23, 30))
    services = await story.services()
    story.sending = november(services)
    gate = asyncio.Semaphore(4)

    async def send(sender: str, batch: list[dict[str, Any]]) -> int:
        async with gate:
            return (await story.client(sender).send_batch(batch)).status

    statuses = await asyncio.gather(*(send(sender, batch) for sender, batch in story.sending.batches))
    story.expect.equal("every batch of good usage is accepted", Counter(statuses), Counter({202: len(statuses)}))
    story.sent = sum(len(batch) for _, batch in story.sending.batches)
    erp = {service.tenant: service for service in services if service.sku == "ERP-CLOUD"}
    for what, body, content_type in wrong(erp["SME-01"], erp["SME-05"]):
        answer = await story.client("VAR-MO-01").raw(body, content_type)
        story.expect.that(f"refused at the door: {what}", 400 <= answer.status < 500 and bool(_reasons(answer)), answer)
        story.refusals.update(_reasons(answer)[:1])
        story.sent += 1
    behind = wrong_behind_the_door(erp["SME-01"])
    for event in behind:
        answer = await story.client("VAR-MO-01").send(event)
        story.expect.equal("what the door cannot judge is let in", answer.status, 202)
    story.sent += len(behind)
    await story.until("all usage has come to its end", lambda: _usage_done(story))
    await checks.usage(story.expect, story.sending, await usage_account(story))


async def usage_account(story: Story) -> dict[str, Any]:
    """sent = counted + duplicates + rejected, with every reason."""
    summary = (await story.billing_api.call("GET", "/v1/usage/summary")).body
    rejected = Counter(story.refusals)
    rejected.update(summary["rejected"])
    return {
        "sent": story.sent, "counted": summary["counted"], "duplicates": summary["duplicates"],
        "rejected": dict(sorted(rejected.items())),
    }  # fmt: skip


async def _usage_done(story: Story) -> bool:
    account = await usage_account(story)
    return bool(account["counted"] + account["duplicates"] + sum(account["rejected"].values()) == account["sent"])


async def act_month_end(story: Story) -> None:
    """The month ends: everybody is invoiced; SME-01 to the cent."""
    story.leap(rome(2026, 12, 3, 0, 5))

    async def issued() -> bool:
        return len([i for i in await story.read("invoices") if i["date"] == "2026-12-01"]) == 10

    await story.until("every active tenant is invoiced on the first of December", issued)
    await checks.invoices(story.expect, await story.read("invoices"), story.sending)


async def act_trouble(story: Story) -> None:
    """A service goes silent, a back-end refuses for good, an incident finds nobody: three alerts."""
    story.leap(rome(2026, 12, 3, 10, 0))
    services = await story.services()
    silent = next(service for service in services if (service.tenant, service.sku) == ("SME-03", "ERP-CLOUD"))
    others = [service for service in services if service.tenant in ("SME-01", "SME-02", "SME-09")]
    await beat(story, [silent, *others])
    story.leap(rome(2026, 12, 3, 11, 0))
    await beat(story, others)
    story.leap(rome(2026, 12, 3, 11, 31))
    await story.until("a missing heartbeat is brought to the reseller", lambda: _told(story, "heartbeat_missing"))
    await refuse_a_service(story)
    await report_incident(story, services)
    await answer_alerts(story)
    story.leap(rome(2026, 12, 3, 12, 25))
    await beat(story, others)
    story.leap(rome(2026, 12, 3, 12, 58))

    async def mailed() -> bool:
        return any("SME-06" in mail or "Filati di Empoli" in mail for mail in story.mailbox.mails)

    async def escalated() -> bool:
        return "escalated" in {alert["state"] for alert in await story.read("alerts")}

    await story.until("an alert that nobody acknowledges reaches the operator's mail", mailed)
    await story.until("the console shows it as escalated", escalated)
    await checks.alerts(story.expect, story, silent)


async def beat(story: Story, services: list[Service]) -> None:
    """Signs of life of some services."""
    events = [
        cloud_event(
            HEARTBEAT, f"beat-{service.service_id}-{story.clock.now():%d%H%M}", "/beats", story.now(),
            {"service_id": service.service_id}, service.tenant_id,
        )
        for service in services
    ]  # fmt: skip
    wanted = await _signals_taken(story) + len(events)
    answer = await story.client("backend").send_batch(events)
    story.expect.equal("heartbeats are accepted", answer.status, 202)

    async def taken() -> bool:
        return await _signals_taken(story) >= wanted

    await story.until("heartbeats are taken", taken)


async def _signals_taken(story: Story) -> float:
    """Signals that monitoring has done, by its own metric."""
    async with story.session.get(f"{story.stack.address('monitoring')}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
    samples = (sample for family in families for sample in family.samples)
    return sum(
        s.value for s in samples if s.name == "vicino_engine_records_total" and s.labels["topic"] == "signals.v1"
    )


async def _told(story: Story, kind: str) -> bool:
    return any(item.event["data"]["kind"] == kind for item in story.receivers.of("vicino.alert.opened.v1"))


async def refuse_a_service(story: Story) -> None:
    """SME-04 orders mail; the back-end refuses until the attempts are used up; what was made is taken back."""
    tenant_id = story.tenant_ids["SME-04"]
    story.backend.refused_tenants.add(tenant_id)
    items = [{"action": "add", "sku": "MAIL-STD", "quantities": {"mailbox": "3"}}]
    event = cloud_event(
        ORDER, "order-SME-04-mail", "/portal", story.now(), {"reference": "ORD-SME-04-2", "items": items}, tenant_id
    )
    answer = await story.client("VAR-BA-01").send(event)
    story.expect.equal("SME-04's order for mail is accepted", answer.status, 202)
    start = story.clock.now()

    async def told() -> bool:
        if story.clock.now() < start + timedelta(minutes=5):
            story.leap(story.clock.now() + timedelta(seconds=20))
        return await _told(story, "provisioning_failed")

    await story.until("a service that cannot be made is brought to the reseller", told)

    async def failed() -> bool:
        return "failed" in {o["state"] for o in await story.read("orders") if o["reference"] == "ORD-SME-04-2"}

    await story.until("the order has failed, and says so", failed)
    await checks.nothing_left(story.expect, story, answer.body["accepted"][0]["order_id"])


async def report_incident(story: Story, services: list[Service]) -> None:
    """SME-06's reseller reports an incident and then forgets about it."""
    shop = next(service for service in services if service.tenant == "SME-06")
    data = {"service_id": shop.service_id, "severity": "P1", "summary": "Il negozio on line non risponde"}
    event = cloud_event("vicino.incident.reported.v1", "incident-1", "/helpdesk", story.now(), data, shop.tenant_id)
    answer = await story.client("VAR-PO-01").send(event)
    story.expect.equal("a reported incident is accepted", answer.status, 202)
    await story.until("the incident is brought to the reseller", lambda: _told(story, "incident"))


async def answer_alerts(story: Story) -> None:
    """The resellers of the first two alerts acknowledge and resolve them, by events."""
    for item in [i for i in story.receivers.of("vicino.alert.opened.v1") if i.event["data"]["kind"] != "incident"]:
        alert = item.event["data"]
        for kind in ("acknowledgement", "resolution"):
            event = cloud_event(
                f"vicino.{kind}.given.v1", f"{kind}-{alert['alert_id']}", "/helpdesk", story.now(),
                {"alert_id": alert["alert_id"], "by": "help desk"}, item.event["subject"],
            )  # fmt: skip
            answer = await story.client(item.reseller).send(event)
            story.expect.equal(f"the {kind} of an alert is accepted", answer.status, 202)

    async def resolved() -> bool:
        return Counter(alert["state"] for alert in await story.read("alerts"))["resolved"] == 2

    await story.until("acknowledged and resolved alerts are resolved", resolved)


async def act_secrets(story: Story) -> None:
    """Nothing secret is in any event or log."""
    await checks.secrets(story.expect, story)


ACTS: tuple[tuple[str, Callable[[Story], Awaitable[None]]], ...] = (
    ("the operator publishes the catalogue and registers nine resellers", act_register),
    ("eleven orders arrive at the door", act_order),
    ("each firm gets its nearest fitting reseller, and its services", act_onboard),
    ("the services' databases open for their owners, and for nobody else", act_credentials),
    ("3 November: the first invoices", act_first_invoices),
    ("12 November: SME-01 adds two users", act_grow),
    ("30 November: a month of usage, in order and out of it", act_usage),
    ("3 December: the month is invoiced", act_month_end),
    ("3 December: trouble, and who is told", act_trouble),
    ("a look for secrets in every event and log", act_secrets),
)


async def play(story: Story) -> None:
    """Act by act, with live progress."""
    for title, act in ACTS:
        began = time.monotonic()
        with story.console.status(f"{title} ..."):
            await act(story)
        story.console.print(f"  [green]✓[/] {title} [dim]{time.monotonic() - began:.1f} s[/]", highlight=False)


def _free_home(home: Path) -> Path:
    """A folder of its own for this demo, made anew; another demo in this checkout has another one."""
    for n in range(1, HOMES_MAX + 1):
        folder = home / ("demo" if n == 1 else f"demo-{n}")
        try:
            with Home(folder):
                for item in folder.iterdir():
                    if item.name != "lock":
                        shutil.rmtree(item) if item.is_dir() else item.unlink()
                return folder
        except HomeBusy:
            continue
    raise HomeBusy(f"{HOMES_MAX} demos play in {home} already")


async def run(home: Path, console: Console) -> bool:
    """Play the story on a fresh stack; writes `demo.json` into `home`. True if every expectation held."""
    began = time.monotonic()
    folder = _free_home(home)
    clock_file = folder / "clock.json"
    steer(clock_file, rome(2026, 11, 1, 0, 5))
    mailbox = Mailbox()
    environment = {
        "VICINO_CLOCK_FILE": str(clock_file),
        "VICINO_SMTP_URL": f"smtp://127.0.0.1:{mailbox.port}",
        "VICINO_OPERATOR_EMAIL": OPERATOR_EMAIL,
    }
    console.print("[bold]Vicino[/]: one order, one service, one invoice, one alert, end to end.")
    with console.status("starting PostgreSQL, Apache Kafka and five services ...") as status:
        stack = Stack(folder, status.update, environment=environment)
        await stack.__aenter__()
    try:
        console.print(f"  [green]✓[/] the stack is up [dim]{stack.started_in_seconds:.1f} s[/]", highlight=False)
        async with aiohttp.ClientSession() as session:
            story = Story(stack, session, clock_file, console)
            story.mailbox = mailbox
            parts = (story.receivers, story.backend, mailbox)
            await asyncio.gather(*(part.start() for part in parts))
            try:
                await play(story)
                outcome = await checks.outcome(story, await usage_account(story))
            finally:
                await asyncio.gather(*(part.stop() for part in parts))
    finally:
        await stack.stop()
    outcome["seconds"] = round(time.monotonic() - began, 1)
    (home / "demo.json").write_text(json.dumps(outcome, indent=1, ensure_ascii=False), encoding="utf-8")
    tables.show(console, outcome, story.expect)
    verdict = (
        "[bold green]every expectation held[/]" if story.expect.all_held else "[bold red]not every expectation held[/]"
    )
    active = outcome["orders_to_active_ms"]
    console.print(
        f"{verdict}: {sum(e.held for e in story.expect.found)} of {len(story.expect.found)}; order to active "
        f"p50 {active['p50']} ms, p99 {active['p99']} ms; {outcome['seconds']} s in all; written to {home / 'demo.json'}"
    )
    return story.expect.all_held

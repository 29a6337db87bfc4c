"""The master key is replaced while everything lives: nothing is lost, left open or left behind."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import pytest

from schemas.catalogue import ProvisioningStep
from services.chassis.migrate import migrate
from services.chassis.sealing import KeyRing, Sealer, key_id
from services.gateway.app import MIGRATIONS
from services.gateway.principals import sealed
from services.gateway.principals.contacts import Contacts
from services.local.roles import PROVISIONER, ensure_provisioner, ensure_service, role_of
from services.onboarding.adapters import Instance
from services.onboarding.adapters.logins import LOGIN_CONNECTIONS_MAX
from services.onboarding.adapters.postgres import PostgresDriver
from services.onboarding.domain.credentials import derive, name_before, name_of
from tests.support.databases import PASSWORD

A, B = b"a" * 32, b"b" * 32
STEP = ProvisioningStep(driver="postgres")


@dataclass
class Server:
    """The tenants' server, as the provisioner and as a superuser see it."""

    superuser_url: str

    @property
    def url(self) -> str:
        return f"postgresql://{PROVISIONER}:{PASSWORD}@{self.superuser_url.split('@', 1)[1]}"

    def driver(self, *keys: bytes) -> PostgresDriver:
        return PostgresDriver(self.url, KeyRing(keys[0], keys[1:]))

    async def ask(self, query: str, *args: object, url: str = "") -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url or self.superuser_url)
        try:
            return list(await connection.fetch(query, *args))
        finally:
            await connection.close()

    async def left(self, *names: str) -> int:
        query = """select (select count(*) from pg_database where datname = any($1))
                        + (select count(*) from pg_roles where rolname = any($1)) as n"""
        [row] = await self.ask(query, list(names))
        return int(row["n"])

    async def gets_in(self, name: str, password: str) -> bool:
        url = f"postgresql://{name}:{password}@{self.superuser_url.split('@', 1)[1].split('/')[0]}/{name}"
        try:
            return bool(await self.ask("select 1", url=url))
        except asyncpg.InvalidPasswordError:
            return False

    async def make_as_before(self, key: bytes, service_id: str) -> str:
        """A database and a login as an earlier version made them: named by the key, with nothing noted."""
        name, verifier = name_before(key, service_id), derive(key, service_id).verifier
        for statement in (
            f"create role \"{name}\" login connection limit 20 password '{verifier}'",
            f'grant "{name}" to current_user with inherit true, set true',
            f'create database "{name}" owner "{name}"',
            f'revoke all on database "{name}" from public',
        ):
            await self.ask(statement, url=self.url)
        return name


@pytest.fixture
async def server(superuser_url: str) -> Server:
    await ensure_provisioner(superuser_url, PASSWORD)
    return Server(superuser_url)


@pytest.fixture
async def instance(server: Server) -> AsyncIterator[Instance]:
    found = Instance(str(uuid4()), "tenant", "SKU", {})
    yield found
    await server.driver(A, B).deprovision(found, STEP, "k")


async def test_names_do_not_depend_on_the_key(server: Server, instance: Instance) -> None:
    await server.driver(A).provision(instance, STEP, "k")
    assert await server.left(name_of(instance.service_id)) == 2
    assert (
        derive(A, instance.service_id).role
        == derive(B, instance.service_id).role
        == name_of(instance.service_id)
    )


@pytest.mark.parametrize("made", ["now", "noted", "before"])
async def test_under_another_key_a_service_is_taken_back_without_a_trace(
    server: Server, instance: Instance, made: str
) -> None:
    if made == "now":
        await server.driver(A).provision(instance, STEP, "k")
    else:
        await server.make_as_before(A, instance.service_id)
    if made == "noted":
        await server.driver(A).remember([instance.service_id])
    later = server.driver(B) if made != "before" else server.driver(B, A)
    assert await later.exists(instance, STEP, "k")
    await later.deprovision(instance, STEP, "k")
    assert await server.left(name_of(instance.service_id), name_before(A, instance.service_id)) == 0
    assert not await later.exists(instance, STEP, "k")


async def test_a_service_of_an_earlier_version_keeps_its_name_and_is_not_made_twice(
    server: Server, instance: Instance
) -> None:
    name = await server.make_as_before(A, instance.service_id)
    assert await server.driver(A).remember([instance.service_id, str(uuid4())]) == 1
    assert await server.driver(A).remember([instance.service_id]) == 0
    await server.driver(A).provision(instance, STEP, "k")
    assert await server.left(name_of(instance.service_id)) == 0
    found = await server.driver(B, A).credentials(instance.service_id)
    assert found is not None
    assert found.role == name
    assert await server.gets_in(found.role, found.password)


@pytest.mark.parametrize("made", ["now", "before"])
async def test_a_rotation_renews_each_login_once_however_often_it_runs(
    server: Server, instance: Instance, made: str
) -> None:
    if made == "now":
        await server.driver(A).provision(instance, STEP, "k")
    else:
        await server.make_as_before(A, instance.service_id)
    both = server.driver(B, A)
    await both.remember([instance.service_id])
    old = await both.credentials(instance.service_id)
    assert old is not None
    assert await server.gets_in(old.role, old.password)
    assert [await both.rotate(instance.service_id) for _ in range(3)] == [True, False, False]
    new = await server.driver(B).credentials(instance.service_id)
    assert new is not None
    assert [await server.gets_in(old.role, one.password) for one in (old, new)] == [False, True]
    assert await server.driver(A).credentials(instance.service_id) is None


CUT = {
    "create role": ['create role "{0}" login'],
    "a grant of nothing": ['create role "{0}" login', 'revoke "{0}" from current_user'],
    "create database": [
        'create role "{0}" login',
        'grant "{0}" to current_user with inherit true, set true',
        'create database "{0}" owner "{0}"',
    ],
}


@pytest.mark.parametrize("after", CUT)
@pytest.mark.parametrize("then", ["provision", "deprovision"])
async def test_an_attempt_that_was_cut_short_anywhere_is_completed_by_the_next(
    server: Server, instance: Instance, after: str, then: str
) -> None:
    name = name_of(instance.service_id)
    for statement in CUT[after]:
        await server.ask(statement.format(name), url=server.url)
    if then == "deprovision":
        await server.driver(A).deprovision(instance, STEP, "k")
        assert await server.left(name) == 0
        return
    await server.driver(A).provision(instance, STEP, "k")
    found = derive(A, instance.service_id)
    assert await server.gets_in(found.role, found.password)
    [row] = await server.ask(
        "select datacl::text as acl, datconnlimit as n from pg_database where datname = $1", name
    )
    assert (row["acl"].startswith("{="), row["n"]) == (False, LOGIN_CONNECTIONS_MAX)


@pytest.fixture
async def gateway(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    name = database.rsplit("/", 1)[1]
    await ensure_service(database, name, "gateway", PASSWORD)
    url = f"postgresql://{role_of('gateway')}:{PASSWORD}@{database.split('@', 1)[1]}"
    await migrate(url, "gateway", MIGRATIONS)
    connection = await asyncpg.connect(url, server_settings={"search_path": "gateway"})
    yield connection
    await connection.close()


async def test_a_rotation_seals_every_sealed_column_again_and_goes_on_where_it_was_cut_off(
    gateway: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    people, webhooks = Sealer(A, "people"), Sealer(A, "webhook-secret")
    for n in range(3):
        await gateway.execute(
            "insert into reseller (id, name, webhook_url, webhook_secret, contact)"
            " values ($1, $1, 'https://x.example', $2, $3)",
            f"VAR-{n}", webhooks.seal(b"one", sealed.webhook_secret(f"VAR-{n}")),
            people.seal(b"Ada", sealed.reseller_contact(f"VAR-{n}")),
        )  # fmt: skip
        await gateway.execute(
            "insert into webhook_secret_past (reseller_id, secret, ends_at) values ($1, $2, now())",
            f"VAR-{n}", webhooks.seal(b"before", sealed.webhook_secret(f"VAR-{n}")),
        )  # fmt: skip
        await gateway.execute(
            "insert into tenant (id, contact) values ($1, $2)",
            f"t{n}", people.seal(b"Bo", sealed.tenant_contact(f"t{n}")),
        )  # fmt: skip
    await gateway.execute("insert into tenant (id) values ('erased')")
    ring = KeyRing(B, (A,))
    # One row is through already, as when a rotation was cut off after it.
    await gateway.execute(
        "update tenant set contact = $1 where id = 't1'",
        Sealer(ring, "people").seal(b"Bo", sealed.tenant_contact("t1")),
    )
    # What a tenant's own key has sealed stays as it is; the key is sealed again.
    key_id_, kept = Contacts(A).new_key(sealed.tenant_key("own"))
    await gateway.execute(
        "insert into tenant_key (tenant_id, key_id, sealed_key) values ('own', $1, $2)",
        key_id_,
        kept,
    )
    own = (
        Contacts(A)
        .persons(kept, sealed.tenant_key("own"))
        .seal({"name": "Cy"}, sealed.tenant_contact("own"))
    )
    await gateway.execute("insert into tenant (id, contact) values ('own', $1)", own)
    first, second = await sealed.rotate(gateway, ring), await sealed.rotate(gateway, ring)
    assert (first.sealed_again, first.were_current) == (3 * 3 + 2 + 1, 1)
    assert (second.sealed_again, second.were_current) == (0, 3 * 4 + 1)
    assert await gateway.fetchval("select contact from tenant where id = 'own'") == own
    persons = Contacts(B).persons(
        await gateway.fetchval("select sealed_key from tenant_key"), sealed.tenant_key("own")
    )
    assert persons.open(own, sealed.tenant_contact("own")) == {"name": "Cy"}
    for row in await gateway.fetch(
        "select id, contact from tenant where contact is not null and id <> 'own'"
    ):
        assert Sealer(B, "people").open(row["contact"], sealed.tenant_contact(row["id"])) == b"Bo"
    for row in await gateway.fetch("select * from reseller"):
        secret = sealed.webhook_secret(row["id"])
        assert Sealer(B, "webhook-secret").open(row["webhook_secret"], secret) == b"one"
        assert (
            Sealer(B, "people").open(row["contact"], sealed.reseller_contact(row["id"])) == b"Ada"
        )
    for row in await gateway.fetch("select * from webhook_secret_past"):
        secret = sealed.webhook_secret(row["reseller_id"])
        assert Sealer(B, "webhook-secret").open(row["secret"], secret) == b"before"


async def test_every_column_of_sealed_bytes_is_one_that_a_rotation_seals_again(
    gateway: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """A new sealed column that is forgotten by the rotation would be lost with the old key."""
    found = await gateway.fetch(
        "select table_name || '.' || column_name as name from information_schema.columns"
        " where table_schema = 'gateway' and data_type = 'bytea'"
        " and (column_name ~ 'contact|secret|sealed') and column_name not like '%hash'"
    )
    expected = {
        "tenant.contact", "reseller.contact", "reseller.webhook_secret", "webhook_secret_past.secret", "tenant_key.sealed_key"
    }  # fmt: skip
    assert {row["name"] for row in found} == expected


def test_a_key_says_nothing_in_its_id_and_two_keys_have_two() -> None:
    assert key_id(A) != key_id(B)
    assert (A[:6] in key_id(A), len(key_id(A))) == (False, 6)

"""A reader sees a service's tables as they are: `schema.sql` is what the migrations make."""

import pytest

from services.local.home import CHECKOUT
from services.local.roles import SERVICES
from services.local.tables import tables
from tests.support.databases import PASSWORD


@pytest.mark.parametrize("service", SERVICES)
async def test_schema_sql_shows_what_the_migrations_make(
    service: str, superuser_url: str, database: str
) -> None:
    made = await tables(superuser_url, database.rsplit("/", 1)[1], service, PASSWORD)
    file = CHECKOUT / "services" / service / "schema.sql"
    assert file.read_text(encoding="utf-8") == made, "run `make schema-sql`"

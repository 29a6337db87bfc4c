"""Put a catalogue into force: its plans can be ordered, its meters can be sent."""

from uuid import uuid4

from schemas.catalogue import CataloguePublished
from schemas.scalars import rfc3339
from services.gateway.domain.measuring import need_of
from services.gateway.operator_requests import CatalogueSpec
from services.gateway.store import sql
from services.gateway.usecases.registry import CATALOGUE_SUBJECT, Registry, check_replaced


class Retroactive(ValueError):
    """A catalogue would begin before the one that was published last."""


async def publish_catalogue(
    registry: Registry, spec: CatalogueSpec, replaced: int | None = None
) -> int:
    """Put a catalogue into force; returns its revision. `replaced`: only in place of the one of this revision.

    Raises `Overtaken`, `Retroactive`.
    """
    async with registry.runtime.unit(f"catalogue|{uuid4()}") as unit:
        revision = int(await sql.next_revision(unit.db))
        newest = await sql.newest_catalogue(unit.db)
        stands = newest["revision"] if newest is not None else 0
        check_replaced("catalogue", stands, replaced)
        begins = newest["valid_from"] if newest is not None else None
        if begins is not None and spec.valid_from < begins:
            raise Retroactive(
                f"the catalogue before it is valid from {rfc3339(begins)}: not earlier"
            )
        content = spec.model_dump(mode="json")
        await sql.add_catalogue(
            unit.db, revision=revision, valid_from=spec.valid_from, content=content
        )
        for plan in spec.plans:
            await sql.put_plan(
                unit.db, sku=plan.sku, revision=revision, plan=plan.model_dump(mode="json")
            )
        for meter in spec.meters:
            await sql.put_meter_name(
                unit.db, meter=meter.key, name=meter.reads, need=need_of(meter)
            )
        await sql.withdraw_plans(unit.db, revision=revision)
        unit.publish(CataloguePublished(revision=revision, **dict(spec)), subject=CATALOGUE_SUBJECT)
    registry.knowledge.forget()
    return revision

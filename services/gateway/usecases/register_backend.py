"""Register a back-end of services, which may send usage and heartbeats of its SKUs."""

from typing import Any
from uuid import uuid4

from services.gateway.domain.admission import PrincipalKind
from services.gateway.operator_requests import BackendSpec
from services.gateway.store import sql
from services.gateway.usecases.registry import Registry, check_name, issue_key


async def register_backend(
    registry: Registry, backend_id: str, spec: BackendSpec
) -> tuple[dict[str, Any], bool]:
    """Register a back-end; the first time, its key is in the answer. Raises `Problem` 409 for a name taken."""
    async with registry.runtime.unit(f"backend|{uuid4()}") as unit:
        await sql.lock_registry(unit.db)
        await check_name(unit.db, PrincipalKind.BACKEND, backend_id)
        is_new = await sql.put_backend(unit.db, id=backend_id, name=spec.name, skus=list(spec.skus))
        answer = (
            {"api_key": await issue_key(unit.db, PrincipalKind.BACKEND, backend_id)}
            if is_new
            else {}
        )
    registry.knowledge.forget()
    return answer, bool(is_new)

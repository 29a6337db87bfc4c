"""A plain HTTP hook as a back-end: PUT, PATCH and DELETE of `{url}/services/{service_id}`."""

import aiohttp

from schemas.catalogue import ProvisioningStep
from schemas.scalars import plain
from services.chassis.jobs import GiveUp
from services.onboarding import metrics
from services.onboarding.adapters import Instance

TIMEOUT_SECONDS = 10.0
GONE = 404


class BackendRefused(RuntimeError):
    """A back-end answered with an error status."""


class HttpDriver:
    """Any application that can keep services by id. 2xx is done; everything else is tried again."""

    async def provision(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """PUT the service."""
        await self._call("PUT", instance, step, key)

    async def change(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """PATCH its quantities."""
        await self._call("PATCH", instance, step, key)

    async def exists(self, instance: Instance, step: ProvisioningStep, key: str) -> bool:
        """The hook has no way to ask."""
        return True

    async def deprovision(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """DELETE the service; 404 is as good."""
        await self._call("DELETE", instance, step, key, also_good=GONE)

    async def _call(
        self, method: str, instance: Instance, step: ProvisioningStep, key: str, also_good: int = 200
    ) -> None:
        if not step.url:
            raise GiveUp("the plan's http step has no url")
        body = {
            "service_id": instance.service_id,
            "tenant_id": instance.tenant_id,
            "sku": instance.sku,
            "quantities": {meter: plain(quantity) for meter, quantity in instance.quantities.items()},
        }
        url = f"{step.url.rstrip('/')}/services/{instance.service_id}"
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        with metrics.DRIVER_SECONDS.labels("http", method).time():
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(
                    method, url, json=body, headers={"Idempotency-Key": key}, allow_redirects=False
                ) as answer,
            ):
                if not (200 <= answer.status < 300 or answer.status == also_good):
                    raise BackendRefused(f"{method} answered {answer.status}")

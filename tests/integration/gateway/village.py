"""The street with a mail server, and two firms whose owners have been written to."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from uuid import uuid4

from schemas.tenants import TenantActivated
from tests.integration.gateway.mailbox import Mailbox, serving
from tests.integration.gateway.street import Street, open_street
from tests.integration.gateway.world import NOW, cloud_event, order, order_data, tenant_of
from tests.support.servers import Addresses

PUBLIC = "https://vicino.example.it"
IBAN = "IT60X0542811101000000123456"


@dataclass
class Village:
    """The street, and a mail server."""

    street: Street
    mailbox: Mailbox

    def url(self, path: str) -> str:
        return self.street.world.gateway.url + path

    def letters_to(self, address: str) -> list[EmailMessage]:
        return [letter for to, letter in self.mailbox.letters if to == [address]]

    def link(self, address: str = "ada@esempio.example.it") -> str:
        """The newest link that was mailed, as a path."""
        text = self.letters_to(address)[-1].get_content()
        found = re.search(re.escape(PUBLIC) + r"(/mia/\S{76})\s", text)
        assert found is not None, text
        return found[1]


@asynccontextmanager
async def open_village(addresses: Addresses) -> AsyncIterator[Village]:
    """Everything at work, until both owners have their mail."""
    with serving() as mailbox:
        more = {
            "smtp_url": f"smtp://127.0.0.1:{mailbox.port}", "public_url": PUBLIC + "/", "seller_name": "ASP Esempio S.p.A.",
            "seller_iban": IBAN,
        }  # fmt: skip
        async with open_street(addresses, **more) as street:
            found = Village(street, mailbox)
            other = order_data("B")
            other["tenant"]["contact"]["email"] = "bruno@altra.example.it"
            for firm, sent in (
                ("A", order("A")),
                ("B", cloud_event("vicino.order.placed.v1", other)),
            ):
                answer = await street.world.post(sent, f"VAR-{firm}")
                assert answer.status == 202, answer.body
                await street.world.tell(
                    tenant_of(firm),
                    TenantActivated(
                        external_id=f"SME-{firm}", reseller_id=f"VAR-{firm}", order_id=str(uuid4()), services=(),
                        effective_at=NOW,
                    ),
                )  # fmt: skip
            await street.settled()
            await street.world.gateway.eventually(lambda: _both_have_mail(found))
            yield found


async def _both_have_mail(village: Village) -> bool:
    return all(
        village.letters_to(to) for to in ("ada@esempio.example.it", "bruno@altra.example.it")
    )

"""Who may see an owner's page: whoever holds a link that was mailed to the person at the firm. The link becomes a cookie."""

import hmac
from datetime import datetime

from fastapi import Request, Response

from services.chassis.browsers import check_origin, cookie_name, is_secure
from services.chassis.sealing import SealBroken
from services.chassis.service import Runtime
from services.chassis.strangers import Strangers
from services.chassis.web import address_of, check_pace
from services.gateway.domain.owner_links import LinkBroken, OwnerLink, read_link
from services.gateway.principals import tenant_keys
from services.gateway.principals.contacts import Contacts

COOKIE = "vicino_mia"
DOOR = "owner"
"""What wrong links are logged and counted under."""


class LinkNeeded(Exception):
    """The page wants a link first."""


class OwnersGuard:
    """Lets in who holds a link. Nothing of a session is kept here: the cookie is the link, and dies with it."""

    def __init__(self, runtime: Runtime, contacts: Contacts) -> None:
        self._runtime, self._contacts = runtime, contacts
        self.strangers = Strangers()

    async def admit(self, request: Request) -> None:
        """Find out whose page it is, if it is anybody's. Raises `Problem` 403 for a form of another site."""
        check_origin(request)
        link = await self._genuine(request.cookies.get(cookie_name(request, COOKIE), ""))
        request.state.tenant_id = link.tenant_id if link else None

    async def open(self, request: Request, response: Response, text: str) -> bool:
        """Let the holder of a link in; False for one that is not genuine. Raises `Problem` 429 for too many of those."""
        check_pace(self.strangers, request, text)
        link = await self._genuine(text)
        if link is None:
            self.strangers.was_wrong(address_of(request), DOOR)
            return False
        left = link.expires_at - self._now()
        # `lax`: a browser that comes from a mail still brings it along after the redirect.
        response.set_cookie(
            cookie_name(request, COOKIE), text, max_age=int(left.total_seconds()), httponly=True, samesite="lax",
            secure=is_secure(request), path="/",
        )  # fmt: skip
        return True

    def leave(self, request: Request, response: Response) -> None:
        """Forget the link in this browser."""
        response.delete_cookie(
            cookie_name(request, COOKIE), httponly=True, samesite="lax", secure=is_secure(request), path="/",
        )  # fmt: skip

    async def _genuine(self, text: str) -> OwnerLink | None:
        try:
            link, signature = read_link(text, self._now())
            async with self._runtime.pool.acquire() as db:
                keys = await tenant_keys.known(db, self._contacts, [link.tenant_id])
        except (LinkBroken, SealBroken):
            return None
        persons = keys.get(link.tenant_id)
        if persons is None or not hmac.compare_digest(persons.sign_link(link.claim), signature):
            return None
        return link

    def _now(self) -> datetime:
        return self._runtime.clock.now()


def tenant_of(request: Request) -> str:
    """Whose page it is. Raises `LinkNeeded`."""
    found: str | None = request.state.tenant_id
    if found is None:
        raise LinkNeeded
    return found

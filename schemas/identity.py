"""Names that follow from facts, so that nobody has to hand them out and a repeated request gets the same one."""

from uuid import UUID, uuid5

OPERATOR = "operator"
SPENDING_CAP = "spending-cap"
"""What orders services to be suspended and resumed while a hard cap is reached. No reseller is called that."""

OWNER = "owner"
"""Whoever runs the firm that is a tenant, as a recipient of mails. No reseller is called that."""
"""The operator, as a sender and as a recipient. No reseller and no back-end may be called that."""

_VICINO = UUID("7d1f2c0e-5b0a-4b7e-9d63-1e5a0f6c2a11")
_TENANT = uuid5(_VICINO, "tenant")
_ORDER = uuid5(_VICINO, "order")
_SERVICE = uuid5(_VICINO, "service")


def tenant_id(country: str, vat_number: str) -> str:
    """The tenant of a firm: its VAT number is the natural key, and nobody reads it back from the id."""
    return str(uuid5(_TENANT, f"{country}:{vat_number}"))


def joined(*parts: str) -> str:
    """Parts as one name. The separator is a character that no part may hold: other parts never give the same name."""
    return "\x00".join(parts)


def order_id(tenant: str, source: str, event_id: str, principal: str | None = None) -> str:
    """The order that an event places: the same event of the same principal sent again is the same order.

    Without a principal the id is what it was before principals were part of it: orders of that time keep their ids.
    """
    if principal is None:
        return str(uuid5(_ORDER, f"{tenant}|{source}|{event_id}"))
    return str(uuid5(_ORDER, joined(tenant, principal, source, event_id)))


def event_name(subject: str, source: str, event_id: str, principal: str | None = None) -> str:
    """What makes two events the same one. (source, id) are the sender's own: another's event of that name is another.

    An event that came through no door has no principal. Names of three parts and of four are never equal.
    """
    parts = (
        (subject, source, event_id) if principal is None else (subject, principal, source, event_id)
    )
    return joined(*parts)


def service_id(order: str, item: int) -> str:
    """The service instance that item number `item` (from 0) of an order adds."""
    return str(uuid5(_SERVICE, f"{order}|{item}"))

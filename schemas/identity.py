"""Names that follow from facts, so that nobody has to hand them out and a repeated request gets the same one."""

from uuid import UUID, uuid5

_VICINO = UUID("7d1f2c0e-5b0a-4b7e-9d63-1e5a0f6c2a11")
_TENANT = uuid5(_VICINO, "tenant")
_ORDER = uuid5(_VICINO, "order")
_SERVICE = uuid5(_VICINO, "service")


def tenant_id(country: str, vat_number: str) -> str:
    """The tenant of a firm: its VAT number is the natural key, and nobody reads it back from the id."""
    return str(uuid5(_TENANT, f"{country}:{vat_number}"))


def order_id(tenant: str, source: str, event_id: str) -> str:
    """The order that an event places: the same event sent again is the same order."""
    return str(uuid5(_ORDER, f"{tenant}|{source}|{event_id}"))


def service_id(order: str, item: int) -> str:
    """The service instance that item number `item` (from 0) of an order adds."""
    return str(uuid5(_SERVICE, f"{order}|{item}"))

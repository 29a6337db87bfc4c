"""Whose order is carried out: decided where it acts, for a door may not know yet to whom a tenant belongs."""

from dataclasses import dataclass

from schemas.identity import OPERATOR

NOT_YOURS_EXPLANATION = "the tenant is another reseller's: nothing of this order was done"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent an order; `principal` is None for what came through no door, which is trusted."""

    principal: str | None

    def may_place(self, reseller_id: str | None) -> bool:
        """Whether an order is taken on: anybody's, while the tenant has no reseller; it is judged again at assignment."""
        return reseller_id is None or self.speaks_for(reseller_id)

    def may_go_on(self, reseller_id: str | None, registered_by: str | None) -> bool:
        """Whether an order goes on that waited for its tenant's reseller: whoever brought the firm in keeps its orders."""
        return self.speaks_for(reseller_id) or self.principal == registered_by

    def has_quota(self) -> bool:
        """Whether what this sender begins in a day is counted: everybody's but the operator's."""
        return self.principal not in (None, OPERATOR)

    def speaks_for(self, reseller_id: str | None) -> bool:
        """Whether this is the tenant's reseller, or somebody who may speak for every tenant."""
        return self.principal in (None, OPERATOR, reseller_id)

"""How a reseller wants to be notified."""

import re
from enum import StrEnum

from schemas.deliveries import Channel

_ADDRESS = re.compile(r"[^\s<>@,;\x00-\x1f\x7f]+@[^\s<>@,;\x00-\x1f\x7f]+")


class NotifyBy(StrEnum):
    """By webhook, by mail to its technician, or by both."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    BOTH = "both"

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that each notification takes."""
        if self is NotifyBy.BOTH:
            return Channel.WEBHOOK, Channel.EMAIL
        return (Channel(self.value),)


def is_mail_address(text: str) -> bool:
    """Whether a mail may be addressed so. Whether somebody reads it there, only a mail shows."""
    return _ADDRESS.fullmatch(text) is not None

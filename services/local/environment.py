"""What a service's process finds in its environment: what its settings name, and what any program needs. Nothing else.

A secret that a service does not use cannot leak from it: whoever breaks into billing finds no master key there.
"""

import importlib
from collections.abc import Mapping

from services.chassis.settings import PREFIX, ServiceSettings

MACHINE = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONUNBUFFERED",
    "LD_LIBRARY_PATH",
)  # fmt: skip
"""What is handed on from whoever starts the stack."""

WITH_API = ("gateway", "billing", "console")
"""The services that serve HTTP for others; every service has a port for the inside."""

USED_BY = {
    "VICINO_MASTER_KEY": ("gateway", "onboarding"),
    "VICINO_MASTER_KEY_OLD": ("gateway", "onboarding"),
    "VICINO_OPERATOR_TOKEN": ("gateway", "billing", "console"),
}
"""Settings that all services share and only these use."""


def settings_class(service: str) -> type[ServiceSettings]:
    """The settings of a service, as its `app.py` names them."""
    module = importlib.import_module(f"services.{service}.app")
    own = [
        found
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, ServiceSettings) and found.__module__.startswith(f"services.{service}.")
    ]  # fmt: skip
    return own[0] if own else ServiceSettings


def known(service: str) -> set[str]:
    """The names that a service reads from its environment."""
    names = {f"{PREFIX}{field}".upper() for field in settings_class(service).model_fields}
    return {name for name in names if service in USED_BY.get(name, (service,))}


def environment_of(
    service: str, machine: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """Of the machine's environment what every program needs, and of what is `given` what this service reads."""
    names = known(service)
    inherited = {name: machine[name] for name in MACHINE if name in machine}
    return inherited | {name: value for name, value in given.items() if name in names}

"""`vicino keys` and `vicino credentials`: the master key's life, and what follows from it."""

import asyncio
import json
import sys
from typing import Annotated
from uuid import UUID

import asyncpg
import typer

from services.chassis.database import open_pool
from services.chassis.sealing import KeyRing, SealBroken
from services.chassis.settings import SettingsWrong, key_ring, master_key
from services.cli.shared import HomeOption, console
from services.local.home import Home, default_home
from services.local.play import cannot_go_on, play

keys_app = typer.Typer(
    no_args_is_help=True, help="The master key: replace it while everything runs."
)

KeyOption = Annotated[
    str,
    typer.Option("--master-key", envvar="VICINO_MASTER_KEY", help="In base64; better not typed."),
]
OldKeyOption = Annotated[
    str,
    typer.Option(
        "--master-key-old", envvar="VICINO_MASTER_KEY_OLD", help="The key before it, in base64."
    ),
]
GatewayOption = Annotated[
    str, typer.Option(envvar="VICINO_GATEWAY_URL", help="DSN of the gateway's own role.")
]
OnboardingOption = Annotated[
    str, typer.Option(envvar="VICINO_ONBOARDING_URL", help="DSN of onboarding's own role.")
]
ProvisioningOption = Annotated[
    str,
    typer.Option(
        envvar="VICINO_PROVISIONING_URL", help="DSN of the role that makes tenants' databases."
    ),
]


def _ring(current: str, old: str) -> KeyRing:
    try:
        return key_ring(master_key(current), old)
    except SettingsWrong as error:
        cannot_go_on(str(error))


@keys_app.command("rotate")
def rotate(
    gateway_url: GatewayOption, onboarding_url: OnboardingOption, provisioning_url: ProvisioningOption, key: KeyOption,
    key_old: OldKeyOption = "",
) -> None:  # fmt: skip
    """Seal everything again under the current key, and renew every login's password. May run again and again."""
    ring = _ring(key, key_old)
    try:
        sealed, current, logins = play(_rotate(ring, gateway_url, onboarding_url, provisioning_url))
    except SealBroken as error:
        cannot_go_on(f"{error}: is VICINO_MASTER_KEY_OLD the key that was in use before?")
    console.print(
        f"{sealed} sealed again, {current} were under the current key already; {logins} logins renewed."
    )
    console.print(
        "VICINO_MASTER_KEY_OLD is needed no more once every service has been started without it."
    )


@keys_app.command("http-driver")
def http_driver(
    home: HomeOption = None,
    key: Annotated[
        str,
        typer.Option(
            "--master-key", envvar="VICINO_MASTER_KEY", help="In base64; if not set, the home's."
        ),
    ] = "",
    key_old: OldKeyOption = "",
) -> None:
    """Print the secrets that calls to HTTP back-ends are signed with: two while the master key is replaced."""
    from services.onboarding.adapters.http import signing_secrets

    if not key:
        folder = Home(home or default_home())
        kept = folder.recall("secrets")
        if "master-key" not in kept:
            cannot_go_on(f"VICINO_MASTER_KEY is not set, and {folder.path} holds no master key")
        key, key_old = kept["master-key"], kept.get("master-key-old", "")
    sys.stdout.write("".join(f"{secret}\n" for secret in signing_secrets(_ring(key, key_old))))


async def _rotate(
    ring: KeyRing, gateway_url: str, onboarding_url: str, provisioning_url: str
) -> tuple[int, int, int]:
    from services.gateway.principals import sealed
    from services.onboarding.adapters.postgres import PostgresDriver
    from services.onboarding.usecases import rotate_logins

    gateway, onboarding = await asyncio.gather(
        open_pool(gateway_url, "gateway", 1, "vicino-keys"),
        open_pool(onboarding_url, "onboarding", 1, "vicino-keys"),
    )
    async with gateway, onboarding, gateway.acquire() as left, onboarding.acquire() as right:
        done = await sealed.rotate(left, ring)
        logins = await rotate_logins.rotate(right, PostgresDriver(provisioning_url, ring))
    return done.sealed_again, done.were_current, logins


def credentials(
    service_id: Annotated[UUID, typer.Argument(help="The service instance, as the console shows it.")],
    provisioning_url: ProvisioningOption, key: KeyOption, key_old: OldKeyOption = "",
) -> None:  # fmt: skip
    """Print how a service instance's users reach its database, as the server that holds it knows it."""
    from services.onboarding.adapters.postgres import PostgresDriver

    try:
        found = play(
            PostgresDriver(provisioning_url, _ring(key, key_old)).credentials(str(service_id))
        )
    except asyncpg.PostgresError as error:
        cannot_go_on(str(error))
    if found is None:
        cannot_go_on("it has no login there, or one that was made under another master key")
    console.print_json(
        json.dumps({"database": found.database, "user": found.role, "password": found.password})
    )

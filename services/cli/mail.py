"""`vicino mail`: whether mails leave."""

import asyncio
from typing import Annotated
from uuid import uuid4

import typer

from services.cli.running import made_settings
from services.cli.shared import HomeOption, console
from services.local.home import Home, default_home
from services.local.play import cannot_go_on

mail_app = typer.Typer(no_args_is_help=True, help="Mails to the operator and to resellers.")


@mail_app.command("test")
def mail_test(
    to: Annotated[str, typer.Option(help="To this address; the operator's if not said.")] = "",
    home: HomeOption = None,
) -> None:
    """Send a mail with the settings of the stack, and say what the mail server answers."""
    from services.gateway.adapters.mail import Mailer, MailNotConfigured
    from services.gateway.app import GatewaySettings

    settings = made_settings(Home(home or default_home()))
    given = {name: one.value for name, one in settings.items()}
    sender = given.get("VICINO_MAIL_FROM", GatewaySettings.model_fields["mail_from"].default)
    operator = given.get("VICINO_OPERATOR_EMAIL")
    mailer = Mailer(given.get("VICINO_SMTP_URL"), operator, sender)
    where = to or operator
    text = "This is a test of Vicino's mail. Nothing is to be done."
    try:
        asyncio.run(mailer.send(str(uuid4()), where, "[Vicino] test", text))
    except MailNotConfigured as error:
        cannot_go_on(str(error))
    except Exception as error:  # noqa: BLE001 - whatever the mail server does, the operator wants to read it
        cannot_go_on(f"the mail server did not take it: {type(error).__name__}: {error}")
    console.print(f"sent from {sender} to {where}", highlight=False)

"""Every setting of every service, written to `docs/reference/settings.md`: `python -m services.local.settings_page`."""

from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from services.chassis.settings import PREFIX, ServiceSettings
from services.local.environment import USED_BY, settings_class
from services.local.roles import SERVICES
from services.local.stack_settings import DECIDED_HERE, DEFAULTS, PORTS, USUAL_PORTS, secret_names

FILE = Path(__file__).parents[2] / "docs/reference/settings.md"
HEAD = """# Settings

Services are configured by environment variables. `vicino up` also reads them from `settings.env` in its state folder, one
`NAME=value` a line; the environment goes before the file. Any of them may come in a file: `VICINO_OPERATOR_TOKEN_FILE` names
the file that holds the token. A `VICINO_…` that nothing reads is refused. `vicino settings` prints what is in force.
This page is generated (`make docs`).

"""


def _shown(about: FieldInfo) -> str:
    if about.is_required():
        return "required"
    value: Any = about.get_default(call_default_factory=True)
    return "–" if value in (None, "") else f"`{value}`"


def _row(name: str, about: FieldInfo) -> str:
    said = " ".join((about.description or "").split()).replace("|", "\\\\|")
    notes = [said]
    if name in secret_names():
        notes.append("Secret.")
    if name in DEFAULTS:
        notes.append(f"`vicino up`: `{DEFAULTS[name]}`.")
    if name in DECIDED_HERE:
        notes.append("`vicino up` decides it.")
    return f"| `{name}` | {_shown(about)} | {' '.join(filter(None, notes))} |"


def _table(fields: dict[str, FieldInfo]) -> list[str]:
    rows = [_row(f"{PREFIX}{field}".upper(), about) for field, about in sorted(fields.items())]
    return ["| setting | default | what it is |", "|---|---|---|", *rows, ""]


def page() -> str:
    """The page."""
    lines = ["## All services", ""]
    common = dict(ServiceSettings.model_fields)
    lines += _table(common)
    users = [f"`{name}` by {', '.join(used)}" for name, used in sorted(USED_BY.items())]
    lines += [f"Not every service reads each of them: {'; '.join(users)}.", ""]
    for service in SERVICES:
        own = {
            field: about
            for field, about in settings_class(service).model_fields.items()
            if field not in common
        }
        if own:
            lines += [f"## {service}", "", *_table(own)]
    lines += ["## `vicino up` alone", "", "| setting | default | what it is |", "|---|---|---|"]
    lines += [
        f"| `{name}` | `{USUAL_PORTS[service]}`, or another if it is taken | the port of the API of {service} |"
        for name, service in sorted(PORTS.items())
    ]
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    FILE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()

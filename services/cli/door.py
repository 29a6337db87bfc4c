"""The gateway's API, as the operator asks it from a terminal: found by the state folder, or by two settings."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import aiohttp
import typer

from services.chassis.texts import lines
from services.cli.running import running
from services.local.home import Home, default_home
from services.local.play import cannot_go_on, play

TIMEOUT_SECONDS = 30.0
FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON.")]


JSON = "application/json"
EVENT = "application/cloudevents+json"


RevisionOption = Annotated[
    int | None, typer.Option("--revision", help="Only in place of this revision: somebody may have put another since.")
]  # fmt: skip


def etag_of(revision: int | None) -> str | None:
    """A revision as HTTP says it."""
    return None if revision is None else f'"{revision}"'


class Door(NamedTuple):
    """Where the gateway is, and the token that opens it."""

    url: str
    token: str


class Answered(NamedTuple):
    """What it answered."""

    body: Any
    etag: str | None


def door_of(home: Path | None) -> Door:
    """The gateway of the stack in a state folder, or that of `VICINO_GATEWAY_API` and `VICINO_OPERATOR_TOKEN`."""
    url, token = os.environ.get("VICINO_GATEWAY_API"), os.environ.get("VICINO_OPERATOR_TOKEN")
    if url and token:
        return Door(url.rstrip("/"), token)
    folder = Home(home or default_home())
    found = running(folder)
    if found is None:
        cannot_go_on(
            f"no Vicino runs in {folder.path}: name another folder with --home, or set VICINO_GATEWAY_API and"
            " VICINO_OPERATOR_TOKEN"
        )
    known = dict(found["addresses"])
    return Door(known["gateway"], known["operator token"])


def ask(
    home: Path | None, method: str, path: str, body: Any = None, etag: str | None = None, media_type: str = JSON,
    **params: Any,
) -> Answered:  # fmt: skip
    """Ask the gateway; what it refuses is printed line by line and ends the command."""
    headers = {"Content-Type": media_type} | ({"If-Match": etag} if etag else {})
    return Answered(*play(_ask(door_of(home), method, path, body, headers, params)))


def ask_all(home: Path | None, path: str, limit: int, **params: Any) -> list[dict[str, Any]]:
    """A list, page by page, up to `limit` rows."""
    rows: list[dict[str, Any]] = play(_pages(door_of(home), path, limit, params))
    return rows


async def _pages(door: Door, path: str, limit: int, params: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    address = path
    said = {**params, "limit": min(limit, 200)}
    async with _session(door) as session:
        while address and len(found) < limit:
            async with session.get(door.url + address, params=_given(said)) as answer:
                body = await _checked(answer)
                link = answer.headers.get("Link", "")
            found += body
            address, said = link.partition("<")[2].partition(">")[0], {}
    return found[:limit]


def _session(door: Door) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers={"authorization": f"Bearer {door.token}"},
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
    )


def _given(params: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in params.items() if value is not None}


async def _ask(
    door: Door, method: str, path: str, body: Any, headers: dict[str, str], params: dict[str, Any]
) -> tuple[Any, str | None]:
    async with (
        _session(door) as session,
        session.request(
            method,
            door.url + path,
            params=_given(params),
            headers=headers,
            data=None if body is None else json.dumps(body),
        ) as answer,  # fmt: skip
    ):
        return await _checked(answer), answer.headers.get("ETag")


async def _checked(answer: aiohttp.ClientResponse) -> Any:
    """The body of an answer. Raises `RuntimeError` with what was refused: each fault is a line."""
    if answer.status == 204:
        return None
    body = await answer.json(content_type=None)
    if answer.status < 300:
        return body
    faults = [
        f"{fault['pointer'] or '/'}: {fault['detail']} ({fault['reason']})"
        for fault in body.get("errors", [])
    ]
    raise RuntimeError(lines("\n".join([body.get("detail", str(answer.status)), *faults])))


def read_json(file: Path) -> Any:
    """A file's JSON; what is none ends the command."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        cannot_go_on(f"{file} is not JSON: {error}")

"""Which query parameters a path has: its own, those of its dependencies, and those that a model groups."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from services.chassis.parameters import unknown_parameters

APP = FastAPI()


class Span(BaseModel):
    first: str = Field(default="", alias="from")
    meter: str = ""


def part(limit: int = 1) -> int:
    return limit


@APP.get("/list")
async def listed(
    state: str = "", after: Annotated[str, Query(alias="to")] = "", part: int = Depends(part)
) -> None: ...


@APP.get("/span")
async def spanned(span: Annotated[Span, Query()]) -> None: ...


@APP.get("/nothing")
async def nothing(request: Request) -> None: ...


@APP.get("/page", response_class=HTMLResponse)
async def page(offset: int = 0) -> None: ...


ROUTES: dict[str, Any] = {getattr(route, "path", ""): route for route in APP.routes}


def unknown(path: str, query: str) -> list[str]:
    scope = {
        "type": "http",
        "query_string": query.encode(),
        "route": ROUTES[path],
        "headers": [],
    }
    return unknown_parameters(Request(scope))[0]


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        ("/list", "", []),
        ("/list", "state=a&to=b&limit=3", []),
        ("/list", "State=a", ["State"]),
        ("/list", "after=b", ["after"]),
        ("/list", "state=a&statee=b&x=1", ["statee", "x"]),
        ("/span", "from=a&meter=b", []),
        ("/span", "first=a", ["first"]),
        ("/span", "span=a", ["span"]),
        ("/nothing", "x=1", ["x"]),
        ("/nothing", "x", ["x"]),
        ("/page", "utm_source=mail&offset=1", []),
    ],
)
def test_what_a_path_does_not_have_is_named(path: str, query: str, names: list[str]) -> None:
    assert unknown(path, query) == names

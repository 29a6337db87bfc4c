"""Query parameters that a route does not read: a misspelt filter must not be ignored in silence."""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute


def unknown_parameters(request: Request) -> tuple[list[str], list[str]]:
    """The names that the route of a request does not read, and those it reads.

    None is unknown to a page: others link to it, and add parameters of their own.
    """
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute) or _is_page(route):
        return [], []
    known = sorted(set(_names(route.dependant)))
    return [name for name in dict(request.query_params) if name not in known], known


def _is_page(route: APIRoute) -> bool:
    answer = route.response_class
    return not route.include_in_schema or (
        isinstance(answer, type) and issubclass(answer, HTMLResponse)
    )


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names(inner)

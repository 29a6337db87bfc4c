"""Query parameters that a route does not read: a misspelt filter must not be ignored in silence."""

from collections.abc import Iterator
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel


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


def _of_field(alias: str, annotation: Any) -> Iterator[str]:
    """A parameter by itself, or all those that a model groups."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from (field.alias or name for name, field in annotation.model_fields.items())
    else:
        yield alias


def _names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield from _of_field(field.alias, field.field_info.annotation)
    for inner in dependant.dependencies:
        yield from _names(inner)

"""What pages for browsers share: whether a cookie travels by https only, and that no other site sends our forms."""

from urllib.parse import urlsplit

from fastapi import Request

from services.chassis.web import Problem

HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def is_secure(request: Request) -> bool:
    """Whether the cookie travels by https only: always, but for plain http on this very machine."""
    return request.url.scheme == "https" or request.url.hostname not in HERE


def cookie_name(request: Request, name: str) -> str:
    """With its prefix a browser takes the cookie from this host alone, by https, for all paths."""
    return f"__Host-{name}" if is_secure(request) else name


def check_origin(request: Request) -> None:
    """Refuse a form of another site: its browser would send our cookie along. Raises `Problem` 403."""
    if request.method in ("GET", "HEAD"):
        return
    # What the browser itself says goes first: a proxy may have changed the host.
    site, origin = (request.headers.get(name) for name in ("sec-fetch-site", "origin"))
    if site is not None:
        is_ours = site in ("same-origin", "none")
    else:
        is_ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not is_ours:
        raise Problem(403, "Forbidden", "this form is of another site")

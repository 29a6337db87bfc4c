"""Golden JSON Schemas of every event type, and what counts as a change that breaks a reader or writer.

`python -m schemas.snapshot --write` writes them; a test fails when one is missing, stale or incompatible. A breaking
change needs a new version of the type (`….v2`) beside the old one.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas import events  # noqa: F401 - loads every payload into the registry
from schemas.envelope import PAYLOADS

FOLDER = Path(__file__).parent / "snapshots"
BOUNDS = {
    "maxLength": 1, "maximum": 1, "maxItems": 1, "maxProperties": 1,
    "minLength": -1, "minimum": -1, "minItems": -1, "minProperties": -1,
}  # fmt: skip
MAY_CHANGE = {
    "title", "description", "$defs", "default", "enum", "items", "additionalProperties", "patternProperties", "anyOf",
    "properties", "required", *BOUNDS,
}  # fmt: skip
"""Keywords that only explain, or that are compared in depth; any other that is added, removed or changed is a break."""


def current() -> dict[str, dict[str, Any]]:
    """The schema of each type as the code has it now."""
    return {
        name: payload.model_json_schema(mode="serialization")
        for name, payload in sorted(PAYLOADS.items())
    }


def stored() -> dict[str, dict[str, Any]]:
    """The golden schemas."""
    return {
        file.stem: json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(FOLDER.glob("*.json"))
    }


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        beside = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        return {**root["$defs"][schema["$ref"].rsplit("/", 1)[1]], **beside}
    return schema


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Why readers or writers of the old schema cannot live with the new one; empty when they can."""
    return list(_breaks(old, new, old, new, ""))


def _breaks(
    old: dict[str, Any],
    new: dict[str, Any],
    old_root: dict[str, Any],
    new_root: dict[str, Any],
    at: str,
) -> Iterator[str]:
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    for keyword in sorted((old.keys() | new.keys()) - MAY_CHANGE):
        if old.get(keyword) != new.get(keyword):
            yield f"{at or '/'}: {keyword} was {old.get(keyword)!r}, is {new.get(keyword)!r}"
    if "default" in old and "default" in new and old["default"] != new["default"]:
        yield f"{at or '/'}: absence means something else"
    if "enum" in new and (missing := set(old.get("enum", ("anything else",))) - set(new["enum"])):
        yield f"{at or '/'}: no longer allows {sorted(missing)}"
    yield from _range_breaks(old, new, at)
    yield from _field_breaks(old, new, old_root, new_root, at)
    befores, nows = _inside(old), _inside(new)
    for name in sorted(befores.keys() ^ nows.keys()):
        yield f"{at or '/'}: {name} came or went"
    for name in befores.keys() & nows.keys():
        yield from _breaks(befores[name], nows[name], old_root, new_root, f"{at}/*")
    olds, news = old.get("anyOf", ()), new.get("anyOf", ())
    if len(olds) != len(news) and not 0 < len(olds) < len(news):
        yield f"{at or '/'}: an alternative is gone"
    for n, (a, b) in enumerate(zip(olds, news, strict=False)):
        yield from _breaks(a, b, old_root, new_root, f"{at}|{n}")


def _inside(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a list or a map may hold, by the keyword that says so."""
    found = {
        keyword: schema[keyword]
        for keyword in ("items", "additionalProperties")
        if keyword in schema
    }
    named = {
        f"patternProperties {name}": part
        for name, part in schema.get("patternProperties", {}).items()
    }
    return {
        keyword: {"is": part} if isinstance(part, bool) else part
        for keyword, part in (found | named).items()
    }


def _range_breaks(old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[str]:
    """A bound may be loosened, never tightened."""
    for keyword, sign in BOUNDS.items():
        before, now = old.get(keyword), new.get(keyword)
        if now is not None and (before is None or (now - before) * sign < 0):
            yield f"{at or '/'}: {keyword} is tighter, {before} to {now}"


def _field_breaks(
    old: dict[str, Any],
    new: dict[str, Any],
    old_root: dict[str, Any],
    new_root: dict[str, Any],
    at: str,
) -> Iterator[str]:
    olds, news = old.get("properties", {}), new.get("properties", {})
    for name in olds:
        if name not in news:
            yield f"{at}/{name}: removed"
        else:
            yield from _breaks(olds[name], news[name], old_root, new_root, f"{at}/{name}")
    defaulted = {name for name in news if "default" in news[name]}
    for name in sorted((set(new.get("required", ())) - set(old.get("required", ()))) - defaulted):
        yield f"{at}/{name}: newly required"
    for name in sorted((set(old.get("required", ())) - set(new.get("required", ()))) & set(news)):
        yield f"{at}/{name}: no longer always there"


def write() -> None:
    """Write the golden schemas. Raises `SystemExit` rather than write over one that the change would break."""
    before = stored()
    for name, schema in current().items():
        if name in before and (found := breaks(before[name], schema)):
            raise SystemExit(
                f"{name} would break its readers: {'; '.join(found)}. Add a new version of the type."
            )
        text = json.dumps(schema, indent=1, sort_keys=True) + "\n"
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        raise SystemExit(str(__doc__))
    write()

"""The API as a page to be read without a network, `docs/reference/api.md`: `python -m services.gateway.reference`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.gateway.contract import OF_EVERY_OPERATION
from services.gateway.openapi import document

FILE = Path(__file__).parents[2] / "docs/reference/api.md"
HEAD = """# The gateway's API

Every path, parameter and answer, from the code (`make docs`). The same as [OpenAPI](openapi.json), which the gateway serves
at `/openapi.json`. Requests carry `Authorization: Bearer KEY`. What is refused is answered as problem+json: `status`, `title`,
`detail`, and for each fault in `errors` a `pointer`, a stable `reason` and a `detail`. Lists have pages: `Link` with
`rel="next"` names the next one.
"""
PARTS = (
    ("For resellers and back-ends", "/v1/"),
    ("For the operator", "/operator/"),
)

UNSAID = "Successful Response"
"""What FastAPI says of an answer that nobody described."""

Schema = dict[str, Any]


def page() -> str:
    """The page."""
    said = document()
    lines = [HEAD, "Any path may also answer:", ""]
    lines += [f"* {status}: {about}" for status, about in OF_EVERY_OPERATION.items()]
    lines.append("")
    for title, prefix in PARTS:
        lines += [f"## {title}", ""]
        for path, operations in said["paths"].items():
            if path.startswith(prefix):
                for method, operation in operations.items():
                    lines += _operation(f"{method.upper()} {path}", operation)
    lines += ["## Webhooks", "", "Each is a CloudEvent, signed as Standard Webhooks say.", ""]
    for name, operations in said["webhooks"].items():
        body = operations["post"]["requestBody"]["content"]["application/cloudevents+json"]
        lines.append(f"* `{name}`: {operations['post']['summary']} {_type(body['schema'])}")
    lines += ["", "## Schemas", ""]
    for name, schema in sorted(said["components"]["schemas"].items()):
        lines += _schema(name, schema)
    return "\n".join(lines).rstrip() + "\n"


def _operation(title: str, operation: Schema) -> Iterator[str]:
    yield f"### `{title}`"
    yield ""
    yield from (operation.get("description", ""), "")
    if parameters := operation.get("parameters"):
        yield from ("| parameter | in | type | what it is |", "|---|---|---|---|")
        for one in parameters:
            name = f"`{one['name']}`" + (" (required)" if one.get("required") else "")
            about = _line(one.get("description", ""))
            yield f"| {name} | {one['in']} | {_cell(_type(one['schema']))} | {about} |"
        yield ""
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"* Body, `{kind}`: {_type(body.get('schema', {}))}"
    for status, answer in sorted(operation["responses"].items()):
        if answer.get("description") != OF_EVERY_OPERATION.get(int(status)):
            yield f"* {status}: {_answer(answer)}"
    yield ""


def _answer(answer: Schema) -> str:
    content = answer.get("content", {})
    kinds = [_type(body["schema"]) for body in content.values() if body.get("schema")]
    said = answer.get("description", "").replace(UNSAID, "")
    about = " ".join(line.removeprefix("- ") for line in said.splitlines())
    shown = [kind for kind in kinds if kind not in ("[Problem](#problem)", "object")]
    return f"{about} {' '.join(shown)}".strip() or "done."


def _type(schema: Schema) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower().replace('.', '')})"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[word]))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{words} ({schema['format']})" if "format" in schema else words


def _schema(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    if about := schema.get("description"):
        yield from (_line(about), "")
    if "enum" in schema:
        yield from (_type(schema), "")
    if properties := schema.get("properties"):
        required = schema.get("required", [])
        yield from ("| field | type | what it is |", "|---|---|---|")
        for field, about in properties.items():
            shown = f"`{field}`" if field in required else f"`{field}` (may be absent)"
            yield f"| {shown} | {_cell(_type(about))} | {_line(about.get('description', ''))} |"
        yield ""


def _line(text: str) -> str:
    return _cell(" ".join(text.split()))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the page."""
    FILE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()

"""What others read stays readable: golden schemas, references, and a checker that notices what would break."""

import copy
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.envelope import PAYLOADS, Malformed, decode
from schemas.events import of_topic
from schemas.reference import FOLDER, asyncapi, documents
from schemas.snapshot import breaks, current, stored
from schemas.topics import TOPICS

STORED = stored()


def test_every_event_type_has_its_golden_schema_and_none_is_stale() -> None:
    assert current() == STORED


def test_every_event_type_is_on_a_topic() -> None:
    assert {payload.wire_type for topic in TOPICS for payload in of_topic(topic)} == set(PAYLOADS)


def test_generated_references_are_current() -> None:
    assert {
        name: (FOLDER / name).read_text(encoding="utf-8") for name in documents()
    } == documents()


ORDER = STORED["vicino.order.placed.v1"]


def changed(change: str) -> dict[str, Any]:
    schema = copy.deepcopy(ORDER)
    fields = schema["properties"]
    if change == "removed":
        del fields["reference"]
    elif change == "renamed":
        fields["ref"] = fields.pop("reference")
    elif change == "retyped":
        fields["reference"] = {"type": "integer"}
    elif change == "required":
        fields["colour"] = {"type": "string"}
        schema["required"] = [*schema["required"], "colour"]
    elif change == "tighter":
        fields["items"]["maxItems"] = 3
    elif change == "optional":
        schema["required"] = [name for name in schema["required"] if name != "reference"]
    elif change == "enum":
        schema["$defs"]["ItemAction"]["enum"] = ["add"]
    elif change == "pattern":
        schema["$defs"]["Address"]["properties"]["cap"]["pattern"] = "^[0-9]{6}$"
    return schema


@pytest.mark.parametrize(
    "change",
    ["removed", "renamed", "retyped", "required", "tighter", "optional", "enum", "pattern"],
)
def test_a_breaking_change_is_noticed(change: str) -> None:
    assert breaks(ORDER, changed(change))


TIGHTER: dict[str, Any] = {
    "type": "boolean", "format": "ipv4", "pattern": "^x$", "enum": ["x"], "default": "another", "const": "x",
    "maxLength": 0, "maxItems": 0, "maxProperties": 0, "maximum": -1, "minLength": 999, "minItems": 999, "minimum": 10**9,
    "uniqueItems": True, "additionalProperties": False,
}  # fmt: skip


def rules(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema, itself included."""
    yield schema
    for keyword, part in schema.items():
        if keyword in ("properties", "patternProperties", "$defs"):
            inner = list(part.values())
        else:
            inner = [part] if keyword == "items" else part if keyword == "anyOf" else []
        for found in inner:
            yield from rules(found)


@pytest.mark.parametrize("name", STORED)
def test_no_rule_of_any_event_can_be_tightened_unnoticed(name: str) -> None:
    for n, rule in enumerate(rules(STORED[name])):
        for keyword, tighter in TIGHTER.items():
            if rule.get(keyword) == tighter or (keyword == "default" and keyword not in rule):
                continue
            schema = copy.deepcopy(STORED[name])
            list(rules(schema))[n][keyword] = tighter
            assert breaks(STORED[name], schema), (rule, keyword)


def test_a_new_optional_field_breaks_nobody() -> None:
    schema = copy.deepcopy(ORDER)
    schema["properties"]["colour"] = {"type": "string", "default": "blue"}
    assert breaks(ORDER, schema) == []


EVENT = {
    "specversion": "1.0", "id": "1", "source": "/x", "type": "vicino.heartbeat.received.v1", "subject": "t",
    "time": "2026-11-01T00:00:00Z", "data": {"service_id": "00000000-0000-0000-0000-000000000001"},
}  # fmt: skip


def test_every_reference_of_the_topics_description_leads_somewhere() -> None:
    document = asyncapi()
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        assert functools.reduce(lambda found, name: found[name], reference.split("/"), document)


def test_an_event_fits_the_message_that_describes_it_and_no_other() -> None:
    event = json.loads(decode(json.dumps(EVENT).encode()).encode())
    document = asyncapi()
    fits = [
        name
        for name in document["components"]["messages"]
        if Draft202012Validator(
            {**document, "$ref": f"#/components/messages/{name}/payload"}
        ).is_valid(event)
    ]
    assert fits == [EVENT["type"]]


def test_an_old_reader_ignores_what_a_newer_writer_adds() -> None:
    newer = {**EVENT, "colour": "blue", "data": {**EVENT["data"], "colour": "blue"}}  # type: ignore[dict-item]
    assert decode(json.dumps(newer).encode()).id == "1"


def test_an_event_survives_its_own_encoding() -> None:
    event = decode(json.dumps(EVENT).encode())
    assert decode(event.encode()) == event


def test_an_unknown_version_is_refused_with_its_reason() -> None:
    with pytest.raises(Malformed) as error:
        decode(json.dumps({**EVENT, "type": "vicino.heartbeat.received.v2"}).encode())
    assert error.value.reason == "unknown_type"

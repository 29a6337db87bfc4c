"""The published description of the doors is the one that the code gives."""

import json

from openapi_spec_validator import validate

from services.gateway.openapi import FILE, document


def test_the_document_is_what_the_code_says() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == json.loads(json.dumps(document())), (
        "run: make docs"
    )


def test_the_document_is_sound_openapi() -> None:
    validate(document())

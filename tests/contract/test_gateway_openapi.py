"""The published description of the doors is the one that the code gives."""

import json
import re

from openapi_spec_validator import validate

from schemas.alerts import AlertEscalated
from schemas.deliveries import WebhookTested
from schemas.rejects import EventRejected
from schemas.tenants import ServiceActivated, TenantRegistered
from services.gateway import reference
from services.gateway.handlers import ROUTES
from services.gateway.openapi import FILE, document
from services.gateway.outbound.described import SENT


def test_the_document_is_what_the_code_says() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == json.loads(json.dumps(document())), (
        "run: make docs"
    )


def test_the_page_is_what_the_document_says() -> None:
    assert reference.FILE.read_text(encoding="utf-8") == reference.page(), "run: make docs"


def test_every_link_of_the_page_leads_somewhere() -> None:
    text = reference.page()
    titles = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= titles


def test_the_document_is_sound_openapi() -> None:
    validate(document())


OTHERS_ALONE = {TenantRegistered, ServiceActivated, AlertEscalated}
"""What the gateway reads for itself, or reports to the operator alone."""


def test_every_type_that_a_reseller_is_notified_of_is_described() -> None:
    assert set(SENT) - {EventRejected, WebhookTested} == set(ROUTES) - OTHERS_ALONE
    assert {*document()["webhooks"]} == {payload.wire_type for payload in SENT}

"""The catalogue of topics and each service's README say what the services do."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

from schemas.topics import BY_NAME, TOPICS
from services.chassis.jobs import JobKind
from services.chassis.service import Service
from services.local.roles import SERVICES

ROOT = Path(__file__).parents[2]


def built(name: str) -> Service:
    """As its composition root makes it; nothing is connected."""
    module = importlib.import_module(f"services.{name}.app")
    settings = getattr(module, f"{name.capitalize()}Settings")(
        postgres_url="postgresql://nowhere/x", provisioning_url="postgresql://nowhere/x", kafka_bootstrap="nowhere",
        master_key="b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMzI=", operator_token="operator-for-tests",
    )  # fmt: skip
    service = module.build(settings)
    assert isinstance(service, Service)
    return service


def read_by(name: str) -> set[str]:
    service = built(name)
    return {payload.topic.name for payload in service.routes} | {
        part.topic.name for part in service.slices
    }


def table(name: str, heading: str) -> set[str]:
    """Topics named in the first column of a table of a service's README."""
    text = (ROOT / f"services/{name}/README.md").read_text(encoding="utf-8")
    found = re.search(
        rf"^\| topic \| {heading}[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)*)", text, re.MULTILINE
    )
    assert found, f"{name} has no table of what is {heading}"
    return {
        topic
        for row in found[1].splitlines()
        for topic in BY_NAME
        if topic in row.split("|")[1].replace(".dlq", "-dlq")
    }


def test_the_catalogue_names_as_readers_those_who_read() -> None:
    reads = {name: read_by(name) for name in SERVICES}
    assert {topic.name: set(topic.readers) for topic in TOPICS} == {
        topic.name: {name for name in SERVICES if topic.name in reads[name]} for topic in TOPICS
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_services_readme_names_its_topics(name: str) -> None:
    assert table(name, "consumed for") == read_by(name)
    writes = {topic.name for topic in TOPICS if name in topic.writers}
    assert {topic for topic in table(name, "produced") if topic in writes} == writes


def kinds_defined(name: str) -> set[str]:
    """Kinds of jobs in any module of a service, wherever they are."""
    package = importlib.import_module(f"services.{name}")
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(package.__path__, f"services.{name}.")
    ]
    return {
        value.name
        for module in modules
        for value in vars(module).values()
        if isinstance(value, JobKind)
    }


@pytest.mark.parametrize("name", SERVICES)
def test_every_kind_of_job_has_a_handler(name: str) -> None:
    assert {handler.kind.name for handler in built(name).jobs} == kinds_defined(name)

"""Prepares servers that are run elsewhere: database, roles, schemas, topics. May run again and again."""

import os
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from schemas.topics import TOPICS
from services.chassis.admin import ensure_topics
from services.chassis.kafka_login import servers_from
from services.local.access import OPERATOR, ensure_access
from services.local.roles import SERVICES, ensure_database, ensure_provisioner, ensure_service

DATABASE = "vicino"


def _password(environment: Mapping[str, str], who: str) -> str:
    name = f"VICINO_{who.upper()}_PASSWORD"
    if not environment.get(name):
        raise RuntimeError(f"{name} is not set")
    return environment[name]


def kafka_passwords(environment: Mapping[str, str]) -> dict[str, str]:
    """The password of each Kafka login, by whose it is. Raises `RuntimeError` for one that is not set."""
    return {who: _password(environment, f"{who}_kafka") for who in (*SERVICES, OPERATOR)}


async def prepare(
    superuser_url: str, bootstrap: str, replicas: int, tenants_url: str = "", kafka_user: str = ""
) -> None:
    """Make what the services need; `tenants_url` is the superuser's on the tenants' server, if that is another.

    With `kafka_user`, an administrator of a closed Kafka, also a login and the rights of each service.

    Raises `RuntimeError` for a password that is not set."""
    passwords = {name: _password(os.environ, name) for name in (*SERVICES, "provisioner")}
    await ensure_database(superuser_url, DATABASE)
    inside = urlunsplit(urlsplit(superuser_url)._replace(path=f"/{DATABASE}"))
    for name in SERVICES:
        await ensure_service(inside, DATABASE, name, passwords[name])
    await ensure_provisioner(tenants_url or superuser_url, passwords["provisioner"])
    admin = replace(servers_from(bootstrap, os.environ), user=kafka_user)
    await ensure_topics(admin, TOPICS, replicas=replicas)
    if kafka_user:
        await ensure_access(admin, TOPICS, kafka_passwords(os.environ))

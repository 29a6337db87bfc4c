"""What operators deploy fits its formats, and asks only for metrics that exist."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY

from services.chassis.settings import ServiceSettings
from services.cli.run import refuse_unknown
from services.local.environment import USED_BY, WITH_API, known
from services.local.roles import SERVICES
from tests.support.skips import installed

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
RULE_TESTS = sorted(file.name for file in PROMETHEUS.glob("*.test.yml"))
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text(encoding="utf-8"))[
    "groups"
][0]["rules"]
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
INSIDE = ServiceSettings.model_fields["inside_port"].default
OURS = re.compile(r"vicino_[a-z_]+")


def metrics() -> set[str]:
    """Every series name that our processes expose."""
    for name in ("chassis", *SERVICES):
        importlib.import_module(f"services.{name}.metrics")
    names = set()
    for family in REGISTRY.collect():
        names |= {family.name} | {sample.name for sample in family.samples}
        if family.type == "counter":
            names.add(f"{family.name}_total")
        if family.type == "histogram":
            names |= {f"{family.name}_{suffix}" for suffix in ("bucket", "count", "sum")}
    return names


def queries() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                yield f"{file.stem}: {panel['title']}", target["expr"]


def test_the_compose_file_fits_the_compose_specification() -> None:
    schema = json.loads(
        (Path(__file__).parent / "data/compose-spec.json").read_text(encoding="utf-8")
    )
    jsonschema.validate(COMPOSE, schema)


def test_every_service_is_deployed_health_checked_and_ordered() -> None:
    found: dict[str, Any] = COMPOSE["services"]
    assert set(SERVICES) <= found.keys()
    assert all(
        "healthcheck" in found[name]
        for name in (*SERVICES, "kafka", "postgres", "prometheus", "grafana")
    )
    assert all(
        found[name]["depends_on"]["prepare"]["condition"] == "service_completed_successfully"
        for name in SERVICES
    )


def test_no_log_of_a_container_grows_without_limit() -> None:
    for name, service in COMPOSE["services"].items():
        options = service.get("logging", {}).get("options", {})
        assert options.keys() >= {"max-size", "max-file"}, f"the log of {name} is not rotated"


def test_the_example_environment_names_what_the_compose_file_wants_and_gives_no_secret() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    example = (ROOT / "deploy/.env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE)) == set(
        re.findall(r"\$\{([A-Z_]+)", text)
    )
    assert not re.search(r"^[A-Z_]+=.", example, re.MULTILINE)


def test_every_file_that_the_compose_file_mounts_or_builds_from_is_there() -> None:
    mounted = [
        v.split(":")[0]
        for s in COMPOSE["services"].values()
        for v in s.get("volumes", [])
        if v.startswith(".")
    ]
    recipe = COMPOSE["x-service"]["build"]["dockerfile"]
    copied = re.findall(
        r"^COPY ([^-]\S*) ", (ROOT / recipe).read_text(encoding="utf-8"), re.MULTILINE
    )
    assert (len(mounted), len(copied)) == (3, 3)
    assert [name for name in (*mounted, recipe, *copied) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_deployed_service_gets_the_settings_it_names_and_only_the_secrets_it_uses(
    service: str,
) -> None:
    given = set(COMPOSE["services"][service]["environment"])
    assert given <= known(service)
    assert {name for name in given if name in USED_BY} == {
        name for name, users in USED_BY.items() if service in users
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_deployed_service_takes_any_setting_and_starts_with_what_it_is_given(
    service: str,
) -> None:
    deployed = COMPOSE["services"][service]
    assert deployed["env_file"] == [{"path": "settings.env", "required": False}]
    refuse_unknown(service, dict.fromkeys(deployed["environment"], "x"))


def test_tenants_databases_are_on_a_server_of_their_own() -> None:
    services = COMPOSE["services"]
    own = services["onboarding"]["environment"]["VICINO_POSTGRES_URL"].rsplit("@", 1)[1]
    tenants = services["onboarding"]["environment"]["VICINO_PROVISIONING_URL"].rsplit("@", 1)[1]
    assert (own.split(":")[0], tenants.split(":")[0]) == ("postgres", "postgres-tenants")


def test_prometheus_asks_every_service_and_what_is_beside_it() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    targets = {
        job["job_name"]: [
            target for static in job["static_configs"] for target in static["targets"]
        ]
        for job in config["scrape_configs"]
    }
    assert sorted(targets["vicino"]) == sorted(f"{name}:{INSIDE}" for name in SERVICES)
    [alerting] = config["alerting"]["alertmanagers"][0]["static_configs"]
    beside = {name.split(":")[0] for name in (*targets["servers"], *alerting["targets"])}
    assert beside == {"postgres-exporter", "kafka-exporter", "node-exporter", "alertmanager"}
    assert beside < COMPOSE["services"].keys()


def test_what_prometheus_finds_is_mailed_to_the_operator_pages_more_often() -> None:
    config = yaml.safe_load(COMPOSE["configs"]["alertmanager"]["content"])
    [receiver] = config["receivers"]
    assert receiver["email_configs"][0]["to"] == "${VICINO_OPERATOR_EMAIL}"
    [pages] = config["route"]["routes"]
    assert (config["route"]["receiver"], pages["receiver"]) == (receiver["name"], receiver["name"])
    assert pages["matchers"] == ["severity = page"]
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}


def test_the_port_for_the_inside_is_asked_by_health_checks_and_published_nowhere() -> None:
    services: dict[str, Any] = COMPOSE["services"]
    recipe = (ROOT / COMPOSE["x-service"]["build"]["dockerfile"]).read_text(encoding="utf-8")
    assert f"VICINO_INSIDE_HOST=0.0.0.0 VICINO_INSIDE_PORT={INSIDE}" in recipe
    assert all(
        f"127.0.0.1:{INSIDE}/readyz" in services[name]["healthcheck"]["test"][-1]
        for name in SERVICES
    )
    published = {
        name: [port.rsplit(":", 1)[1] for port in services[name].get("ports", ())]
        for name in SERVICES
    }
    assert published == {
        name: ["8080"] if name in ("gateway", "console") else [] for name in SERVICES
    }
    assert set(published) >= set(WITH_API)


def test_every_rule_fires_when_it_should_and_only_then() -> None:
    [promtool] = installed("promtool")
    done = subprocess.run(
        [promtool, "test", "rules", *RULE_TESTS],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_rule_is_without_a_test() -> None:
    fires = {
        case["alertname"]
        for name in RULE_TESTS
        for group in yaml.safe_load((PROMETHEUS / name).read_text(encoding="utf-8"))["tests"]
        for case in group["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert fires == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize(("where", "query"), list(queries()), ids=[where for where, _ in queries()])
def test_a_query_is_sound_and_asks_for_metrics_that_exist(where: str, query: str) -> None:
    promql_parser.parse(query)
    known = metrics()
    assert [name for name in OURS.findall(query) if name not in known] == []


def test_each_service_has_a_dashboard_and_it_is_current(tmp_path: Path) -> None:
    assert [file.stem for file in DASHBOARDS] == sorted(SERVICES)
    before = {file.name: file.read_text(encoding="utf-8") for file in DASHBOARDS}
    maker = (ROOT / "deploy/grafana/make.py").read_text(encoding="utf-8")
    script = tmp_path / "make.py"
    script.write_text(maker, encoding="utf-8")
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True)
    after = {
        file.name: file.read_text(encoding="utf-8")
        for file in (tmp_path / "dashboards").glob("*.json")
    }
    assert after == before


def test_each_alert_rule_has_its_runbook_and_each_runbook_its_rule() -> None:
    runbooks = {file.stem for file in (ROOT / "docs/runbooks").glob("*.md")}
    assert runbooks == {rule["alert"] for rule in RULES}
    assert all(
        rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md" for rule in RULES
    )

# Everything here works from any folder: `make -C path/to/vicino demo`.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
VENV := $(ROOT)/.venv
PYTHON ?= python3
BIN := $(VENV)/bin
RUN := cd $(ROOT) &&

.PHONY: help venv venv-dev demo play up test test-cluster check format vectors faults bench lock jars-lock docs clean coverage

help: ## this list
	@grep -hE '^[a-z%-]+:.*## ' $(ROOT)/Makefile | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

venv: $(VENV)/.runtime ## the environment to run in (.venv), from the hashed lock
venv-dev: $(VENV)/.dev ## the same, with what tests and checks need

$(VENV)/.created:
	@$(PYTHON) $(ROOT)/services/local/python_version.py
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(ROOT)/requirements/runtime.lock | $(VENV)/.created
	@echo "installing what Vicino needs (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(ROOT)/requirements/runtime.lock
	@$(BIN)/python $(ROOT)/services/local/link.py $(ROOT)
	@touch $@

$(VENV)/.dev: $(ROOT)/requirements/dev.lock $(VENV)/.runtime
	@echo "installing what tests and checks need (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(ROOT)/requirements/dev.lock
	@touch $@

demo: venv ## the main job, played on a fresh stack: watch it, then read .vicino/demo.json
	@$(RUN) exec $(BIN)/vicino demo

play: venv ## the demo's world, to stay: the console is full, the clock is in your hand
	@$(RUN) exec $(BIN)/vicino play

up: venv ## the same stack, to stay: prints its addresses, keeps its data in .vicino/
	@$(RUN) exec $(BIN)/vicino up

test: venv-dev ## all tests but those that ill-treat servers of their own
	@$(RUN) $(BIN)/python -m pytest -n 3 --dist loadfile --max-worker-restart 0 -m "not cluster and not campaign"

test-cluster: venv-dev ## servers killed, paused and cut; three brokers; credentials and ACLs
	@$(RUN) $(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0 -m "cluster and not campaign"

check: venv-dev ## format, lint, types, import rules
	@$(RUN) $(BIN)/ruff format --check .
	@$(RUN) $(BIN)/ruff check .
	@$(RUN) $(BIN)/mypy
	@$(RUN) $(BIN)/lint-imports

format: venv-dev ## put the code in order
	@$(RUN) $(BIN)/ruff format . && $(BIN)/ruff check --fix .

coverage: venv-dev ## what the tests reach
	@$(RUN) $(BIN)/python -m pytest -m "not cluster and not campaign" --cov --cov-report=term

vectors: venv-dev ## worked examples through the real service, expected against actual: make vectors DIR=folder
	@$(RUN) $(BIN)/python -m tests.vectors $(if $(DIR),$(abspath $(DIR)),tests/vectors)

faults: venv-dev ## kill, pause and cut for real, each RUNS=5 times; prints lost, doubled, wrong; writes benchmarks/results/faults.json
	@$(RUN) $(BIN)/python -m tests.faults $(if $(RUNS),--runs $(RUNS)) $(if $(ONLY),--only "$(ONLY)")

bench: venv-dev ## every benchmark, with its ceiling in the same run
	@$(RUN) $(BIN)/python -m benchmarks

bench-%: venv-dev ## one benchmark; writes benchmarks/results/NAME.json
	@$(RUN) $(BIN)/python -m benchmarks $*

docs: venv-dev ## the generated references and golden schemas
	@$(RUN) $(BIN)/python -m schemas.snapshot --write && $(BIN)/python -m schemas.reference && $(BIN)/python -m services.gateway.openapi && $(BIN)/python -m services.gateway.reference \
	  && $(BIN)/python -m services.local.settings_page

schema-sql: venv-dev ## services/*/schema.sql: every table as the migrations make it
	@$(RUN) $(BIN)/python -m services.local.tables

lock: venv-dev ## pin and hash what requirements/*.in name
	@$(RUN) for name in runtime dev; do UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links requirements/$$name.in -o requirements/$$name.lock; done

jars-lock: venv ## pin and hash Kafka's jars (needs Maven; only when Kafka's version changes)
	@$(RUN) $(BIN)/python -m services.local.lock_jars

clean: ## remove the environment, caches and every state of local stacks
	rm -rf $(VENV) $(ROOT)/.vicino $(ROOT)/.mypy_cache $(ROOT)/.ruff_cache $(ROOT)/.pytest_cache $(ROOT)/.hypothesis

# KSC Ledger. `make help` lists what there is; every target may be run again.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
KSC_LEDGER_HOME ?= $(CURDIR)/data
export KSC_LEDGER_HOME

# The environment is made from the lock alone; a stamp remembers for which lock.
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev

.PHONY: watchdog help demo test test-duckdb-next test-long test-roles test-ui audit sbom bench lint format simulator lock clean system-deps up down test-compose bi

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/uv: requirements/bootstrap.lock
	@if [ -z "$(PYTHON)" ]; then echo "Python 3.11, 3.12 or 3.13 with venv is needed (Debian: apt install python3 python3-venv)." >&2; exit 1; fi
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	@touch $@

$(RUNTIME): requirements/runtime.lock pyproject.toml $(BIN)/uv
	@tools/install.sh $(VENV) requirements/runtime.lock
	@touch $@

$(DEV): requirements/dev.lock $(RUNTIME)
	@tools/install.sh $(VENV) requirements/dev.lock
	@touch $@

SCENARIO ?= scenarios/dong_thap scenarios/kon_tum
demo: $(RUNTIME) ## the rehearsal on simulated servers and a real Airflow (ONCE=1, SCENARIO=…, PORT=…)
	@$(BIN)/python -m ksc_ledger.rehearsal $(if $(ONCE),--once) --port $(or $(PORT),8080) $(SCENARIO)

simulator: $(RUNTIME) ## the simulated KSC servers alone (SCENARIO=path PORT=13299)
	@$(BIN)/python -m ksc_ledger.simulator $(SCENARIO) --port $(or $(PORT),13299) --run-dir $(KSC_LEDGER_HOME)/simulator

test: $(DEV) ## the fast tests: no root, no Docker, no browser
	@$(BIN)/python -m pytest -m "not long" -q -n 2

# The second DuckDB line, in an environment of its own: history, marts, publishing and their SQL.
NEXT := .venv-duckdb-next
$(NEXT)/.made: requirements/duckdb-next.lock $(BIN)/uv
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(NEXT)
	@$(BIN)/uv pip install --quiet --python $(NEXT)/bin/python --require-hashes -r requirements/duckdb-next.lock
	@touch $@

test-duckdb-next: $(NEXT)/.made ## the SQL tests on DuckDB 2
	@$(NEXT)/bin/python -m pytest tests/sql $(addprefix tests/unit/warehouse/test_,asof.py extra_snapshots.py history.py publisher.py snapshots.py writer.py) \
	  -m "not long" -q -p no:cacheprovider

# Production's environment: who may what, on Airflow's auth manager with users and roles.
PRODUCTION := .venv-production
$(PRODUCTION)/.made: requirements/production.lock pyproject.toml $(BIN)/uv
	@$(PYTHON) -m venv --clear $(PRODUCTION)
	@tools/install.sh $(PRODUCTION) requirements/production.lock $(BIN)/uv
	@touch $@

# The same with edge workers: why they are not supported is asked of Airflow itself (docs/adr/0023).
EDGE := .venv-edge
$(EDGE)/.made: requirements/edge.lock pyproject.toml $(BIN)/uv
	@$(PYTHON) -m venv --clear $(EDGE)
	@tools/install.sh $(EDGE) requirements/edge.lock $(BIN)/uv
	@touch $@

test-roles: $(DEV) $(PRODUCTION)/.made ## who may what, on a real api-server with production's auth manager
	@$(BIN)/python -m pytest tests/roles -q

test-long: $(DEV) test-duckdb-next $(PRODUCTION)/.made $(EDGE)/.made ## random kills, long replays, the road through the scheduler
	@$(BIN)/python -m pytest -m long -q -n 2

# What looks into the locks is no part of the product either.
AUDIT := .venv-audit
$(AUDIT)/.made: requirements/audit.lock $(BIN)/uv
	@$(PYTHON) -m venv --clear $(AUDIT)
	@$(BIN)/uv pip install --quiet --python $(AUDIT)/bin/python --require-hashes -r requirements/audit.lock || \
	  $(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/audit.lock
	@touch $@

sbom: $(AUDIT)/.made ## the SBOM of production's lock (.audit/sbom.cdx.json), without a network
	@$(BIN)/python -m tools.audit --without-network --tools $(AUDIT)/bin --sbom .audit/sbom.cdx.json requirements/production.lock

audit: $(AUDIT)/.made ## the SBOM from the lock, and known vulnerabilities in it (needs the network)
	@$(BIN)/python -m tools.audit --tools $(AUDIT)/bin --sbom .audit/sbom.cdx.json requirements/production.lock

# The stack of docker-compose.yaml. Everything here is docker compose; make adds the order only.
up: ## the compose stack, built, with its secrets made, started and healthy
	@test -f .env || { echo "There is no .env: cp .env.example .env, and read it." >&2; exit 1; }
	@docker compose build
	@docker compose run --rm --no-deps keys
	@docker compose up --detach --wait --wait-timeout 600

down: ## stop the compose stack; its volumes stay
	@docker compose --profile '*' down --remove-orphans

# A machine without an engine says so; nothing is skipped. Its own project, folders and port.
test-compose: ## docker-compose.yaml built, started, used, broken, torn down on a real engine
	@docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 || \
	  { echo "An engine with docker compose v2 is needed (as root without one: tools that bring it, docs/deployment.md)." >&2; exit 1; }
	@$(PYTHON) tests/compose/run.py

# A browser's environment of its own: what drives it is no part of the product.
UI := .venv-ui
$(UI)/.made: requirements/ui.lock $(BIN)/uv
	@$(PYTHON) -m venv --clear $(UI)
	@$(BIN)/uv pip install --quiet --python $(UI)/bin/python --require-hashes -r requirements/ui.lock || \
	  $(UI)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/ui.lock
	@touch $@

# Superset in an environment of its own: its pandas has no wheel for Python 3.13.
BI := .venv-bi
BI_PYTHON ?= $(shell for p in python3.12 python3.11 python3 $(BIN)/python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)
$(BI)/.made: bi/requirements.lock $(BIN)/uv
	@if [ -z "$(BI_PYTHON)" ]; then echo "Bảng điều khiển BI (Superset) cần Python 3.11 hoặc 3.12 có venv; máy này không có, Python 3.13 không dùng được. Cài thêm python3.12 (hoặc đặt BI_PYTHON=/đường/dẫn) rồi chạy lại." >&2; exit 1; fi
	@echo "… cài đặt Superset vào $(BI) theo bi/requirements.lock (khoảng một phút)"
	@$(BI_PYTHON) -m venv --clear $(BI)
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BI)/bin/python --require-hashes -r bi/requirements.lock || \
	  $(BI)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bi/requirements.lock
	@touch $@

bi: $(BI)/.made ## the BI dashboard (Superset) over what is published, until Ctrl-C (PORT=8088)
	@PYTHONPATH=$(CURDIR):$(CURDIR)/plugins $(BI)/bin/python -m bi --port $(or $(PORT),8088)

test-ui: $(RUNTIME) $(UI)/.made $(BI)/.made ## the pages in headless Chromium on a real Airflow with demo data
	@command -v chromium >/dev/null || { echo "The package chromium is missing: run make system-deps (as root)." >&2; exit 1; }
	@$(UI)/bin/python -m pytest -c tests/ui/pytest.ini tests/ui

# The competitors get environments of their own, from requirements/bench-*.lock, below .bench/.
bench: $(RUNTIME) ## speed and size beside competitors and floors (QUICK=1, ONLY="ingest gate")
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(ONLY)

watchdog: $(RUNTIME) ## the watchdog outside Airflow (RELAY="--relay-host … --to …")
	@$(BIN)/python -m ksc_ledger.watchdog --every 60 $(RELAY)

lint: $(DEV) ## ruff, mypy, sqlfluff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --disable-progress-bar -q sql

format: $(DEV) ## let ruff and sqlfluff format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/sqlfluff fix --disable-progress-bar -q sql

lock: $(BIN)/uv ## resolve requirements/*.in anew for Python 3.11 to 3.13
	@for set in bootstrap runtime lake production edge compose-demo dev ui audit bench-dlt bench-naive; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 requirements/$$set.in \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --output-file requirements/$$set.lock; done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 bi/requirements.in \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --output-file bi/requirements.lock

clean: ## remove the environment and the caches, never data
	@rm -rf $(VENV) $(NEXT) $(UI) $(BI) $(PRODUCTION) $(EDGE) $(AUDIT) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# What `make test-long` and `make test-ui` need beyond Python: rendering letters, a real PostgreSQL, a real
# Redis, a browser.
SYSTEM_PACKAGES := libreoffice-writer libreoffice-calc poppler-utils fonts-liberation postgresql redis-server chromium

system-deps: ## the Debian packages that test-long and test-ui need (as root)
	@missing=; for package in $(SYSTEM_PACKAGES); do dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

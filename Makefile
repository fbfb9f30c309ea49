SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
CODE := $(wildcard mesh api_gateway route_manager call_manager flow_manager benchmarks examples \
	scripts tests)

# pip is told what to install down to the hash, so nothing else can get in.
.venv/.locked: requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

.venv/.installed: .venv/.locked pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.PHONY: help
help: ## Show what there is to make.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' \
		| while IFS=$$'\t' read -r name text; do printf '  %-14s %s\n' "$$name" "$$text"; done

.PHONY: setup
setup: .venv/.installed setup-system ## Install everything that the other targets need.

.PHONY: setup-system
setup-system: ## Install the Debian packages that the tests need (as root), or name them.
	@scripts/setup_system.sh

.PHONY: lock
lock: ## Choose dependency versions anew and write them with their hashes (needs the network).
	@directory=$$(mktemp -d) && trap 'rm -rf "$$directory"' EXIT \
		&& $(PYTHON) -m venv "$$directory" \
		&& "$$directory/bin/pip" install --quiet --disable-pip-version-check uv \
		&& env -u PIP_FIND_LINKS -u UV_FIND_LINKS "$$directory/bin/uv" pip compile --quiet \
			--no-config --python-version 3.11 --universal --extra dev --generate-hashes \
			--no-header --no-annotate --output-file requirements.lock pyproject.toml

.PHONY: gen
gen: .venv/.installed ## Generate gen/ from proto/.
	$(BIN)/python -m scripts.gen

.PHONY: docs
docs: .venv/.installed ## Write the pages that come from contracts and settings.
	$(BIN)/python -m scripts.docs

.PHONY: fmt
fmt: .venv/.installed ## Bring code and contracts into shape.
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/buf format --write proto

.PHONY: lint
lint: .venv/.installed ## Judge code and contracts without running them.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code proto
	scripts/breaking.sh
	$(BIN)/python -m scripts.gen --check
	$(BIN)/python -m scripts.docs --check

.PHONY: types
types: .venv/.installed ## Check every type, strictly.
	$(BIN)/mypy $(CODE)

# Much of a test is waiting for timers and peers: three workers keep two cores busy.
.PHONY: test
test: setup ## Run every test; `ARGS=-k word` chooses some.
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile $(ARGS)

.PHONY: fuzz-api
fuzz-api: setup ## Ask the API more than 10,000 things that its description allows, or does not.
	FUZZ_API_EXAMPLES=100 $(BIN)/python -m pytest tests/e2e/test_schemathesis.py $(ARGS)

.PHONY: fuzz-sip
fuzz-sip: setup ## Throw bent and random messages at everything that reads SIP, for minutes.
	FUZZ_SIP_EXAMPLES=20000 $(BIN)/python -m pytest --timeout 1200 tests/sip/test_torture.py
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[fuzz]' || true
	$(BIN)/python -m scripts.fuzz_sip $(ARGS)

.PHONY: demo
demo: .venv/.installed ## Start the mesh with a simulated carrier and place a call (`ARGS=--once` ends).
	$(BIN)/vbmesh demo $(ARGS)

.PHONY: bench
bench: .venv/.installed ## Measure the mesh on this machine (`ARGS=sip`: calls beside sipp).
	$(BIN)/python -m benchmarks $(ARGS)

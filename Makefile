# make demo, make test: both set up all they need in .venv.
# PYTHON chooses the interpreter (3.11 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow quality lint format types imports bench bench-peers clients wheel clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.runtime ## load the packaged real sample, run every job over it, serve the dashboard
	$(BIN)/llmops-monitor demo $(DEMO_FLAGS)

test: $(VENV)/.development clients ## all tests but the slow ones
	$(PYTEST) -n $(WORKERS) $(PYTEST_FLAGS)

clients: $(VENV)/.development ## the real clients that tests run, in an environment of their own
	$(BIN)/python -c 'from tests.client_runs import python_of_clients; python_of_clients()'

test-slow: $(VENV)/.development ## calibration, soak and fault tests that run for minutes
	$(PYTEST) -m slow $(PYTEST_FLAGS)

quality: $(VENV)/.development ## error rates of the signals on labelled rows, into docs/quality.md; DATA=FOLDER for rows of yours
	$(BIN)/python -m tests.quality $(DATA)

lint: $(VENV)/.development ## style
	$(BIN)/ruff check --output-format concise
	$(BIN)/ruff format --check

format: $(VENV)/.development ## put the style right
	$(BIN)/ruff check --fix --output-format concise
	$(BIN)/ruff format

types: $(VENV)/.development ## mypy, strict
	$(BIN)/mypy

imports: $(VENV)/.development ## data flows one way
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.development ## benchmarks, against baselines measured in the same run
	$(BIN)/python -m tests.benchmarks

bench-peers: $(VENV)/.development .venv-peers/.installed ## the same simulator and tables with other drift monitors, in an environment of their own
	$(BIN)/python -m tests.benchmarks._peers $(PEERS)

.venv-peers/.installed: tests/benchmarks/_peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --requirement $<
	@touch $@

wheel: $(VENV)/.development ## build the wheel and try it, installed, in an environment of its own
	sh tests/smoke_wheel.sh "$(PYTHON)"

clean: ## remove what was made, but not your stores
	rm -rf $(VENV) .venv-peers .venv-clients build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/install_debian.sh python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.runtime: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.development: $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --group dev
	@command -v chromium >/dev/null || sh tests/install_debian.sh chromium
	@touch $@

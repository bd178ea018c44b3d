# Everything a newcomer or CI runs. Needs Python 3.11, 3.12 or 3.13, and nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PORT   ?= 8080
PYTEST ?=
BENCH  ?=
CHAOS  ?=
FUZZ   ?= 60
FASTIFY := bench/against/servers/fastify
# For looking at files that secrets are put into: as long as they have to be, and of no worth.
NO_SECRET := 0123456789abcdef0123456789abcde
# Every configuration of the proxy in the tree; Grafana's file of the same name is none.
CONFIGURATIONS = $(sort $(shell find config deploy -name 'playgate*.yaml' -not -path 'config/grafana/*'))
# What runs where others may reach it, or with rights that others would like to have.
RUN_BY_OTHERS := proxy config deploy .ci docs/examples
# Rows of the players' matrix at a time: players wait more than they work.
ROWS   ?= 3

.PHONY: help demo test environment unit e2e players dashboards reference docs bench parts soak chaos fuzz lint format node up clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## proxy, origin, token issuer and a page, in one process
	$(BIN)/playgate demo --port $(PORT)

test: $(VENV)/.installed-test  ## every test but the players' matrix; what needs a browser or ffmpeg is skipped without it
	$(BIN)/pytest -n auto --dist loadgroup -m "not matrix" $(PYTEST)

environment: $(VENV)/.installed-test  ## what the tests need, and nothing run

unit: $(VENV)/.installed-test  ## every test but those that drive real players
	$(BIN)/pytest -n auto --dist loadgroup -m "not e2e" $(PYTEST)

e2e: $(VENV)/.installed-test  ## the matrix: every real player in all it plays, and what was measured
	rm -rf build/players
	$(BIN)/pytest -n $(ROWS) -m matrix $(PYTEST)
	$(BIN)/python -m tests.e2e.table

players: e2e  ## the same, and the matrix in docs/players.md is written anew
	$(BIN)/python -m tests.e2e.table --write

dashboards: $(VENV)/.installed-test  ## the pictures of docs/dashboards.md are drawn anew, in four minutes
	$(BIN)/python -m tests.dashboards.pictures docs/dashboards

reference: $(VENV)/.installed  ## docs/reference.md is written anew from the settings
	$(BIN)/python -m handbook.reference --write

docs: $(VENV)/.installed-docs  ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site"

bench: $(VENV)/.installed-bench $(FASTIFY)/.installed  ## Playgate beside others that do the same job, in a quarter of an hour; BENCH="--help"
	$(BIN)/python -m bench.against $(BENCH)

$(FASTIFY)/.installed: $(FASTIFY)/package.json  # without npm, the peers on Node are told as absent
	@if command -v npm >/dev/null; then cd $(FASTIFY) && npm install --no-audit --no-fund --no-package-lock && touch .installed; fi

parts: $(VENV)/.installed-bench  ## what the parts of a request cost
	$(BIN)/python bench/parts.py --quiet

soak: $(VENV)/.installed-soak  ## an hour's requests in minutes; fails if memory or descriptors grow
	$(BIN)/python bench/soak.py --out build/soak

chaos: $(VENV)/.installed-test  ## an hour of viewers in five minutes while proxies, store and origins die and stall; CHAOS="--help"
	$(BIN)/python -m tests.chaos $(CHAOS)

fuzz: $(VENV)/.installed-fuzz  ## parsers of what strangers send, each for FUZZ seconds, from fuzz/corpus on
	set -e; for target in $$($(BIN)/python -m fuzz.targets); do \
	    $(BIN)/python -m fuzz.run $$target --seconds $(FUZZ); done

lint: export PLAYGATE_JWT_SECRET = $(NO_SECRET)1
lint: export PLAYGATE_TICKET_SECRET = $(NO_SECRET)2
lint: export PLAYGATE_ADMIN_TOKEN = $(NO_SECRET)3
lint: export PLAYGATE_REDIS_URL = redis://127.0.0.1:6379/0
lint: $(VENV)/.installed-dev  ## ruff, mypy, import-linter, bandit; configurations, containers, workflows and Kubernetes manifests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(RUN_BY_OTHERS)
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	$(BIN)/python -m tests.deploy.schemas
	$(BIN)/hadolint Dockerfile config/compose/*/Dockerfile
	$(BIN)/docker-compose --env-file /dev/null config --quiet
	set -e; for file in $(CONFIGURATIONS); do $(BIN)/playgate check --config $$file; done

format: $(VENV)/.installed-dev  ## what ruff can mend by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

node: node_modules/.package-lock.json  ## what the demo's page and the e2e tests take from npm: web players, an OpenID provider

node_modules/.package-lock.json: package.json
	npm install --no-audit --no-fund --no-package-lock
	@touch $@

up: .env  ## all of docker-compose.yml: proxies behind nginx, Redis, origin, issuer, dashboards
	docker compose up --build

.env:  # what docker compose fills in: secrets of this checkout's own
	@umask 077 && for name in TICKET_SECRET ADMIN_TOKEN; do \
	    $(PYTHON) -c "import secrets; print('PLAYGATE_$$name=' + secrets.token_urlsafe(48))" || exit; \
	done > $@.new && mv $@.new $@

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	@touch $@

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	@touch $@

$(VENV)/.installed-soak: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[test,bench]"
	@touch $@

$(VENV)/.installed-fuzz: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[fuzz]"
	@touch $@

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[test,dev]"
	@touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:  ## remove what the other targets made
	rm -rf $(VENV) .venv-* node_modules $(FASTIFY)/node_modules $(FASTIFY)/.installed build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Everything a developer does here. `make` alone lists it.
PYTHON ?= python3
# Eight processes start together: without bytecode each would compile all that it imports, every time.
export PYTHONDONTWRITEBYTECODE :=
BIN := .venv/bin
PATHS := shared services deploy tools tests benchmarks
MEMBERS := helpdesk command-api query-api projector webhook-dispatcher notifier localstack tickets
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url $(if $(UPGRADE),--upgrade) --custom-compile-command "make lock"
.DEFAULT_GOAL := help
.PHONY: help setup check format test test-all chaos run stop status clean events logs mails rebuild verify bench lock coverage openapi env-example

help: ## This list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 16

setup: ## Install everything into .venv (does nothing when nothing changed)
	@$(PYTHON) deploy/local/bootstrap.py

check: setup ## Format, lint, types, import directions, layout
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(PATHS)
	$(if $(wildcard .importlinter),$(BIN)/lint-imports)
	$(if $(wildcard tests/architecture/test_*.py),$(BIN)/python -m pytest -q tests/architecture)

format: setup ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: check ## What CI runs: check, then all tests but the long ones
	@$(BIN)/python -m localstack fetch-jars
	$(BIN)/python -m pytest -m "not long"

test-all: check ## All tests, then chaos
	@$(BIN)/python -m localstack fetch-jars
	$(BIN)/python -m pytest
	@$(MAKE) --no-print-directory chaos

chaos: setup ## Every fault under load, again and again (DURATION=10m SEED=n ONLY=words)
	@$(BIN)/python -m localstack fetch-jars
	@PYTHONPATH=tests $(BIN)/python -m faults --duration $(or $(DURATION),10m) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only "$(ONLY)")

run: setup ## The whole stack in the foreground (SPLIT=1: every part in its own process)
	@exec $(BIN)/python -m localstack run $(if $(SPLIT),--split)

stop: setup ## End what runs, as Ctrl-C does
	@$(BIN)/python -m localstack stop

status: setup ## What runs: name, pid, port, log
	@$(BIN)/python -m localstack status

events: setup ## Follow what happens: one line per event
	@$(BIN)/python -m localstack events

logs: setup ## Follow the logs (S=name: of one)
	@$(BIN)/python -m localstack logs $(S)

mails: setup ## The mails that were sent
	@$(BIN)/python -m localstack mails

rebuild: setup ## Build the views anew beside the live ones and switch (V="tickets --status": words for the command)
	@$(BIN)/python -m localstack with projector rebuild $(V)

verify: setup ## Check the invariants of what runs (V="--only I1,I4")
	@$(BIN)/python -m localstack with tickets verify $(V)

clean: setup ## Remove the stack's data (not the code's environment)
	@$(BIN)/python -m localstack clean

bench: setup ## Measure a durable stack of its own beside its limits (QUICK=1, FULL=1, ROWS=1,3, PROFILE=1)
	@$(BIN)/python -m localstack fetch-jars
	@$(BIN)/python -m benchmarks

lock: setup ## Write all dependencies down with hashes (UPGRADE=1: the newest ones)
	echo uv | $(COMPILE) --no-annotate -o requirements/uv.txt -
	$(COMPILE) $(MEMBERS:%=--no-emit-package %) pyproject.toml --group dev -o requirements/dev.txt
	$(COMPILE) $(MEMBERS:%=--no-emit-package %) pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	$(BIN)/python -m localstack lock-jars

coverage: setup ## All tests but the long ones, with what they reach
	@$(BIN)/python -m localstack fetch-jars
	$(BIN)/python -m pytest -m "not long" --cov --cov-report=term-missing:skip-covered --cov-report=html

openapi: setup ## Write the merged OpenAPI document anew
	$(BIN)/python deploy/openapi.py

env-example: setup ## Write deploy/.env.example anew from the settings
	$(BIN)/python deploy/env_example.py

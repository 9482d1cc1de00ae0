# A new machine with Python 3.11 and git needs only `make repro` and `make test`: they install what is missing.

PYTHON ?= python3.11
PROFILE ?=
AXIS ?=
# DVC starts stages as `python`, which must be the environment's.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONUNBUFFERED = 1
# No telemetry, and no version check by pip.
export DVC_NO_ANALYTICS = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Notes may have been copied into a fresh checkout.
PRIVATE := $(shell chmod 700 data .dvc 2>/dev/null)

.PHONY: help setup repro test test-fast study ablation tables ui docs deps lint tidy

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /|/' | column -t -s '|'

setup: .venv/ready ## Create .venv, make data/ and .dvc/ private, create MLflow's database (other targets do it if needed)

.venv/ready: pyproject.toml constraints.txt
	@sh scripts/environment.sh '$(PYTHON)'
	@echo "Making data/ and .dvc/ readable by their owner only, and creating MLflow's database"
	@python -m scripts.setup
	@touch $@

repro: .venv/ready ## Run the whole pipeline and print its tables
	dvc repro
	@python -m scripts.print_results

test: .venv/ready ## Run all tests
	python -m pytest -n logical --dist loadgroup

test-fast: .venv/ready ## Run the tests that neither train a model nor run the pipeline
	python -m pytest -n logical --dist loadgroup -m 'not slow'

study: .venv/ready ## Run the profile PROFILE in a git worktree and record it in results/
	@test -n "$(PROFILE)" || { echo 'error: name a profile: make study PROFILE=<a file in profiles/>'; exit 1; }
	@python -m scripts.study $(PROFILE)

ablation: .venv/ready ## Run the ablation AXIS on the profile PROFILE and draw its curve in results/ablations/
	@test -n "$(AXIS)" && test -n "$(PROFILE)" || { echo 'error: make ablation AXIS=<a file in profiles/ablations/> PROFILE=<a file in profiles/>'; exit 1; }
	@python -m scripts.ablation $(AXIS) --profile $(PROFILE)

tables: .venv/ready ## Write the results tables in README.md and docs/ from results/
	@python -m scripts.tables

ui: .venv/ready ## Serve MLflow's pages on this machine
	@python -m scripts.ui

docs: .venv/ready ## Write Great Expectations' data docs to reports/
	@python -m scripts.docs

deps: .venv/ready ## Write the code dependencies in dvc.yaml, the table of stages in docs/, and docs/settings.md
	@python -m scripts.deps
	@python -m scripts.settings

lint: .venv/ready ## Check style and types
	ruff check .
	ruff format --check .
	mypy

tidy: .venv/ready ## Delete outputs that no cell of the pipeline has
	@python -m scripts.tidy

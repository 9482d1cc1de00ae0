# `make repro` and `make test` are all a new machine with Python 3.11 and git needs.

PYTHON ?= python3.11
PROFILE ?=
AXIS ?=
# DVC starts stages as `python`: the environment's comes first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONUNBUFFERED = 1
# Nothing reports home, pip's version check included.
export DVC_NO_ANALYTICS = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help setup repro test test-fast study ablation tables ui docs deps lint tidy

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /|/' | column -t -s '|'

setup: .venv/ready ## Make the environment and this checkout ready (done by the others where needed)

.venv/ready: pyproject.toml constraints.txt
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv || python3 -m venv .venv
	@python -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make PYTHON=..."'
	@echo 'Installing into .venv, which takes some minutes'
	@python -m pip install -qq -c constraints.txt -e '.[dev]'
	python -m scripts.setup
	@touch $@

repro: .venv/ready ## Run the whole pipeline, then show real against synthetic
	dvc repro
	@python -m scripts.table

test: .venv/ready ## Run all tests
	python -m pytest -n logical --dist loadgroup

test-fast: .venv/ready ## Run the tests that train nothing and start no pipeline
	python -m pytest -n logical --dist loadgroup -m 'not slow'

study: .venv/ready ## Run profiles/$(PROFILE).yaml in a worktree, keep its numbers in results/
	@test -n "$(PROFILE)" || { echo 'error: which one? make study PROFILE=<name of a file in profiles/>'; exit 1; }
	@python -m scripts.study $(PROFILE)

ablation: .venv/ready ## Run profiles/ablations/$(AXIS).yaml on a profile, draw the curve in results/ablations/
	@test -n "$(AXIS)" && test -n "$(PROFILE)" || { echo 'error: make ablation AXIS=<a file in profiles/ablations/> PROFILE=<a file in profiles/>'; exit 1; }
	@python -m scripts.ablation $(AXIS) --profile $(PROFILE)

tables: .venv/ready ## Write the results tables of README.md and docs/ from results/
	@python -m scripts.tables

ui: .venv/ready ## Open the runs in MLflow on this machine
	@python -m scripts.ui

docs: .venv/ready ## Write Great Expectations' data docs to reports/
	@python -m scripts.docs

deps: .venv/ready ## Write code dependencies into dvc.yaml and the stage table into README.md
	@python -m scripts.deps

lint: .venv/ready ## Check style
	ruff check .
	ruff format --check .

tidy: .venv/ready ## Delete outputs without a cell in the pipeline
	@python -m scripts.tidy

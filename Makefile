# Two commands do everything on a fresh machine: `make train` and `make test`.
ARGS ?= experiment=echo_both
PYTHON ?= python3
BIN := .venv/bin

.PHONY: env train test test-slow lint
.DEFAULT_GOAL := train

env: .venv/ready

# rebuilt when a dependency changes, left alone otherwise
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

train: env
	$(BIN)/python train.py $(ARGS)

test: env
	$(BIN)/pytest -n 2 -m "not slow" --cov --cov-report=term:skip-covered --cov-fail-under=90

test-slow: env
	$(BIN)/pytest -n 2 -m slow

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/codespell src tests conf docs README.md CHANGELOG.md

# Two commands matter: `make demo` and `make test`. Both do all the set-up.
SHELL := /bin/bash
PYTHON ?= python3
DIABETES130 ?= ../shared/corpora/train-diabetes130
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.lock-installed

.PHONY: help system-deps demo test check fix docs translations bench clean

help:  ## Show what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep -m1 '^torch==' requirements.lock)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@# the outside verifier of the access log, for tests only: it asks for 3.12 without needing it
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --ignore-requires-python --no-deps aics-tlog==0.2.1
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

system-deps:  ## Install what only apt gives: a browser, a Chinese font, bubblewrap, PostgreSQL
	@tools/system-deps

assets: $(STAMP)
	@tools/assets

demo: $(STAMP) assets  ## Run the main job end to end on the bundled network of three hospitals
	@tools/system-deps --if-possible
	$(BIN)/medtrain demo

test: $(STAMP) assets  ## Run every check and every test
	@tools/system-deps --if-possible
	$(MAKE) --no-print-directory check
	tools/test

check: $(STAMP)  ## Linter, types, direction of imports, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/generated.py --check

fix: $(STAMP)  ## Let the linter and the formatter mend what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## Write the generated pages again
	$(BIN)/python tools/generated.py

translations: $(STAMP)  ## Bring the Chinese catalogue up to the console's sources, and name what is not translated
	$(BIN)/python tools/translations.py

bench: $(STAMP)  ## Measure: utility on real data, as printed in docs/benchmarks.md
	$(BIN)/python bench/diabetes130.py $(DIABETES130)

clean:  ## Remove the virtual environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* node_modules build dist

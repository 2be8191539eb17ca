# resilient-auth: the commands of a newcomer and of a maintainer.
# `make demo` and `make test` need Python 3.11+ and pip, and set up the rest themselves.

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The project itself goes in after its locked dependencies, without asking an index.
EDITABLE := --no-deps --no-build-isolation --editable .
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help demo test deep mutation lint types docs build bench bench-tokens bench-web bench-llm bench-orm lock format clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "resilient-auth needs Python 3.11 or newer; try: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: requirements/demo.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the demo needs (once) …"
	@$(PIP) install --require-hashes --requirement requirements/demo.txt
	@$(PIP) install $(EDITABLE)
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the tests need (once) …"
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@$(PIP) install $(EDITABLE)
	@touch $(VENV)/demo.stamp $@

# Beside the newest: the tests put its folder first on the path of a process of theirs.
$(VENV)/lowest.stamp: requirements/lowest.txt | $(BIN)/python
	@echo "Installing the lowest SQLAlchemy that is supported (once) …"
	@rm -rf $(VENV)/lowest
	@$(PIP) install --no-deps --require-hashes --target $(VENV)/lowest --requirement requirements/lowest.txt
	@touch $@

demo: $(VENV)/demo.stamp ## Start the example chatbot on http://localhost:8000 (PORT=… for another)
	@PORT=$(PORT) $(BIN)/python -m examples.chatbot

test: $(VENV)/dev.stamp $(VENV)/lowest.stamp ## Run every test (ARGS=… for pytest)
	@$(BIN)/python -m pytest $(ARGS)

deep: $(VENV)/dev.stamp ## Ask the properties of tokens and keys 100,000 times each (half an hour)
	@HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -m deep --timeout=7200 tests/core $(ARGS)

mutation: $(VENV)/dev.stamp ## Change the code in every way, see which tests notice (FILES="core/seals resilience")
	@nice $(BIN)/python -m tests.mutation $(FILES)

lint: $(VENV)/dev.stamp ## Check style, layers and docstrings
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

format: $(VENV)/dev.stamp ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

types: $(VENV)/dev.stamp ## Check types with mypy and pyright
	@$(BIN)/mypy
	@$(BIN)/pyright
	@PYTHONPATH="src:$$(echo $(VENV)/lib/python3.*/site-packages)" $(BIN)/pyright --verifytypes resilient_auth --ignoreexternal

docs: $(VENV)/dev.stamp ## Build the documentation; warnings are errors
	@$(BIN)/sphinx-build -n -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

build: $(VENV)/dev.stamp ## Build the wheel and the source archive
	@rm -rf dist && $(BIN)/python -m build --no-isolation --outdir dist . > /dev/null && ls dist

bench-tokens: $(VENV)/dev.stamp ## Print the table of tokens alone
	@$(BIN)/python -m tests.benchmarks tokens

bench-web: $(VENV)/dev.stamp ## Print the tables of Starlette, FastAPI and Flask alone
	@$(BIN)/python -m tests.benchmarks starlette fastapi flask

bench-llm: $(VENV)/dev.stamp ## Print the table of calls and streams alone
	@$(BIN)/python -m tests.benchmarks llm

bench-orm: $(VENV)/dev.stamp ## Print the table of models and transactions alone
	@$(BIN)/python -m tests.benchmarks orm

bench: $(VENV)/dev.stamp ## Print the benchmark table
	@$(BIN)/python -m tests.benchmarks

lock: ## Renew requirements/*.txt (needs uv)
	$(UV_COMPILE) --group dev --extra all --output-file requirements/dev.txt pyproject.toml
	$(UV_COMPILE) --group demo --constraint requirements/dev.txt --output-file requirements/demo.txt pyproject.toml
	sed -n 's/^sqlalchemy = \["\(.*\)"\]/\1/p' pyproject.toml \
		| $(UV_COMPILE) --no-deps --resolution lowest-direct --output-file requirements/lowest.txt -

clean: ## Remove what the commands made
	rm -rf $(VENV) dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

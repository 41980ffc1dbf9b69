# Everything from a bare clone: `make demo` and `make test` make .venv first.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint format clean help

help: ## What there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 10

demo: $(READY) ## Tune the embedded model towards the United States and write a report
	@rm -rf runs/demo
	@$(BIN)/acculturate tune --model embedded --country "United States" --budget 90 --max-divergence 0.3 \
		--seed 0 --out runs/demo
	@printf 'report: ' && $(BIN)/acculturate report runs/demo

test: $(READY) ## The whole test suite
	$(BIN)/python -m pytest

lint: $(READY) ## Formatting, linting, types, import contracts
	$(BIN)/ruff format --check src tests
	$(BIN)/ruff check src tests
	$(BIN)/lint-imports
	$(BIN)/pyright src

format: $(READY) ## Format the code
	$(BIN)/ruff format src tests
	$(BIN)/ruff check --fix src tests

clean: ## Remove .venv and caches, not runs
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# torch comes first, by its exact version: a wheel of that version that is already at hand is then taken.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[embedded,peft,dev]'
	@touch $(READY)

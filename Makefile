# Everything from a bare clone: `make demo` and `make test` make .venv first.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
EXTRAS := .venv/.extras
DOCS := .venv/.docs
# A process for each core, a thread for each process: torch threads that share cores wait for each other.
ONE_THREAD := OMP_NUM_THREADS=1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-all fuzz lint docs dist format clean help

help: ## What there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 10

demo: $(READY) ## Tune the embedded model towards China and write a report
	@rm -rf runs/demo
	@$(BIN)/acculturate tune --model embedded --country China --budget 120 --tokens 32 --divergence-weight 10 \
		--forms 48 --sample --step 0.2 --seed 0 --out runs/demo
	@printf 'report: ' && $(BIN)/acculturate report runs/demo

test: $(READY) ## The tests that a change needs, in a few minutes
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m "not slow and not embedded"

test-all: $(EXTRAS) ## All tests, with every extra, shapes and types checked
	$(ONE_THREAD) ACCULTURATE_CHECK_TYPES=1 $(BIN)/python -m pytest -n 2

fuzz: $(READY) ## 10,000 wrong files and arguments, in a few minutes
	$(ONE_THREAD) $(BIN)/python tests/fuzz/fuzz.py --inputs 10000

lint: $(READY) ## Formatting, linting, types, import contracts
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/lint-imports
	$(BIN)/pyright src benchmarks
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

docs: $(DOCS) ## The documentation, into build/docs; a warning, as of a dead link, is an error
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	$(BIN)/python docs/check_links.py build/docs
	@echo 'documentation: build/docs/index.html'

# The constraints keep torch at the version that is at hand.
dist: $(READY) ## Wheel and source distribution, the wheel tried in a fresh environment
	rm -rf dist
	$(BIN)/python -m build
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python tests/check_dist.py dist

format: $(READY) ## Format the code
	$(BIN)/ruff format src tests benchmarks docs
	$(BIN)/ruff check --fix src tests benchmarks docs

clean: ## Remove .venv and caches, not runs
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# torch comes first, by its exact version: a wheel of that version that is already at hand is then taken.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[embedded,peft,serve,rate,dev]'
	@touch $(READY)

$(EXTRAS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[ray,optuna,lm-eval]'
	@touch $(EXTRAS)

$(DOCS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $(DOCS)

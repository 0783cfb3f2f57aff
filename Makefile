# npde: `make demo` shows what it does, `make test` shows that it works. Both make .venv on their first run.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# One thread a test process: two of them fill two cores, and results do not depend on how sums are split.
PYTEST := OMP_NUM_THREADS=1 MPLBACKEND=Agg $(BIN)/python -m pytest -q

# What `make bench` runs, and the Python that runs it: one that has Devito, JAX, numba and py-pde lets them take part.
BENCH        := kernels scaling compile_time ratios
BENCH_PYTHON := $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help demo test slow coverage lint format verify bench verify-ready clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## a tour with pictures, under five minutes, offline
	@MPLBACKEND=Agg $(BIN)/python -m demo

test: $(READY) ## the default suite, a few minutes on two cores
	@$(PYTEST) -n 2 --dist loadscope

slow: $(READY) ## the tests that take longer
	@$(PYTEST) -n 2 --dist loadscope -m slow

coverage: $(READY) ## the lines and branches of npde that the default suite runs
	@$(BIN)/coverage erase
	-@OMP_NUM_THREADS=1 MPLBACKEND=Agg $(BIN)/coverage run -m pytest -q -n 2 --dist loadscope
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --skip-covered --sort=miss

lint: $(READY) ## style, format, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY) ## rewrite the code in the house format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

verify: $(READY) ## the table of observed orders of accuracy; docs/convergence.md
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.convergence --output docs/convergence.md

bench: $(READY) ## measure; BENCH='kernels --cases A,E' for a part, BENCH_PYTHON for peers' environment; see benchmarks/results
	@PYTHONPATH=. $(BENCH_PYTHON) -m benchmarks $(BENCH)

verify-ready: ## everything that CI runs, on a fresh clone of the last commit
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	git clone --quiet . "$$folder/npde" && cd "$$folder/npde" && bash .ci/run

clean: ## remove .venv and everything that tools left behind
	rm -rf $(VENV) build dist demo_output *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is newer than both files once everything they ask for is there, so later calls start at once. The build
# backend comes from the constraints too: nothing that is installed here is left to chance.
$(READY): pyproject.toml constraints.txt
	@echo "Making $(VENV) (once; a minute or two) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "npde needs Python 3.11 or newer; try: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) hatchling editables
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@
	@echo "Ready."

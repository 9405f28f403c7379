# Each target does all the set-up that it needs from a bare Python 3.9, 3.10 or 3.11.
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo
STAMP := $(VENV)/.installed
# Processes that run tests; each takes up to 5 GB.
TEST_WORKERS ?= 2
# Of the order of the tests, and of what draws without a seed; make test TEST_SEED=... repeats one.
TEST_SEED ?= $(shell date +%s)
PYTEST = $(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist loadfile --durations=25 --randomly-seed=$(TEST_SEED)

.PHONY: help install demo test test-long test-series test-all bench lint format wheel lock clean

help:
	@echo "make demo      install, then render, prepare, pre-train, evaluate, export and report on the demo in $(DEMO)"
	@echo "make test      install, then run the tests"
	@echo "make test-long install, then run the tests that take long"
	@echo "make test-series install, then run the rest of those that are many of one kind"
	@echo "make test-all  all three"
	@echo "make bench     install, then list the benchmarks, or run one: make bench NAME=pipeline"
	@echo "make lint      check formatting and lint"
	@echo "make wheel     install, then build a wheel with compiled kernels in dist/"
	@echo "make install   set up $(VENV) from requirements.lock"

install: $(STAMP)

$(STAMP): requirements.lock setup.cfg setup.py pyproject.toml
	@sh tools/make_venv.sh $(VENV)
	@touch $@

demo: install
	$(BIN)/python datasets/demo/run.py --output=$(DEMO)

test: install
	$(PYTEST) -m "not long and not series"

test-long: install
	$(PYTEST) -m long

test-series: install
	$(PYTEST) -m series

test-all: test test-long test-series

bench: install
	@$(BIN)/python -m bench $(NAME)

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# With kernels compiled for the TensorFlow of $(VENV), or not at all; needs a C++ compiler.
wheel: install
	BRAVE_TF_PURE=0 $(BIN)/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist .

# Needs uv; resolves for all supported versions of Python at once.
lock:
	uv pip compile setup.cfg --extra dev --constraint tools/constraints.txt --universal \
	    --python-version 3.9 --no-annotate --no-header --output-file requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info

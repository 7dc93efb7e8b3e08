# `make` alone lists what can be made.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?= model=cnn data=animals
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help install train test faults soak bench growth peers lint format wheel clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed ## make .venv and install dltrain with its tested versions

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "dltrain needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1); try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

train: install ## train: make train ARGS="model=mlp data=cubic"
	$(BIN)/dltrain $(ARGS)

test: install ## run the tests: make test TESTS=tests/test_cli.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 $(TESTS)

faults: install ## kill, end and starve real runs, and compare the bits of what comes out: make faults DLTRAIN_FAULT_SEED=1
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m faults -s tests/faults

soak: install ## the same with 500 kills, and 64 jobs under 20, which takes an hour or so
	DLTRAIN_KILLS=500 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m faults -s tests/faults/test_kill.py
	DLTRAIN_SWEEP_JOBS=64 DLTRAIN_SWEEP_KILLS=20 OMP_NUM_THREADS=1 \
	  $(BIN)/python -m pytest -m faults -s tests/faults/test_sweep_kill.py

bench: install ## compare speed with hand-written loops and scripts, alone on the machine; writes outputs/bench.txt
	@mkdir -p outputs && rm -f outputs/bench.txt
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/loop.py | tee -a outputs/bench.txt
	$(BIN)/python benchmarks/processes.py | tee -a outputs/bench.txt
	$(BIN)/python benchmarks/threads.py | tee -a outputs/bench.txt
	$(BIN)/python benchmarks/compile.py | tee -a outputs/bench.txt
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/images_loading.py | tee -a outputs/bench.txt

growth: install ## how time and memory grow with the data: make growth GROWTH="--only rows --full"
	$(BIN)/python benchmarks/growth.py $(GROWTH)

peers: install ## the same workloads in Lightning, Keras and skorch, which it installs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/peers.py

lint: install ## check style and types
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy

format: install ## bring the code into shape
	$(BIN)/ruff check --fix src tests
	$(BIN)/ruff format src tests

wheel: install ## build the wheel into dist/
	$(BIN)/python -m build --wheel --outdir dist

clean: ## remove what was built, but not outputs/ or data/
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

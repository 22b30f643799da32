# The two commands that matter: `make demo` shows what ELVA does, `make test` checks that it works.
# Everything runs in .venv, which the first call makes; PYTHON=... chooses another interpreter.

PYTHON ?= $(shell python3.11 -c "" 2>/dev/null && echo python3.11 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Tiny models run fastest on one thread; more threads only wait for each other.
export OMP_NUM_THREADS ?= 1
# How many processes run tests; tests of one file stay together, since they share what they train.
WORKERS ?= 2
# Nothing here downloads models or data.
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test check test-long test-ray test-gpu bench docs

demo: $(STAMP)
	$(BIN)/elva demo --out demo

test: check
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-long: $(STAMP)
	$(BIN)/python -m pytest -q -m long
	$(BIN)/python -m pytest -q --hypothesis-profile=explore $$(grep -rl "hypothesis import" tests --include="test_*.py")

# Ray takes 617 MB, so it is no development tool: without it test-long leaves these out, and says so.
test-ray: $(STAMP)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[ray]"
	$(BIN)/python -m pytest -q -m long tests/evaluation/test_cluster.py

test-gpu: $(STAMP)
	$(BIN)/python -m pytest -q -m gpu

# Half an hour; data of M-BEIR's whole size takes longer: docs/results.md.
bench: $(STAMP)
	$(BIN)/python benchmarks/data_at_size.py --share 0.1 --out benchmarks/results/data_at_size_tenth.json
	$(BIN)/python benchmarks/mining_at_size.py
	$(BIN)/python benchmarks/ranking_at_size.py
	$(BIN)/python benchmarks/contrast_memory.py
	$(BIN)/python benchmarks/encode.py
	$(BIN)/python benchmarks/averaging.py
	$(BIN)/python benchmarks/rerank.py
	$(BIN)/python benchmarks/search.py --sizes 10000 --seconds 5
	$(BIN)/python benchmarks/codes.py
	$(BIN)/python benchmarks/two_speed.py
	$(BIN)/python benchmarks/contrastive.py
	$(BIN)/python benchmarks/stage3.py

# The commands and settings, from the code; a test compares.
docs: $(STAMP)
	$(BIN)/python -m elva.cli.reference > docs/cli.md

# Installs again only when the dependencies changed.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

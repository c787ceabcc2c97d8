# `make` prints this help. Every command sets up what it needs.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

help:  ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## make the virtual environment from the hash-locked requirements

train: $(READY)  ## train a GAN on real handwritten digits: about 3 minutes on two CPU cores
	$(BIN)/python train.py

smoke: RUN := outputs/smoke-$(shell date +%Y-%m-%d-%H-%M-%S)
smoke: $(READY)  ## go once through every part of a run, resuming included, in seconds
	$(BIN)/python train.py experiment=smoke hydra.run.dir=$(RUN)
	$(BIN)/python train.py resume=$(RUN) trainer.max_images=128
	$(BIN)/python sample.py run=$(RUN)
	$(BIN)/python evaluate.py run=$(RUN) protocol=quick features=thumbnail

test: $(READY)  ## the fast tests
	$(BIN)/pytest -n 2 --dist loadfile

test-slow: $(READY)  ## the tests that take minutes: learning, several processes, sweeps
	$(BIN)/pytest -n 2 --dist loadfile -m slow

lint: $(READY)  ## format, lint and type checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

audit: $(READY)  ## look for known vulnerabilities of the locked requirements; says so without a network
	$(BIN)/python requirements/audit.py

format: $(READY)  ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## measure speed, its growth, the data path, the observers and the metrics, in an hour; see benchmarks/
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.data
	$(BIN)/python -m benchmarks.observers
	$(BIN)/python -m benchmarks.sensitivity

board: $(READY)  ## TensorBoard on all runs
	$(BIN)/tensorboard --logdir outputs --samples_per_plugin images=100

demo: $(READY)  ## a page to explore a run: make demo RUN=outputs/...
	$(BIN)/python demo.py run=$(RUN)

docs: $(READY)  ## build the documentation: outputs/site/index.html
	$(BIN)/mkdocs build --quiet

lock: $(READY)  ## resolve the requirements anew
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --quiet \
		--exclude-newer "7 days" \
		--python-version 3.11 --extra dev --no-header -o requirements/lock.txt pyproject.toml
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --quiet \
		--python-version 3.11 --no-header -o requirements/uv.txt requirements/uv.in

clean:  ## remove the environment and the caches; runs stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

$(READY): pyproject.toml requirements/lock.txt requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'darkroom needs Python 3.11 or newer. Type make PYTHON=<path of one>.'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes \
		requirements/lock.txt requirements/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: help setup train smoke test test-slow lint audit format bench board demo docs lock clean

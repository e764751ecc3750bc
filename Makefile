# Works with GNU make from 3.81 and any POSIX shell. PYTHON=python3.x chooses another Python for .venv.
SHELL := /bin/sh
VENV := .venv
PEERS := .venv-peers
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt
TORCH_INDEX := https://download.pytorch.org/whl/cpu
KERNEL := src/system2/policies/local
# The question reaches the shell through the environment, so that no sign in it means anything to make or sh.
override Q := $(value Q)
export Q
export PYTHON

.NOTPARALLEL:
.PHONY: help ask question test test-slow golden check bench bench-search bench-server clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | while IFS='	' read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

ask: question $(VENV)/.kernel ## answer a question: make ask Q="What is 17 × 23?" (ARGS="--effort high" for options)
	@exec $(BIN)/python -m system2 ask $(ARGS) -- "$$Q"

test: $(VENV)/.dev $(VENV)/.kernel ## install what the tests need and run them
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile $(ARGS)

test-slow: $(VENV)/.dev $(VENV)/.kernel ## run the tests that take minutes
	@$(BIN)/python -m pytest -q -m slow $(ARGS)

golden: $(VENV)/.dev ## write the kept runs of tests/golden anew, after a wanted change
	@PYTHONPATH=tests $(BIN)/python tests/golden/cases.py
	@git diff --stat -- tests/golden

check: $(VENV)/.dev ## lint, format and types: ruff and pyright
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m pyright

bench: $(VENV)/.dev $(VENV)/.kernel ## measure speed and print ratios (minutes)
	@for one in benchmarks/*.py; do echo "$$one"; $(BIN)/python "$$one" || exit 1; done

bench-search: $(VENV)/.dev $(PEERS)/.made ## measure strategies, stop rules, accounting and faults, with peers beside them
	@for one in search routing countdown parallel stopping game24 usage faults kills chinese peers; do \
		echo "benchmarks/$$one.py"; $(BIN)/python "benchmarks/$$one.py" || exit 1; done

bench-server: $(VENV)/.dev $(VENV)/.kernel ## measure the server; OPENRESPONSES=dir OPENAPI=file run outside suites
	@for one in benchmarks/serving.py benchmarks/serving_*.py benchmarks/conformance.py; do \
		echo "$$one"; $(BIN)/python "$$one" || exit 1; done

clean: ## remove caches and builds; .venv and runs stay
	@rm -rf build dist .pytest_cache .ruff_cache .hypothesis .coverage
	@find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

question:
	@[ -n "$$Q" ] || { echo 'Give a question: make ask Q="What is 17 × 23?"' >&2; exit 2; }

# Stamps: pip runs again only when the packages asked for have changed.
$(BIN)/python:
	@sh .ci/venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(BIN)/python
	@sh .ci/progress $(VENV)/base.log "installing system2 (once, about a minute)" $(PIP) -e .
	@touch $@

$(VENV)/.kernel: $(VENV)/.base $(wildcard $(KERNEL)/*.py)
	@sh .ci/progress $(VENV)/kernel.log "compiling the decoder (once, about 15 seconds)" \
		$(BIN)/python -m system2.policies.local.kernel
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@sh .ci/progress $(VENV)/torch.log "installing PyTorch for the CPU (once)" $(PIP) torch==2.13.0 || \
	sh .ci/progress $(VENV)/torch.log "installing PyTorch from $(TORCH_INDEX)" \
		$(PIP) --extra-index-url $(TORCH_INDEX) torch==2.13.0
	@sh .ci/progress $(VENV)/dev.log "installing system2 and what its tests need (once)" \
		$(PIP) -e '.[dev,train,eval]'
	@touch $(VENV)/.base $@

# Peers are no dependency: they have an environment of their own.
$(PEERS)/.made:
	@sh .ci/venv $(PEERS)
	@sh .ci/progress $(PEERS)/pip.log "installing peers to measure against (once)" \
		$(PEERS)/bin/python -m pip install --disable-pip-version-check --progress-bar off \
		treequest==0.3.3 'its_hub[lm]==1.2.0'
	@touch $@

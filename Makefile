# Two commands do everything: `make demo` and `make test`. Both need Python >= 3.11 and make.
# Each target is also one plain command, given next to it, for users without make.

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python -u -m actlumos
STAMP  := $(VENV)/.installed

# Optional: the address of PyTorch's own wheel index for CPU-only builds (its install page
# names it). The default Linux wheel carries CUDA: it works without a GPU, but is several GB.
#   make venv TORCH_INDEX=<address>
TORCH_INDEX ?=

# Waiting threads give their cores away soon: beside other busy programs training is much faster.
export GOMP_SPINCOUNT ?= 1000

.DEFAULT_GOAL := help
.PHONY: help venv demo baselines smoke site test bench lab lock clean

# The notebooks of the method itself; 09 compares it with every other system (make baselines),
# 11 measures speed (make smoke runs both).
METHOD := 00,01,02,03,04,05,06,07,08

help:  ## list the targets (plain command: make help)
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP)  ## install the pinned set into .venv (python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e ".[fast,site,test,workflow]")

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; $(PYTHON) is " + sys.version.split()[0] + ". Name another with: make venv PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module; on Debian and Ubuntu install the package python3-venv"; exit 1; }
	@echo "Installing the pinned packages into $(VENV) (once; a few minutes and several GB on Linux)"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --no-input $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt -e ".[fast,site,test,workflow]"
	@touch $(STAMP)

demo: venv  ## the method: train its models, make its figures, about 10 minutes on two cores (.venv/bin/python -m actlumos reproduce --profile demo --only 00,01,02,03,04,05,06,07,08)
	$(RUN) reproduce --profile demo --only $(METHOD)

baselines: venv  ## train all 22 systems and compare them, about 45 minutes on two cores (.venv/bin/python -m actlumos baselines train --profile demo)
	$(RUN) baselines train --profile demo
	$(RUN) reproduce --profile demo --only 09

smoke: venv  ## the same path with tiny models, a few minutes (.venv/bin/python -m actlumos reproduce --profile smoke)
	$(RUN) reproduce --profile smoke

site: venv  ## pages to read in build/site, from the notebooks that make demo has executed (.venv/bin/python docs/site/build_site.py)
	$(VENV)/bin/python docs/site/build_site.py

test: venv  ## linters, import contracts, types and the whole test suite (.venv/bin/ruff check . && .venv/bin/lint-imports && .venv/bin/mypy && .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: venv  ## the speed table, ours and others in turns, some minutes (.venv/bin/python benchmarks/bench.py)
	$(VENV)/bin/python benchmarks/bench.py

lab: venv  ## open the notebooks in JupyterLab (.venv/bin/jupyter lab notebooks)
	$(VENV)/bin/jupyter lab notebooks

lock:  ## write constraints.txt again after changing pyproject.toml (.venv/bin/pip install -U -e ".[fast,site,test,workflow]" && .venv/bin/pip freeze)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --upgrade --upgrade-strategy eager -e ".[fast,site,test,workflow]"
	sed -n '/^#/p' constraints.txt > constraints.tmp
	$(VENV)/bin/python -m pip freeze --all --exclude pip --exclude-editable >> constraints.tmp
	mv constraints.tmp constraints.txt
	touch $(STAMP)

clean:  ## delete caches of Python and the tools; data, runs and figures stay (rm -rf .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis)
	rm -rf .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis build
	find actlumos tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

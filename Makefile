# One word per act. Everything is installed into .venv by these targets; nothing else is needed
# beyond Python >= 3.11 with venv, make, and access to the package registries.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: install demo erp test static unit lab long chaos bench golden lock clean

install: $(STAMP)

NATIVE := native/pyproject.toml native/omnihub_native/avro.pyx

# The codec in machine code comes last: without a C compiler the hub runs the same in Python.
$(STAMP): requirements.lock bootstrap.lock pyproject.toml connectors/pyproject.toml $(NATIVE)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r bootstrap.lock
	UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . -e connectors
	UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation ./native
	touch $(STAMP)

# The real ERP of the demo and the lab, with its database; an old one stays as it is.
erp: install
	$(BIN)/python -m omnihub_connectors.tryton.server install

# DEMO_ARGS="--seed 8 --week 20"; KEEP=1 leaves everything running.
demo: install erp
	$(BIN)/python -m omnihub_demo $(if $(KEEP),--keep) $(DEMO_ARGS)

# Tryton's installation takes a core for a minute, the static checks another one.
test: install
	$(MAKE) --jobs=2 --output-sync=target static erp
	$(MAKE) unit
	$(MAKE) lab
	$(BIN)/python tools/real_systems.py

static: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/omnihub schemas check

unit: install
	rm -f build/real-systems.txt
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not lab and not tryton" --durations=5

lab: install erp
	$(BIN)/python -m pytest -q -n 3 --dist loadfile -m "(lab or tryton) and not long" --durations=15

# CHAOS_ARGS="-k zombie" picks scenarios; OMNIHUB_CHAOS_SEED deals other faults.
chaos: install
	$(BIN)/python -m pytest tests/chaos -m chaos -n 2 --dist loadgroup -q --no-header -o console_output_style=classic \
		--chaos-report build/chaos.json $(CHAOS_ARGS)

bench: install
	$(BIN)/python -m bench $(BENCH_ARGS)

# On purpose only: what every rule makes of its recorded inbox, written anew (docs/replay.md).
golden: install
	$(BIN)/python tools/golden.py record

# What takes minutes or measures times: too much for every change, not for a release.
long: install
	$(BIN)/python -m pytest -q -n 0 tests/lab -m long --durations=5

lock:
	$(BIN)/uv lock --quiet
	$(BIN)/uv export --quiet --all-groups --no-emit-project -o requirements.lock

clean:
	rm -rf $(VENV) build .omnihub

# make demo   train real models into a folder, read them back, compact, read the raw tables
# make test   every test
# make check  style, types and layers
# make bench  lakeflow beside MLflow, in one run
# make names  docs/reference/names.md anew, of what both packages have

# A distribution builds its Python with profiles of programs at work, which makes it up to one and
# a half times as fast as one that was compiled without. It needs the half that Debian splits off.
ifndef PYTHON
PYTHON := $(shell /usr/bin/python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && echo /usr/bin/python3 || echo python3)
endif
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# Hundreds of tests start a Python of their own, which would compile everything once more.
unexport PYTHONDONTWRITEBYTECODE

# uv keeps one copy of a package, which all environments that have it link to; pip would fetch,
# unpack and compile it for each of them.
UV := .venv-uv/bin/uv
export UV_HTTP_TIMEOUT ?= 180
# Its own list of authorities does not have that of a firewall; the machine's has, if it has one.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS ?= 1
endif
make_venv = $(UV) venv --quiet --clear --python $(PYTHON)
install = $(UV) pip install --quiet --python

# Folds wait for the disk hundreds of times, and thousands of tests fold. Where the machine has
# memory to spare their folders are in it; what a power cut does is tried on a disk of its own.
in_memory = $(shell test "$$(df --output=avail /dev/shm 2>/dev/null | tail -1)" -ge 8000000 \
	-a "$$(awk '/MemAvailable/ {print $$2}' /proc/meminfo)" -ge 12000000 2>/dev/null && echo /dev/shm)
test: export PYTEST_DEBUG_TEMPROOT ?= $(in_memory)

# A third of a test's time it waits: for a disk, a server or a process that it has started.
workers = $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 3 / 2)))

# What stands on MLflow runs in an environment that has one.
inside_mlflow = $(1)/bin/python -m pytest -c tests/inside_mlflow/pytest.ini -n $(workers) \
	--dist worksteal tests/inside_mlflow

.PHONY: demo test check bench names environments clean

demo: .venv-demo/ready
	.venv-demo/bin/python examples/digits_sweep.py

# Workers begin with a half of the tests each, so that few servers are started twice.
test: environments
	.venv/bin/python -m pytest -n $(workers) --dist worksteal
	$(call inside_mlflow,.venv-mlflow3)
	$(call inside_mlflow,.venv-mlflow)

environments: .venv/ready .venv-mlflow/ready .venv-mlflow3/ready .venv-engines/ready \
	.venv-trackers/ready .servers/ready

check: .venv/ready
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: .venv/ready
	.venv/bin/python benchmarks/tracking.py

names: .venv/ready .venv-mlflow/ready
	LAKEFLOW_TEST_WRITE_NAMES=1 .venv/bin/python -m pytest -q tests/differential/test_names.py

# Debian splits venv off Python, and apt-get refuses to run twice at once; everywhere else the
# first command is enough.
$(UV):
	$(PYTHON) -m venv .venv-uv || { rm -rf .venv-uv; flock Makefile sh -c \
		"apt-get update -qq && apt-get install -y -qq python3-venv"; $(PYTHON) -m venv .venv-uv; }
	.venv-uv/bin/python -m pip install --quiet "uv>=0.9"

.venv/ready: pyproject.toml | $(UV)
	$(make_venv) .venv
	$(install) .venv --editable . --group test --group lint
	touch $@

.venv-demo/ready: pyproject.toml | $(UV)
	$(make_venv) .venv-demo
	$(install) .venv-demo --editable ".[polars]" "scikit-learn>=1.5"
	touch $@

.venv-mlflow/ready: tests/differential/requirements.txt pyproject.toml | $(UV)
	$(make_venv) .venv-mlflow
	$(install) .venv-mlflow --editable ".[mlflow,s3]" --requirement tests/differential/requirements.txt
	touch $@

.venv-mlflow3/ready: tests/inside_mlflow/requirements.txt pyproject.toml | $(UV)
	$(make_venv) .venv-mlflow3
	$(install) .venv-mlflow3 --editable ".[mlflow,s3]" --requirement tests/inside_mlflow/requirements.txt
	touch $@

.venv-engines/ready: tests/other_engines/requirements.txt | $(UV)
	$(make_venv) .venv-engines
	$(install) .venv-engines --requirement tests/other_engines/requirements.txt
	touch $@

.venv-trackers/ready: tests/importing/requirements.txt | $(UV)
	$(make_venv) .venv-trackers
	$(install) .venv-trackers --requirement tests/importing/requirements.txt
	touch $@

.servers/ready: .venv/ready
	cd tests && ../.venv/bin/python -m servers.fetch
	mkdir -p $(@D) && touch $@

clean:
	rm -rf .venv .venv-* demo-lake

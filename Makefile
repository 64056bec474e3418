# make demo   train real models into a folder, read them back, compact, read the raw tables
# make test   every test
# make check  style, types and layers
# make bench  lakeflow beside MLflow, in one run
# make names  docs/reference/names.md anew, of what both packages have

PYTHON ?= python3
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# Hundreds of tests start a Python of their own, which would compile everything once more.
unexport PYTHONDONTWRITEBYTECODE

# Debian splits venv off Python, and apt-get refuses to run twice at once; everywhere else the
# first command is enough.
define make_venv
	$(PYTHON) -m venv $(1) || { rm -rf $(1); flock Makefile sh -c \
		"apt-get update -qq && apt-get install -y -qq python3-venv"; $(PYTHON) -m venv $(1); }
	$(1)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
endef

# What stands on MLflow runs in an environment that has one.
inside_mlflow = $(1)/bin/python -m pytest -c tests/inside_mlflow/pytest.ini -n auto \
	--dist worksteal tests/inside_mlflow

.PHONY: demo test check bench names environments clean

demo: .venv-demo/ready
	.venv-demo/bin/python examples/digits_sweep.py

# Workers begin with a half of the tests each, so that few servers are started twice.
test: environments
	.venv/bin/python -m pytest -n auto --dist worksteal
	$(call inside_mlflow,.venv-mlflow3)
	$(call inside_mlflow,.venv-mlflow)

environments: .venv/ready .venv-mlflow/ready .venv-mlflow3/ready .venv-engines/ready \
	.venv-trackers/ready

check: .venv/ready
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: .venv/ready
	.venv/bin/python benchmarks/tracking.py

names: .venv/ready .venv-mlflow/ready
	LAKEFLOW_TEST_WRITE_NAMES=1 .venv/bin/python -m pytest -q tests/differential/test_names.py

.venv/ready: pyproject.toml
	$(call make_venv,.venv)
	.venv/bin/python -m pip install --quiet --editable . --group test --group lint
	touch $@

.venv-demo/ready: pyproject.toml
	$(call make_venv,.venv-demo)
	.venv-demo/bin/python -m pip install --quiet --editable ".[polars]" "scikit-learn>=1.5"
	touch $@

.venv-mlflow/ready: tests/differential/requirements.txt pyproject.toml
	$(call make_venv,.venv-mlflow)
	.venv-mlflow/bin/python -m pip install --quiet --editable ".[mlflow,s3]" \
		--requirement tests/differential/requirements.txt
	touch $@

.venv-mlflow3/ready: tests/inside_mlflow/requirements.txt pyproject.toml
	$(call make_venv,.venv-mlflow3)
	.venv-mlflow3/bin/python -m pip install --quiet --editable ".[mlflow,s3]" \
		--requirement tests/inside_mlflow/requirements.txt
	touch $@

.venv-engines/ready: tests/other_engines/requirements.txt
	$(call make_venv,.venv-engines)
	.venv-engines/bin/python -m pip install --quiet --requirement tests/other_engines/requirements.txt
	touch $@

.venv-trackers/ready: tests/importing/requirements.txt
	$(call make_venv,.venv-trackers)
	.venv-trackers/bin/python -m pip install --quiet --requirement tests/importing/requirements.txt
	touch $@

clean:
	rm -rf .venv .venv-demo .venv-mlflow .venv-mlflow3 .venv-engines .venv-trackers demo-lake

# make setup | hooks | demo | test | coverage | check | bench | chaos | docs | docs-site | clean
#
# Every target makes .venv itself when it is missing. EVENTS, CLIENT, SPARK=1 (the Spark job runs too;
# needs a full Java 17), KEEP=1 (it goes on, with the operator's page, until Ctrl-C) and MONITORING=1
# (Prometheus, Alertmanager and OpenSearch too; says what to install) are for `make demo`, CHAOS_EVENTS,
# MINUTES and SEED for `make chaos`.
EVENTS ?= 20000
CLIENT ?= confluent
CHAOS_EVENTS ?= 100000
MINUTES ?= 5
SEED ?= 7
VENV := .venv
BIN := $(VENV)/bin
# The extra `spark` is 450 MB: for `make demo SPARK=1`, and for tests where a full Java would run it.
SPARK ?=
FULL_JAVA := $(shell java --list-modules 2>/dev/null | grep -c jdk.incubator.vector)
EXTRAS := lab $(if $(SPARK)$(filter-out 0,$(if $(filter test chaos bench,$(MAKECMDGOALS)),$(FULL_JAVA))),spark)
# The generator of the site is 90 MB: for `make docs` and `make docs-site` alone. What drives a browser
# in the tests is 160 MB: for `make test`.
GROUP := $(if $(filter docs docs-site,$(MAKECMDGOALS)),docs) $(if $(filter test coverage,$(MAKECMDGOALS)),browser)
STAMP := $(VENV)/.synced-$(subst $() ,-,$(strip $(EXTRAS) $(GROUP)))
SYNC := sync --frozen --quiet --inexact $(addprefix --extra ,$(EXTRAS)) $(addprefix --group ,$(GROUP))
# What `make coverage` leaves out, as `omit` in pyproject.toml does: it takes a full Java, or many minutes.
UNMEASURED := tests/lab/chaos tests/lab/demo tests/spark

.PHONY: setup hooks demo test coverage check bench chaos docs docs-site clean

setup: $(STAMP)

# uv of the machine if there is one, else uv from the package index, into .venv itself.
$(STAMP): pyproject.toml uv.lock
	@command -v python3 >/dev/null || { echo "python3 is missing: apt-get install python3 python3-venv" >&2; exit 1; }
	@set -e; if command -v uv >/dev/null; then uv $(SYNC); else \
	  test -x $(BIN)/python || python3 -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }; \
	  $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
	  test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"; \
	  $(BIN)/uv $(SYNC); fi
	@touch $(STAMP)

# Before each commit: lint, format, hygiene; before each push: `make check`.
hooks: setup
	$(BIN)/pre-commit install

demo: setup
	$(BIN)/pixstream demo --events $(EVENTS) --client $(CLIENT) $(if $(SPARK),--spark) $(if $(KEEP),--keep) \
	  $(if $(MONITORING),--monitoring)

# A worker more than there are processors, as far as memory goes: many tests wait for timeouts of Kafka.
# Each has a broker of its own; tests/conftest.py says which tests stay together on one of them.
test: setup
	$(BIN)/python -m pytest -q -n auto --dist loadgroup --no-loadscope-reorder -m "not campaign"

# Fails below the floor in pyproject.toml.
coverage: setup
	$(BIN)/python -m pytest -q -n 3 --dist worksteal -m "not campaign" --cov --cov-report=term \
	  $(addprefix --ignore=,$(UNMEASURED))

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/ci.yml

bench: setup
	$(BIN)/python benchmarks/bench_decode_delta.py
	$(BIN)/python benchmarks/bench_spark.py

# Everything is broken on purpose; see docs/chaos.md. The specified length: CHAOS_EVENTS=1000000 MINUTES=30.
chaos: setup
	$(BIN)/pixstream chaos --events $(CHAOS_EVENTS) --minutes $(MINUTES) --seed $(SEED)
	$(BIN)/python -m pytest -q -m campaign

# The pages that are made from the code, then the site in build/site.
docs: setup
	$(BIN)/python docs/generate.py
	$(MAKE) --no-print-directory docs-site

docs-site: setup
	$(BIN)/zensical build --clean --strict

clean:
	rm -rf $(VENV) data dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .cache

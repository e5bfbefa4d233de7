# `make run` and `make test` are all a newcomer needs; each sets up .venv from requirements.lock once.
PYTHON ?= python3.11
VENV := .venv
BIN := $(abspath $(VENV))/bin
READY := $(VENV)/.ready

# `kedro run` finds `dvc` and `git`, and the tests find `kedro`, on the environment's own path.
export PATH := $(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export PYTHONWARNINGS ?= ignore::DeprecationWarning,ignore::FutureWarning,ignore::UserWarning:mlflow.pyfunc.utils.data_validation

.PHONY: help setup run repro benchmark plan test bench results tasks moved costs airflow airflow-test lint format coverage clean

# base models that a benchmark trains at a time
JOBS ?= 1
# processes that tests are run by, each on one core
WORKERS ?= 2

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## create .venv from requirements.lock

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, or name yours: make PYTHON=python3 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(READY) ## the main job on the embedded data set; prints the report's path last
	@kedro run $(if $(PARAMS),--params $(PARAMS))

repro: $(READY) ## the runs of conf/base/benchmark.yml through DVC, stage by stage, only what is stale
	@dvc repro

benchmark: $(READY) ## the same, JOBS base models at a time; a failed run stops no other; then the leaderboard
	@prn benchmark --jobs $(JOBS)

plan: $(READY) ## which stages a benchmark would run, why, and what they will take
	@prn plan

test: $(READY) ## all tests, WORKERS files of them at a time
	@OMP_NUM_THREADS=1 python -m pytest -q -n $(WORKERS) --dist loadfile

coverage: $(READY) ## all tests, with the share of lines they run
	@python -m coverage erase
	@python -m coverage run -m pytest -q
	@python -m coverage combine -q
	@python -m coverage report

bench: $(READY) ## this machine's speed against plain versions, about ten minutes; BENCH="network --no-compile" for a part
	@python -m benchmarks $(BENCH)

results: $(READY) ## the benchmark of docs/results.md and its page, from PRN_DATA_ROOT; hours: JOBS=2 for two at a time
	@failed=0; for list in paper_protocol untuned six_data_sets; do \
	prn benchmark --jobs $(JOBS) --lists benchmarks/lists/$$list.yml || failed=1; done; \
	python -m benchmarks.results_page && exit $$failed

tasks: $(READY) ## several classes and few-shot, from PRN_DATA_ROOT, and their part of docs/results.md; hours
	@prn benchmark --jobs $(JOBS) --lists benchmarks/lists/classes.yml; failed=$$?; \
	prn benchmark --jobs $(JOBS) --lists benchmarks/lists/few_shot.yml; failed=$$((failed + $$?)); \
	python -m benchmarks.tasks_page && exit $$failed

moved: $(READY) ## base models in a world that has moved, refined and fine-tuned; about two hours, from PRN_DATA_ROOT
	@python -m benchmarks.domain_shift

costs: $(READY) ## parameters, GFLOP and milliseconds of every refiner; a minute, alone on the machine
	@python -m benchmarks.costs

airflow: .airflow/.ready ## create .airflow from deploy/airflow/requirements.lock: an environment of its own

airflow-test: $(READY) .airflow/.ready ## the DAG of deploy/airflow, run twice on a small copy of the project; minutes
	@python -m pytest -q deploy/airflow

.airflow/.ready: deploy/airflow/requirements.lock
	$(PYTHON) -m venv .airflow/venv
	.airflow/venv/bin/python -m pip install --quiet --disable-pip-version-check -r deploy/airflow/requirements.lock
	deploy/airflow/airflow db migrate
	@touch $@

lint: $(READY) ## format check, lint, import rules, types
	@ruff format --check .
	@ruff check .
	@lint-imports
	@mypy

format: $(READY) ## format and fix
	@ruff format .
	@ruff check --fix .

clean: ## remove caches (never data, models or metrics)
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* htmlcov build

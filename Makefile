# Every target sets up what it needs and says so. Start with `make demo` or `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# The host's architecture is what runs here; `make build ARCHITECTURE=arm64` packs for the other.
ARCHITECTURE ?= $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
BUILD := .aws-sam/$(ARCHITECTURE)
# A test of a whole run waits now and then, for a cold start or a listener: one more than two cores keeps both busy.
RUNS := 3
SAM := PATH="$(CURDIR)/$(BIN):$$PATH" SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-west-1 .venv-tools/bin/sam

.PHONY: help
help:  ## Say what there is.
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | column -t -s $$'\t'

# One environment from one lock file, with uv where it is installed and with venv and pip where it is not.
define environment
	if command -v uv >/dev/null; then \
	  [ -x $(1)/bin/python ] || uv venv --quiet --python 3.13 $(1); \
	  uv pip install --quiet --python $(1)/bin/python --require-hashes -r $(2); \
	else \
	  [ -x $(1)/bin/python ] || python3.13 -m venv $(1); \
	  $(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(2); \
	fi
endef

.venv/.ready: requirements/dev.lock pyproject.toml
	@echo "Setting up .venv with the pinned packages (about a minute, once) ..."
	@$(call environment,.venv,requirements/dev.lock)
	@if command -v uv >/dev/null; then \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@touch $@

# Tools that pin their own boto3 have an environment of their own.
.venv-tools/.ready: requirements/tools.lock
	@echo "Setting up .venv-tools with aws-sam-cli and the AWS CLI (about a minute, once) ..."
	@$(call environment,.venv-tools,requirements/tools.lock)
	@touch $@

.PHONY: setup
setup: .venv/.ready  ## Set up the development environment.

.PHONY: demo
demo: .venv/.ready  ## Onboard the example organization on the embedded cloud, twice.
	@$(BIN)/muster local demo

# One process holds one embedded cloud, so each part that has one is a run of its own.
.PHONY: test
test: .venv/.ready  ## Run every test but those of `make faults`, `make permissions` and `make e2e`.
	@echo "── tests/unit, with the branch coverage of the domain"
	@$(BIN)/python -m pytest -q -n 2 tests/unit --cov --cov-report=term:skip-covered --cov-fail-under=100
	@for part in contract statemachines architecture embedded_cloud; do \
	  echo "── tests/$$part"; \
	  $(BIN)/python -m pytest -q -n 2 tests/$$part; \
	done
	@echo "── tests/scenarios"
	@$(BIN)/python -m pytest -q -n $(RUNS) tests/scenarios

.PHONY: check
check: .venv/.ready .venv-tools/.ready  ## Lint, types, imports, templates, state machines.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(SAM) validate --lint --template template.yaml
	@$(BIN)/python -m tools.expand_template template.yaml .aws-sam/expanded.json
	@$(BIN)/cfn-lint --regions eu-west-1 -- .aws-sam/expanded.json stacks/*.yaml
	@$(BIN)/python -m tools.lint_state_machines statemachines/*.asl.yaml

# Nothing is built again while the files that it is made of stay as they are. sam's words are shown when it fails.
# Both architectures share sam's cache as they share its build.toml: with a cache each, sam took stale layers for valid.
.PHONY: build
build: $(BUILD)/.finished  ## Build what is deployed, for ARCHITECTURE (default: this machine's).
	@echo "$(BUILD) is built"

BUILT_FROM := template.yaml tools/finish_build.py tools/check_build.py \
  $(shell find functions layers statemachines -name __pycache__ -prune -o -print)
$(BUILD)/.finished: $(BUILT_FROM) .venv/.ready .venv-tools/.ready
	@echo "Building for $(ARCHITECTURE) ..."
	@mkdir -p .aws-sam
	@$(SAM) build --template template.yaml --build-dir $(BUILD) --cached --cache-dir .aws-sam/cache \
	  --parameter-overrides Architecture=$(ARCHITECTURE) >.aws-sam/build-$(ARCHITECTURE).log 2>&1 \
	  || { cat .aws-sam/build-$(ARCHITECTURE).log >&2; exit 1; }
	@$(BIN)/python -m tools.finish_build $(BUILD) $(ARCHITECTURE)
	@touch $@

.PHONY: e2e
e2e: build  ## Run one onboarding with the output of `make build`, and the AWS CLI; check the arm64 build too.
	@$(MAKE) build ARCHITECTURE=arm64
	@$(BIN)/python -m pytest -q -n $(RUNS) --dist loadfile tests/e2e

.PHONY: faults
faults: .venv/.ready  ## Let everything go wrong with every call of an onboarding, crash after every write, and print the table (ALONE=1: one run for every cell).
	@$(BIN)/python -m pytest -q -n $(RUNS) tests/faults

.PHONY: guards
guards: .venv/.ready  ## Take every guardrail and every answer to Unknown away in turn, and print which test fails without it.
	@$(BIN)/python -m tools.guards

.PHONY: benchmarks
benchmarks: .venv/.ready  ## Let 10,000 accounts live for two weeks on the fakes, and print what their readiness costs and when tampering is found (some ten minutes).
	@$(BIN)/python -m benchmarks.readiness

.PHONY: permissions
permissions: .venv/.ready  ## Prove role by role: no call without a permission, no permission without a call.
	@$(BIN)/python -m pytest -q tests/permissions

.PHONY: lock
lock:  ## Renew the lock files from pyproject.toml and the *.in files (needs uv).
	@uv pip compile pyproject.toml --group dev --python-version 3.13 --generate-hashes --no-emit-index-url --no-header -q -o requirements/dev.lock
	@uv pip compile requirements/tools.in --python-version 3.13 --generate-hashes --no-emit-index-url --no-header -q -o requirements/tools.lock
	@uv pip compile layers/dependencies/requirements.in --python-version 3.13 --generate-hashes --no-emit-index-url --no-header -q -o layers/dependencies/requirements.txt

.PHONY: clean
clean:  ## Remove environments, builds and caches.
	@rm -rf .venv .venv-tools .aws-sam .muster .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

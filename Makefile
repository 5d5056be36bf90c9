# Every target makes the environment that it needs, once, in $(VENV).
# Python 3.11 or newer with venv, and make, are all that must be there before.

PYTHON ?= python3
VENV ?= .venv
CORES ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
# More arguments for Snakemake: make multi30k ARGS="--config corpus='{mirrors: [/my/files]}'"
ARGS ?=

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SNAKEMAKE = $(BIN)/snakemake --workflow-profile workflow/profiles/local --cores $(CORES)

.PHONY: run multi30k iwslt14 ui test lint bench bench-peers schema lock

run: $(INSTALLED)
	$(SNAKEMAKE) $(ARGS)

multi30k iwslt14: $(INSTALLED)
	$(SNAKEMAKE) --configfile config/$@.yaml $(ARGS)

# On another port: make ui PORT=5001
PORT ?= 5000

ui: $(INSTALLED)
	@test -f results/mlflow.db || { echo "results/mlflow.db is not there yet: run the workflow first (make run)" >&2; exit 1; }
	@echo "Compare runs at http://127.0.0.1:$(PORT)/#/experiments/1/runs?workflowType=machine_learning"
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
	$(BIN)/mlflow server --host 127.0.0.1 --port $(PORT) --workers 1 \
		--backend-store-uri "sqlite:///$(CURDIR)/results/mlflow.db" --artifacts-destination results/mlartifacts

test: $(INSTALLED)
	$(BIN)/pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

# 7 minutes with AMX, longer without; alone on the machine. Peers take part once `make bench-peers`
# has installed them.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

PEERS := results/benchmarks/peers
PACKAGE_joeynmt := joeynmt==2.3.0
PACKAGE_opennmt := OpenNMT-py==3.5.1

bench-peers: $(PEERS)/joeynmt/.installed $(PEERS)/opennmt/.installed

$(PEERS)/%/.installed: benchmarks/peers/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --requirement $<
	$(@D)/bin/python -m pip install --quiet --no-deps $(PACKAGE_$*)
	@touch $@

# The editor's view of the configuration, from the typed one.
schema: $(INSTALLED)
	$(BIN)/python -c 'import yaml; from alpha_dimt.config import Experiment; \
		print("# Made by `make schema` from src/alpha_dimt/config.\n" \
		+ yaml.safe_dump(Experiment.model_json_schema(), sort_keys=False, allow_unicode=True), end="")' \
		> workflow/schemas/config.schema.yaml

# The newest versions that pyproject.toml allows. What torch pins for one platform is left to torch.
lock:
	set -e; scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	$(PYTHON) -m venv "$$scratch"; \
	"$$scratch/bin/python" -m pip install --quiet --editable '.[dev,slurm]' 'setuptools>=77'; \
	"$$scratch/bin/python" -m pip check; \
	{ echo "# Exact versions of everything, tools for development included; made by \`make lock\`."; \
	  "$$scratch/bin/python" -m pip freeze --all --exclude pip --exclude-editable \
	  | sed -e 's/+.*//' -e '/^nvidia-/d' -e '/^cuda-/d' -e '/^triton==/d'; } > "$$scratch/lock"; \
	cp "$$scratch/lock" requirements.lock

# Made anew whenever the pins change; an installation that was interrupted is started again.
$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name it: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "Installing into $(VENV); this takes some minutes, once."
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	@touch $@

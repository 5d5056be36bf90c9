# Every target makes the environment that it needs, once, in $(VENV).
# Python 3.11 or newer with venv, and make, are all that must be there before.

PYTHON ?= python3
VENV ?= .venv
CORES ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
# More arguments for Snakemake or pytest: make multi30k ARGS="--config corpus='{mirrors: [/my/files]}'"
ARGS ?=

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SNAKEMAKE = $(BIN)/snakemake --workflow-profile workflow/profiles/local --cores $(CORES)

.PHONY: run multi30k iwslt14 ui test test-slow lint bench bench-peers reference docs lock

run: $(INSTALLED)
	$(SNAKEMAKE) $(ARGS)

multi30k iwslt14: $(INSTALLED)
	$(SNAKEMAKE) --configfile config/$@.yaml $(ARGS)

define FREE
import socket, sys
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", int(sys.argv[1])))
    except (OSError, OverflowError, ValueError) as error:
        sys.exit(f"port {sys.argv[1]} cannot be used ({error}); name another: make ui PORT=5001")
endef
export FREE

# On another port: make ui PORT=5001
PORT ?= 5000

ui: $(INSTALLED)
	@test -f results/mlflow.db || { echo "results/mlflow.db is not there yet: run the workflow first (make run)" >&2; exit 1; }
	@$(BIN)/python -c "$$FREE" $(PORT)
	@echo "Compare runs at http://127.0.0.1:$(PORT)/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=scores"
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
	$(BIN)/mlflow server --host 127.0.0.1 --port $(PORT) --workers 1 \
		--backend-store-uri sqlite:///results/mlflow.db --artifacts-destination results/mlartifacts

# One process a core, of one thread each. By file where a file starts one server, browser or SLURM
# for all its tests. One file: make test ARGS=tests/unit/test_results.py
PYTEST = OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(CORES) --maxprocesses 8

test: $(INSTALLED)
	$(PYTEST) --dist worksteal -m "not slow" $(ARGS)

test-slow: $(INSTALLED)
	$(PYTEST) --dist loadfile -m slow $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

# Some minutes with AMX, an hour without; alone on the machine. Peers take part once `make bench-peers`
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

# The tables of config/README.md and the editor's view of the configuration, from the typed one.
reference: $(INSTALLED)
	PYTHONPATH=src $(BIN)/python -m alpha_dimt.config.reference config/README.md workflow/schemas/config.schema.yaml

# The documentation as a site, which needs no network.
docs: $(INSTALLED)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Open results/site/index.html in a browser."

# The newest versions that pyproject.toml allows. What torch pins for one platform is left to torch.
lock:
	set -e; scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	$(PYTHON) -m venv "$$scratch"; \
	"$$scratch/bin/python" -m pip install --quiet uv --editable '.[dev,docs,generic,huggingface,kubernetes,s3,slurm,workflow]' editables; \
	"$$scratch/bin/python" -m pip check; \
	"$$scratch/bin/python" -m pip freeze --all --exclude pip --exclude uv --exclude-editable \
	  | sed -e 's/+.*//' -e '/^nvidia-/d' -e '/^cuda-/d' -e '/^triton==/d' > "$$scratch/pins"; \
	{ sed '/^[^#]/d' requirements-torch.lock; grep '^torch==' "$$scratch/pins"; } > "$$scratch/torch"; \
	sed -i '/^torch==/d' "$$scratch/pins"; \
	"$$scratch/bin/uv" pip compile --quiet --no-deps --universal --generate-hashes --no-header --no-annotate \
	  "$$scratch/pins" --output-file "$$scratch/hashed"; \
	{ sed '/^[^#]/,$$d' requirements.lock; cat "$$scratch/hashed"; } > "$$scratch/lock"; \
	cp "$$scratch/lock" requirements.lock; \
	cp "$$scratch/torch" requirements-torch.lock

define SUITABLE
import os, sys
if sys.version_info < (3, 11):
    sys.exit("Python 3.11 or newer is needed; name it: make PYTHON=python3.11")
if "%" in os.path.abspath(sys.argv[1]):
    sys.exit("MLflow cannot work from a path with a per cent sign; name another: make VENV=/path/venv")
endef
export SUITABLE

# Scripts and settings of an environment name the folder that it is in.
define SETTLE
import pathlib, sys
new, name = pathlib.Path(sys.argv[1]), sys.argv[2]
for file in [new / "pyvenv.cfg", *(new / "bin").iterdir()]:
    content = b"\0" if file.is_symlink() or file.is_dir() else file.read_bytes()
    if b"\0" not in content:
        file.write_bytes(content.replace(new.name.encode(), name.encode()))
endef
export SETTLE

NEW := $(VENV).new
OLD := $(VENV).old

# Repeated whenever the pins change. The environment that is there works until the new one is ready,
# and stays if that fails; only between two renames, if make is killed, it is under its other name.
$(INSTALLED): requirements.lock requirements-torch.lock
	@$(PYTHON) -c "$$SUITABLE" $(VENV)
	@test -e $(VENV) || test ! -e $(OLD) || mv $(OLD) $(VENV)
	@echo "Installing into $(VENV); this takes some minutes, once."
	@trap 'rm -rf $(NEW)' EXIT; trap 'exit 130' INT TERM; \
	if $(PYTHON) -m venv --clear $(NEW) \
		&& $(NEW)/bin/python -m pip install --quiet --require-hashes --no-deps --requirement requirements.lock \
		&& $(NEW)/bin/python -m pip install --quiet --requirement requirements-torch.lock \
		&& $(NEW)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable . \
		&& $(NEW)/bin/python -m pip check \
		&& $(NEW)/bin/python -c 'import alpha_dimt, mlflow, snakemake, torch' \
		&& $(PYTHON) -c "$$SETTLE" $(NEW) $(notdir $(VENV)) \
		&& touch $(NEW)/$(notdir $(INSTALLED)); \
	then \
		rm -rf $(OLD); test ! -e $(VENV) || mv $(VENV) $(OLD); mv $(NEW) $(VENV); rm -rf $(OLD); \
	else \
		test ! -e $(VENV) || kept=" ($(VENV) is as it was; to work with it as it is: touch $(INSTALLED))"; \
		echo "requirements.lock could not be installed, for the reason above$$kept; connect to the" \
			"network, name a folder of wheels (PIP_FIND_LINKS=/wheels), or install the compiler that a package" \
			"without a wheel asks for, and give the same command again" >&2; \
		exit 1; \
	fi

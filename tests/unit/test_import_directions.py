"""The layers of the package, and which may import which."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "alpha_dimt"

# From the ground up: each layer may import those above it in this list.
LAYERS = (
    ("core",),  # errors, files, progress, rows of unequal length, vocabularies
    ("config",),  # every key; neither torch nor numpy
    ("objectives", "proposals", "kernels", "machine"),
    ("rewards",),
    ("prefix_rewards",),  # of each word
    ("models", "data"),
    ("runs",),  # paths and records of results
    ("results",),  # the same as frames, for tables and notebooks
    ("evaluation",),  # metrics and tests of differences
    ("inference",),  # search, decoding, translation
    ("training",),
    ("tables",),
    ("report", "tracking"),
    ("library",),  # the objectives for other people's training loops
    ("cluster_limits",),  # asked by the workflow
    ("cli",),
    ("__main__",),
)
LEAVES = {"objectives"}  # told everything that they need to know
# Libraries that only some may import.
LIBRARIES = {
    "mlflow": {"tracking"},
    "pandas": {"report", "results", "tables"},
    "torch": {"kernels", "machine", "library", "models", "objectives", "inference", "training"},
    "snakemake": set(),
    "transformers": {"core", "models"},
}


def imports_of(path: Path) -> set[str]:
    """Return the dotted names of the modules that a file imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.fixture(scope="module")
def imports(repository: Path) -> dict[str, set[str]]:
    """Imported names by the module or subpackage that imports them."""
    root = repository / "src" / PACKAGE
    found: dict[str, set[str]] = {}
    for path in root.rglob("*.py"):
        part = path.relative_to(root).parts[0].removesuffix(".py")
        if part != "__init__":
            found.setdefault(part, set()).update(imports_of(path))
    return found


def test_every_module_has_its_place(imports: dict[str, set[str]]):
    assert imports.keys() == {part for layer in LAYERS for part in layer}


def test_layers_import_those_before_them(imports: dict[str, set[str]]):
    before: set[str] = set()
    for layer in LAYERS:
        for part in layer:
            used = {name.split(".")[1] for name in imports[part] if name.startswith(f"{PACKAGE}.")}
            foreign = used - {part, "__version__"} - (set() if part in LEAVES else before)
            assert not foreign, f"{part} must not import {sorted(foreign)}"
        before |= set(layer)


def test_search_knows_no_model(repository: Path):
    search = repository / "src" / PACKAGE / "inference/search.py"
    used = {name for name in imports_of(search) if name.startswith(f"{PACKAGE}.")}
    assert {name.removeprefix(f"{PACKAGE}.").rpartition(".")[0] for name in used} == {
        "core.vocabulary",
        "kernels",
        "models.base",
    }


def test_the_definition_of_the_model_is_plain_and_short(repository: Path):
    model = repository / "src" / PACKAGE / "models/attention_rnn/model.py"
    assert not {name for name in imports_of(model) if "kernels" in name}
    assert len(model.read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries_stay_where_they_belong(imports: dict[str, set[str]], library: str):
    users = {part for part, names in imports.items() if library in {n.split(".")[0] for n in names}}

    assert users <= LIBRARIES[library]


HEAVY = {"torch", "mlflow", "pandas", "snakemake", "scipy.stats", "scipy.optimize"}
PLANNING = ("config", "cluster_limits", "runs.paths", "runs.stale")  # what common.smk imports


def heavy_loaded_by(module: str) -> set[str]:
    code = f"import sys, {PACKAGE}.{module}; print(*{HEAVY} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        *("cli", *PLANNING, "tables.compare", "tracking.upload"),
        *("data.draw_candidates", "data.prepare"),
    ],
)
def test_light_modules_load_nothing_heavy(module: str):
    assert heavy_loaded_by(module) == set()


@pytest.mark.parametrize(
    "module", ["results", "tables.table1", "tables.significance", "tables.training"]
)
def test_tables_load_pandas_alone(module: str):
    assert heavy_loaded_by(module) == {"pandas"}


def test_the_command_line_loads_in_no_time():
    code = (
        f"import sys, {PACKAGE}.cli, {PACKAGE}.config; "
        "print(*{'numpy', 'pyarrow', 'sacrebleu', 'requests'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert result.stdout.split() == []

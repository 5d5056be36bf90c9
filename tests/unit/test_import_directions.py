"""Who may import whom, as the layers of the package are meant."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "alpha_dimt"

# Anything may use these.
GROUND = {"errors", "files", "config", "vocab", "ragged"}
# What each module or subpackage may use besides itself and the ground.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "config": set(),
    "vocab": set(),
    "ragged": set(),
    "hardware": set(),
    "layout": set(),
    # Asked by the workflow, which knows the configuration and the records of results.
    "resources": set(),
    "stale": {"data", "layout"},
    # A file lock; it must be held before torch looks for devices.
    "devices": set(),
    "runtime": {"hardware"},
    # Shown by whatever takes long.
    "progress": set(),
    "kernels": set(),
    "objectives": set(),
    "search": set(),
    # Detokenises text before it scores it.
    "evaluation": {"data", "layout"},
    "proposals": set(),
    "rewards": {"proposals"},
    "data": {"progress", "proposals", "rewards"},
    "model": {"kernels", "search"},
    "decoding": {"data", "layout", "model", "progress", "runtime", "search"},
    "training": {
        *("data", "decoding", "evaluation", "layout", "model", "objectives", "progress"),
        *("proposals", "rewards", "runtime", "search"),
    },
    "table_formats": set(),
    "runs": {"evaluation", "layout"},
    # Table 1 shows intervals over seeds, and what is bold is decided by a test.
    "tables": {"evaluation", "layout", "runs", "table_formats"},
    "comparisons": {"evaluation", "layout", "runs", "table_formats", "tables"},
    "training_table": {"runs", "table_formats", "tables"},
    "compare": {"comparisons", "evaluation", "layout", "tables"},
    # Shows what the tables show; only reads, so needs no model.
    "report": {"data", "evaluation", "layout", "runs", "table_formats", "tables"},
    "examples": {"data", "decoding", "layout", "model", "report", "runtime"},
    "translate": {"data", "decoding", "layout", "runtime", "search"},
    # Must not need PyTorch: loads `runtime` by name, where PyTorch loads.
    "doctor": {"hardware"},
    # Tags say what Table 1 says; a model is logged with what translates, and loaded by it.
    "tracking": {"data", "evaluation", "layout", "runs", "translate"},
    "cli": {
        *("compare", "comparisons", "data", "decoding", "devices", "doctor", "evaluation"),
        *(
            "examples",
            "hardware",
            "progress",
            "report",
            "tables",
            "tracking",
            "training",
            "translate",
        ),
        "training_table",
    },
    "__main__": {"cli"},
}
# Libraries that only some may import.
LIBRARIES = {
    "mlflow": {"tracking"},
    "torch": {
        *("decoding", "kernels", "model", "objectives", "runtime", "search", "training"),
        "examples",
    },
    "snakemake": set(),
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
    assert imports.keys() <= ALLOWED.keys(), "say in ALLOWED what the new module may import"
    assert ALLOWED.keys() <= imports.keys(), "this module is gone"


def test_modules_import_what_they_may(imports: dict[str, set[str]]):
    for part, names in imports.items():
        used = {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")}
        used.discard("__version__")
        foreign = used - {part} - ALLOWED[part] - GROUND
        if part in ("objectives", "search"):
            # Leaves: told everything that they need to know.
            foreign |= used & {"config", "files"}
        assert not foreign, f"{part} must not import {sorted(foreign)}"


@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries_stay_where_they_belong(imports: dict[str, set[str]], library: str):
    users = {part for part, names in imports.items() if library in {n.split(".")[0] for n in names}}

    assert users <= LIBRARIES[library]


HEAVY = {"torch", "mlflow", "pandas", "snakemake", "scipy.stats", "scipy.optimize"}


@pytest.mark.parametrize(
    "module",
    [
        *("cli", "tables", "comparisons", "training_table", "tracking.upload"),
        *("data.augment", "data.prepare"),
    ],
)
def test_light_modules_load_nothing_heavy(module: str):
    code = f"import sys, {PACKAGE}.{module}; print(*{HEAVY} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


def test_the_command_line_loads_in_no_time():
    code = (
        f"import sys, {PACKAGE}.cli, {PACKAGE}.config; "
        "print(*{'numpy', 'pyarrow', 'sacrebleu', 'requests'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert result.stdout.split() == []

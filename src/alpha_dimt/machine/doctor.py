"""Check what this machine has and what is missing; works even if PyTorch does not."""

import importlib
import importlib.metadata
import importlib.util
import json
import locale
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alpha_dimt import __version__
from alpha_dimt.machine.finding import Finding
from alpha_dimt.machine.processor import cores, processor

GIB = 2**30

# What the package itself needs besides PyTorch: name to import, name to install.
REQUIRED = {
    **{name: name for name in ("altair", "click", "jinja2", "numpy", "pandas", "pooch", "psutil")},
    **{name: name for name in ("pyarrow", "pydantic", "regex", "requests", "sacrebleu")},
    **{"sacremoses": "sacremoses", "pygments": "pygments"},
    "safetensors": "safetensors",
    **{"scipy": "scipy", "subword_nmt": "subword-nmt", "tqdm": "tqdm", "yaml": "PyYAML"},
    **{"snakemake": "snakemake", "mlflow": "mlflow", "vl_convert": "vl-convert-python"},
}
INSTALL = "run pip install 'alpha-dimt[workflow]', or in a checkout `make run`"
# Free bytes below which to warn; toolkits take 2 to 3 GB for one training of the paper's sizes.
ENOUGH_MEMORY, ENOUGH_DISK = 4 * GIB, 5 * GIB
ENOUGH_SCRATCH = GIB // 4  # a model of the paper's size and its copy


def print_findings(*, as_json: bool) -> bool:
    """Print the findings; return whether everything necessary is present."""
    findings = list(examine())
    healthy = all(finding.state != "missing" for finding in findings)
    if as_json:
        document = {"healthy": healthy, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
        return healthy
    width = max(len(finding.name) for finding in findings)
    marks = {"ok": "ok", "optional": "-", "warning": "warning", "missing": "MISSING"}
    for finding in findings:
        print(f"{marks[finding.state]:>7}  {finding.name:<{width}}  {finding.detail}")
    print("Ready." if healthy else "Not ready: see MISSING above.")
    return healthy


def examine() -> Iterator[Finding]:
    """Run all checks, the most necessary first."""
    yield Finding("alpha-dimt", "ok", f"{__version__}, {Path(__file__).parents[1]}")
    yield Finding("Python", "ok", f"{platform.python_version()}, {sys.executable}")
    yield libraries()
    yield from pytorch()
    yield Finding("processor", "ok", f"{processor()}, {cores()} cores for this process")
    yield threads(os.environ)
    yield memory()
    yield disk(Path.cwd())
    yield cache(os.environ)
    yield scratch(os.environ)
    yield encoding()
    yield slurm()
    yield command("conda", "only for `snakemake --sdm conda`")
    yield command("make", "only for the targets of the Makefile")


def libraries() -> Finding:
    """Check that the required libraries are installed, without importing them."""
    absent = [name for module, name in REQUIRED.items() if not importlib.util.find_spec(module)]
    if absent:
        return Finding("libraries", "missing", f"{', '.join(absent)}: {INSTALL}")
    shown = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("snakemake", "mlflow", "sacrebleu")
    )
    return Finding("libraries", "ok", f"all {len(REQUIRED)}, of these {shown}")


def pytorch() -> Iterator[Finding]:
    """Check PyTorch, the precision that `auto` chooses, and the GPUs."""
    try:
        findings: Any = importlib.import_module("alpha_dimt.machine.gpu_findings")
    except Exception as error:  # a damaged installation fails in many ways
        yield Finding("PyTorch", "missing", f"it does not load ({_told(error)}): {INSTALL}")
        return
    try:
        yield from findings.examine_pytorch()
    except Exception as error:
        yield Finding("PyTorch", "missing", f"it does not work ({_told(error)}): {INSTALL}")


def _told(error: Exception) -> str:
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"


def threads(environment: Any) -> Finding:
    """Check that the environment does not request more threads than there are cores."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        value = environment.get(name)
        if value and value.isdigit() and int(value) > cores():
            return Finding(
                "threads",
                "warning",
                f"{name}={value}, but there are {cores()} cores, which makes training much "
                f"slower: unset {name}",
            )
    return Finding("threads", "ok", "set by each command; Snakemake's --cores limits their sum")


def memory() -> Finding:
    """Check total and free memory, and the container's limit if there is one."""
    values = {
        line.split(":")[0]: int(line.split()[1]) * 1024
        for line in _lines(Path("/proc/meminfo"))
        if line.endswith(" kB")
    }
    if "MemAvailable" not in values:
        return Finding("memory", "ok", "not known on this system")
    free, total = values["MemAvailable"], values["MemTotal"]
    detail = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
    limit = "".join(_lines(Path("/sys/fs/cgroup/memory.max")))
    if limit.isdigit() and int(limit) < total:
        free = min(free, int(limit))
        detail += f", limited to {int(limit) / GIB:.1f} GiB"
    if free < ENOUGH_MEMORY:
        return Finding(
            "memory", "warning", f"{detail}: the paper's sizes may not fit; run fewer at once"
        )
    return Finding("memory", "ok", detail)


def disk(folder: Path) -> Finding:
    """Check a folder's free space, and whether it is writable."""
    free = shutil.disk_usage(folder).free
    detail = f"{free / GIB:.1f} GiB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Finding("disk", "missing", f"{folder} cannot be written: work in another folder")
    if free < ENOUGH_DISK:
        return Finding("disk", "warning", f"{detail}: a large corpus may not fit")
    return Finding("disk", "ok", detail)


def cache(environment: Mapping[str, str]) -> Finding:
    """Check whether Snakemake can create its cache in the home folder."""
    try:
        home = Path("~").expanduser()
    except RuntimeError:  # the user has neither a name nor HOME
        home = Path("/nowhere")
    folder = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    place = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    try:
        tempfile.TemporaryDirectory(dir=place).cleanup()
    except OSError as error:
        return Finding(
            "cache",
            "warning",
            f"{folder} cannot be created ({error.strerror}): `make run` works without it; for "
            "other profiles than the local one, export XDG_CACHE_HOME=/a/folder",
        )
    return Finding("cache", "ok", str(folder))


def scratch(environment: Mapping[str, str]) -> Finding:
    """Check the free space for temporary files of Snakemake and of models."""
    try:
        folder = Path(environment.get("TMPDIR") or tempfile.gettempdir())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        reason = f"{error.filename or 'no folder can be written'}: {error.strerror}"
        return Finding("TMPDIR", "missing", f"{reason}: export TMPDIR=/a/folder")
    detail = f"{free / GIB:.1f} GiB free in {folder}"
    if free < ENOUGH_SCRATCH:
        return Finding("TMPDIR", "warning", f"{detail}: export TMPDIR=/a/folder with more space")
    return Finding("TMPDIR", "ok", detail)


def encoding() -> Finding:
    """Check that files, paths and output are encoded in UTF-8."""
    names = {
        "files": locale.getpreferredencoding(False),
        "paths": sys.getfilesystemencoding(),
        "output": sys.stdout.encoding,
    }
    other = [f"{what} in {name}" for what, name in names.items() if not _is_utf8(name)]
    if other:
        return Finding("locale", "warning", f"{', '.join(other)}, not UTF-8: set PYTHONUTF8=1")
    return Finding("locale", "ok", "UTF-8")


def _is_utf8(name: str | None) -> bool:
    return (name or "").lower().replace("-", "").replace("_", "") == "utf8"


def slurm() -> Finding:
    """Check whether jobs can be submitted to SLURM."""
    absent = [name for name in ("sbatch", "squeue", "sacct") if shutil.which(name) is None]
    if len(absent) == 3:
        return Finding("SLURM", "optional", "commands not found; only for a cluster")
    if not importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        absent.append("the package snakemake-executor-plugin-slurm")
    if absent:
        return Finding("SLURM", "warning", f"not found: {', '.join(absent)}")
    version = importlib.metadata.version("snakemake-executor-plugin-slurm")
    return Finding("SLURM", "ok", f"sbatch, squeue, sacct and the plugin {version}")


def command(name: str, purpose: str, which: Callable[[str], str | None] = shutil.which) -> Finding:
    """Check whether an optional command is installed."""
    path = which(name)
    if path is None:
        return Finding(name, "optional", f"not found; {purpose}")
    return Finding(name, "ok", path)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except OSError:
        return []

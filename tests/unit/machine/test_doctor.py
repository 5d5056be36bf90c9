import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from small_disk import SmallDisk

from alpha_dimt.machine import doctor
from alpha_dimt.machine.doctor import (
    Finding,
    cache,
    command,
    disk,
    examine,
    scratch,
    slurm,
    threads,
)
from alpha_dimt.machine.processor import cores


def alpha_dimt(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alpha_dimt", "doctor", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_this_machine_is_ready() -> None:
    findings = {finding.name: finding for finding in examine()}
    assert {"Python", "PyTorch", "precision", "CUDA", "memory", "disk", "locale"} <= set(findings)
    assert {"SLURM", "threads", "processor", "libraries"} <= set(findings)
    assert not [finding for finding in findings.values() if finding.state == "missing"]
    assert findings["precision"].detail.startswith(("auto is bfloat16", "auto is float32"))
    assert f"{cores()} cores" in findings["processor"].detail


def test_a_broken_pytorch_is_reported_and_not_needed(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    broken = "raise ImportError('libtorch_cpu.so: cannot open shared object file')"
    (tmp_path / "torch" / "__init__.py").write_text(broken)
    source = str(Path(doctor.__file__).parents[2])

    result = alpha_dimt(PYTHONPATH=f"{tmp_path}:{source}")

    assert result.returncode == 1
    [line] = [line for line in result.stdout.split("\n") if "MISSING  PyTorch" in line]
    assert "it does not load (ImportError: libtorch_cpu.so: cannot open" in line
    assert "pip install 'alpha-dimt[workflow]'" in line
    assert "memory" in result.stdout  # the later checks are still made
    assert result.stderr == ""
    document = json.loads(alpha_dimt("--json", PYTHONPATH=f"{tmp_path}:{source}").stdout)
    assert document["healthy"] is False


def test_a_pytorch_that_loads_and_fails_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise RuntimeError("CUDA driver error\nand more")

    monkeypatch.setattr("alpha_dimt.machine.gpu_findings.build", fail)
    [found] = doctor.pytorch()
    assert found.state == "missing"
    assert found.detail.startswith("it does not work (RuntimeError: CUDA driver error): run ")


def test_absent_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.REQUIRED, "no_such_module", "no-such-package")
    found = doctor.libraries()
    assert found.state == "missing"
    assert found.detail.startswith("no-such-package: run pip install 'alpha-dimt[workflow]'")


def test_threads_beyond_the_cores_are_a_warning() -> None:
    assert threads({"OMP_NUM_THREADS": str(cores())}).state == "ok"
    assert threads({}).state == "ok"
    found = threads({"OMP_NUM_THREADS": str(cores() + 1)})
    assert found.state == "warning"
    assert "unset OMP_NUM_THREADS" in found.detail


def test_a_full_disk_and_a_read_only_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert disk(tmp_path).name == "disk"
    usage = shutil.disk_usage(tmp_path)._replace(free=1)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    assert disk(tmp_path).state == "warning"
    monkeypatch.setattr("os.access", lambda folder, mode: False)
    assert disk(tmp_path).state == "missing"


def test_another_locale_is_a_warning() -> None:
    text = alpha_dimt(PYTHONIOENCODING="latin-1").stdout
    assert "output in iso8859-1, not UTF-8: set PYTHONUTF8=1" in text


def test_optional_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("conda", "for x", lambda name: None) == Finding(
        "conda", "optional", "not found; for x"
    )
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert slurm().state == "optional"
    monkeypatch.setattr("shutil.which", lambda name: None if name == "sacct" else f"/bin/{name}")
    assert slurm().state == "warning"
    assert "sacct" in slurm().detail


def test_little_memory_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {
        "/proc/meminfo": ["MemTotal:  33554432 kB", "MemAvailable:  16777216 kB"],
        "/sys/fs/cgroup/memory.max": ["max", ""],
    }
    monkeypatch.setattr(doctor, "_lines", lambda path: lines.get(str(path), []))
    assert doctor.memory() == Finding("memory", "ok", "16.0 of 32.0 GiB free")
    lines["/sys/fs/cgroup/memory.max"] = [str(2**30), ""]
    assert doctor.memory().state == "warning"
    assert "limited to 1.0 GiB" in doctor.memory().detail
    lines.clear()
    assert doctor.memory().detail == "not known on this system"


def test_a_home_that_cannot_be_written_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_disk: SmallDisk
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache({}) == Finding("cache", "ok", f"{tmp_path}/.cache")
    assert not (tmp_path / ".cache").exists()
    monkeypatch.setenv("HOME", "/proc/none")
    assert cache({"XDG_CACHE_HOME": str(tmp_path)}).state == "ok"
    assert cache({}).state == "warning"
    assert "export XDG_CACHE_HOME=/a/folder" in cache({}).detail
    small_disk.read_only()
    monkeypatch.setenv("HOME", str(small_disk.folder))
    assert "cannot be created (Read-only file system)" in cache({}).detail


def test_a_full_or_missing_folder_for_temporary_files(
    monkeypatch: pytest.MonkeyPatch, small_disk: SmallDisk
) -> None:
    assert scratch({}).name == "TMPDIR"
    assert scratch({"TMPDIR": str(small_disk.folder)}).state == "warning"
    found = scratch({"TMPDIR": "/no/such"})
    assert found.state == "missing"
    assert found.detail.startswith("/no/such: No such file or directory: export TMPDIR=")

    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert scratch({}).state == "missing"


def test_it_works_without_a_home() -> None:
    result = alpha_dimt(HOME="/proc/none")
    assert result.returncode == 0, result.stdout
    assert "warning  cache" in result.stdout
    assert result.stderr == ""

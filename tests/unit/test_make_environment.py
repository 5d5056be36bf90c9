"""`make` replaces an environment only by a complete one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Wheels of nothing, so that an installation takes seconds and no network.
BACKEND = """
import zipfile
from pathlib import Path

FILES = {
    "METADATA": "Metadata-Version: 2.1\\nName: alpha-dimt\\nVersion: 0.1.0",
    "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any",
    "entry_points.txt": "[console_scripts]\\nalpha-dimt = alpha_dimt:main",
    "RECORD": "",
}

def build_editable(wheels, config_settings=None, metadata_directory=None):
    name = "alpha_dimt-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheels, name), "w") as wheel:
        wheel.writestr("alpha_dimt.pth", str(Path("src").absolute()))
        for file, content in FILES.items():
            wheel.writestr(f"alpha_dimt-0.1.0.dist-info/{file}", content)
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "alpha-dimt"
version = "0.1.0"
"""
pytestmark = pytest.mark.slow

ODD = "a b?c#d&e'f ü"


@pytest.fixture
def project(repository: Path, tmp_path: Path) -> Path:
    """A project like this one, small enough to be installed by every test."""
    folder = tmp_path / ODD
    package = folder / "src/alpha_dimt"
    package.mkdir(parents=True)
    shutil.copy(repository / "Makefile", folder)
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (folder / "backend.py").write_text(BACKEND, encoding="utf-8")
    for lock in ("requirements.lock", "requirements-torch.lock"):
        (folder / lock).write_text("# nothing\n", encoding="utf-8")
    (package / "__init__.py").write_text(
        "import sys\ndef main(): print(sys.prefix)\n", encoding="utf-8"
    )
    for library in ("mlflow", "snakemake", "torch"):
        (folder / f"src/{library}.py").touch()
    return folder


def command() -> list[str]:
    return ["make", f"PYTHON={sys.executable}", ".venv/.installed"]


def environment() -> dict[str, str]:
    # Without the settings of the `make` and of the tests that this one runs in.
    others = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONPATH", "VENV"}
    inherited = {key: value for key, value in os.environ.items() if key not in others}
    return {**inherited, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def make(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(), cwd=project, env=environment(), capture_output=True, text=True, timeout=120
    )


def working(project: Path) -> Path:
    """Leave an environment that works, older than the pins."""
    old = project / ".venv"
    old.mkdir()
    (old / "works").touch()
    (old / ".installed").touch()
    os.utime(old / ".installed", (1, 1))
    return old


def environments(project: Path) -> list[str]:
    return sorted(path.name for path in project.glob(".venv*"))


def test_a_new_environment_takes_the_place_of_the_old_one(project: Path):
    old = working(project)

    result = make(project)

    assert result.returncode == 0, result.stderr
    assert environments(project) == [".venv"]
    assert not (old / "works").exists()
    # Its scripts, its settings and the shell's view of it are at home there.
    for script in ("bin/alpha-dimt", "bin/pip"):
        started = subprocess.run(
            [project / ".venv" / script, "-V"], env=environment(), capture_output=True, text=True
        )
        assert started.returncode == 0, started.stderr
        assert str(project / ".venv") in started.stdout
    shown = subprocess.run(
        ["bash", "-c", 'source .venv/bin/activate && echo "$VIRTUAL_ENV" && alpha-dimt'],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert shown.stdout.splitlines() == [str(project / ".venv")] * 2, shown.stderr
    assert ".venv.new" not in (project / ".venv/pyvenv.cfg").read_text(encoding="utf-8")
    assert "up to date" in make(project).stdout


LOCK_OF = {"no network": "requirements-torch.lock", "no checksum": "requirements.lock"}


@pytest.mark.parametrize("fault", [*LOCK_OF, "a library that does not load"])
def test_what_cannot_be_installed_leaves_the_old_one(project: Path, fault: str):
    old = working(project)
    if fault in LOCK_OF:
        (project / LOCK_OF[fault]).write_text("no-such-package==1\n", encoding="utf-8")
    else:
        (project / "src/torch.py").write_text("raise ImportError('libtorch.so')", encoding="utf-8")

    result = make(project)

    assert result.returncode != 0
    [sentence] = [line for line in result.stderr.splitlines() if "could not be installed" in line]
    assert ".venv is as it was" in sentence
    assert "touch .venv/.installed" in sentence
    assert "PIP_FIND_LINKS" in sentence
    assert environments(project) == [".venv"]
    assert (old / "works").exists()
    (old / ".installed").touch()  # as it says
    assert "up to date" in make(project).stdout


def test_the_first_installation_names_no_old_one(project: Path):
    (project / "requirements.lock").write_text("no-such-package==1\n", encoding="utf-8")

    result = make(project)

    assert result.returncode != 0
    assert "could not be installed" in result.stderr
    assert "as it was" not in result.stderr
    assert environments(project) == []


def test_a_path_that_mlflow_cannot_work_from_is_refused_first(project: Path):
    renamed = project.rename(project.with_name("100%"))

    result = make(renamed)

    assert result.returncode != 0
    assert "per cent sign; name another: make VENV=/path/venv" in result.stderr
    assert environments(renamed) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_installation_leaves_the_old_one(project: Path, number: signal.Signals):
    old = working(project)
    (project / "src/torch.py").write_text(
        "import pathlib, time; pathlib.Path('here').touch(); time.sleep(60)", encoding="utf-8"
    )
    process = subprocess.Popen(
        command(),
        cwd=project,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    try:
        while process.poll() is None and not (project / "here").exists():
            time.sleep(0.05)
        os.killpg(process.pid, number)
        assert process.wait(timeout=60) != 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)

    assert (old / "works").exists()
    (project / "src/torch.py").write_text("", encoding="utf-8")
    assert make(project).returncode == 0
    assert environments(project) == [".venv"]


def test_killed_between_the_two_renames(project: Path):
    working(project).rename(project / ".venv.old")
    (project / "requirements.lock").write_text("no-such-package==1\n", encoding="utf-8")

    result = make(project)

    assert result.returncode != 0
    assert environments(project) == [".venv"]
    assert (project / ".venv/works").exists()

"""The built wheel alone: the workflow comes with it, and the objectives need little."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SMALL = """
corpus: {kind: toy, train: 200, valid: 20, test: 20}
preparation: {vocabulary: {kind: words, min_frequency: 2}}
model: {embedding: 16, hidden: 16}
training: {batch_size: 16, max_epochs: 2, min_epochs: 0, threads: 1}
systems: {ml: {objective: ml}, alpha0.5: {objective: alpha, alpha: 0.5}}
"""
BARE = {"numpy", "pydantic", "torch", "yaml"}
"""What the wheel without extras asks for, by the names of modules."""


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    [found] = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel; the libraries are those of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    own = next(folder.glob("lib/python*/site-packages"))
    # A folder that a .pth file names is not searched for .pth files: not the checkout's either.
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, wheel], check=True)
    return folder / "bin"


def call(
    program: Path, *arguments: str, folder: Path, text: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=environment,
        input=text,
        encoding="utf-8",
        capture_output=True,
        timeout=900,
    )


def test_new_and_run_give_table_and_report(installed: Path, tmp_path: Path):
    program = installed / "alpha-dimt"
    assert call(program, "new", "x", folder=tmp_path).returncode == 0
    here = tmp_path / "x"
    planned = call(program, "run", "--dry-run", folder=here)
    assert planned.returncode == 0, planned.stderr
    # The same in small.
    (here / "config.yaml").write_text(SMALL, encoding="utf-8")

    result = call(program, "run", "--cores", "2", folder=here)

    assert result.returncode == 0, result.stdout + result.stderr
    assert (here / "results/toy/tables/table1.md").exists()
    assert (here / "results/toy/report/index.html").exists()
    lines = result.stdout.splitlines()
    assert "The report: results/toy/report/index.html" in lines
    assert any(line.startswith("Highest BLEU on test (beam 10): ") for line in lines)
    # One line an epoch.
    said = [line for line in lines if " of at most 2, valid BLEU " in line]
    assert sorted(line.split(", ")[0] for line in said) == [
        *("alpha0.5 seed 1: epoch 1 of at most 2", "alpha0.5 seed 1: epoch 2 of at most 2"),
        *("ml seed 1: epoch 1 of at most 2", "ml seed 1: epoch 2 of at most 2"),
    ]
    watched = call(program, "watch", folder=here)
    assert watched.stdout.splitlines()[-1] == "2 of 2 runs are scored"


def test_one_run_of_an_experiment_is_that_of_the_workflow(installed: Path, tmp_path: Path):
    program = installed / "alpha-dimt"
    (tmp_path / "config.yaml").write_text(SMALL, encoding="utf-8")
    run = Path("results/toy/runs/ml/seed1")
    target = str(run / "best.safetensors")
    made = call(program, "run", "config.yaml", "--cores", "2", target, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    weights = (tmp_path / run / "best.safetensors").read_bytes()
    call(program, "clean", folder=tmp_path)
    (tmp_path / run).rename(tmp_path / "of_the_workflow")

    result = call(
        program,
        *("train", "--config", "config.yaml", "--system", "ml", "--seed", "1"),
        folder=tmp_path,
    )

    assert result.returncode == 0, result.stderr
    assert (tmp_path / run / "best.safetensors").read_bytes() == weights
    of_the_workflow = (tmp_path / "of_the_workflow/config.json").read_bytes()
    assert (tmp_path / run / "config.json").read_bytes() == of_the_workflow
    beam = ("translate", "--run", str(run), "--beam", "2", "--threads", "1")
    translated = call(program, *beam, folder=tmp_path, text="der hund schläft .\n")
    assert translated.returncode == 0, translated.stderr
    assert len(translated.stdout.splitlines()) == 1


@pytest.mark.parametrize("module", ["objectives", "library"])
def test_the_objectives_need_only_what_the_bare_wheel_asks_for(
    installed: Path, tmp_path: Path, module: str
):
    code = f"""
import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions

class Absent(MetaPathFinder):
    others = set(packages_distributions()) - {BARE!r}
    def find_spec(self, name, path, target=None):
        if name in self.others and any("alpha_dimt" in (frame or "") for frame in files()):
            raise ModuleNotFoundError(name)

def files():
    frame = sys._getframe(2)
    while frame and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    yield frame and frame.f_code.co_filename

sys.meta_path.insert(0, Absent())
import alpha_dimt.{module}
print(alpha_dimt.{module}.__file__)
"""
    result = call(installed / "python", "-c", code, folder=tmp_path)

    assert result.returncode == 0, result.stderr
    assert str(installed.parent) in result.stdout


def test_the_command_line_says_what_it_needs(wheel: Path, tmp_path: Path):
    code = "import sys; sys.modules['click'] = None; from alpha_dimt.__main__ import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )

    assert result.returncode == 1
    assert result.stderr == (
        "Error: the command line needs click, which is not installed; run "
        "pip install 'alpha-dimt[workflow]'\n"
    )

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from made_once import made_once

# Small enough for a minute, and still the five systems and every stage of the paper.
TINY = {
    "corpus": {"kind": "toy", "train": 200, "valid": 20, "test": 20},
    "preparation": {"vocabulary": {"kind": "words", "min_frequency": 2}},
    "proposal": {"slices": 2},
    "model": {"embedding": 16, "hidden": 16},
    "training": {"batch_size": 16, "max_epochs": 2, "min_epochs": 0, "threads": 1},
    "decoding": {"beam": 3, "max_length": 30},
    "systems": {
        "ml": {"objective": "ml"},
        "raml": {"objective": "raml"},
        "alpha0.3": {"objective": "alpha", "alpha": 0.3},
        "alpha0.5": {"objective": "alpha", "alpha": 0.5},
        "alpha0.7": {"objective": "alpha", "alpha": 0.7},
    },
}


@dataclass(frozen=True)
class Workflow:
    """Snakemake in a folder of its own, with the repository's Snakefile and a configuration."""

    repository: Path
    folder: Path
    config: Path

    @property
    def command(self) -> list[str]:
        snakefile = self.repository / "Snakefile"
        profile = self.repository / "workflow/profiles/local"
        return [
            *(sys.executable, "-m", "snakemake", "--cores", "2"),
            *("--workflow-profile", str(profile), "--snakefile", str(snakefile)),
            *("--configfile", str(self.config), "--directory", str(self.folder)),
        ]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            [*self.command, *arguments], capture_output=True, text=True, timeout=900
        )

    def interrupt(self, when: Callable[[], bool]) -> int:
        """Run, press Ctrl-C (SIGINT to the process group) when a condition holds; exit code."""
        process = subprocess.Popen(
            self.command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            # A test run in the background inherits that SIGINT is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
        )
        try:
            while process.poll() is None and not when():
                time.sleep(0.05)
            assert process.poll() is None, "the workflow ended before it could be interrupted"
            os.killpg(process.pid, signal.SIGINT)
            return process.wait(timeout=120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run plans; empty when nothing is to be done."""
        result = self.run("--dry-run", *arguments)
        assert result.returncode == 0, result.stderr
        text = result.stdout + result.stderr
        if "Nothing to be done" in text:
            return {}
        table = re.search(r"^job +count\n-.*\n((?:\w+ +\d+\n)+)", text, flags=re.MULTILINE)
        assert table, text
        jobs = {name: int(count) for name, count in map(str.split, table[1].splitlines())}
        jobs.pop("total")
        return jobs

    def table1(self) -> str:
        return (self.folder / "results/toy/tables/table1.csv").read_text(encoding="utf-8")


def written(repository: Path, folder: Path, values: object) -> Workflow:
    """Write a configuration into a folder; return the workflow there."""
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return Workflow(repository, folder, config)


@pytest.fixture(scope="session")
def make_workflow(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[object], Workflow]:
    """Make a workflow from the values of a configuration."""
    return lambda values: written(repository, tmp_path_factory.mktemp("workflow"), values)


@pytest.fixture(scope="session")
def finished(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The tiny workflow, run to its end."""

    def run(folder: Path) -> None:
        result = written(repository, folder, TINY).run()
        assert result.returncode == 0, result.stdout + result.stderr

    folder = made_once(tmp_path_factory, "finished", run)
    return Workflow(repository, folder, folder / "config.yaml")

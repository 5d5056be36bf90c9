"""Commands for a whole experiment: write its configuration, run it, look at it."""

import os
import shutil
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpha_dimt.cli.group import cli
from alpha_dimt.cli.options import FILE, NEW
from alpha_dimt.core.errors import UserError

if TYPE_CHECKING:
    from alpha_dimt.runs.overview import Progress

REFRESH = 2.0
"""Seconds between two looks of `watch`."""
LINES = 8
"""The last lines of a log that `watch` shows."""
UNSEEN = (
    "waiting runs have no checkpoints in results/CORPUS/state; if checkpoints.folder is set, name "
    "the configuration instead: alpha-dimt watch CONFIG"
)


@cli.command()
@click.argument("folder", type=NEW)
def new(folder: Path) -> None:
    """Write a commented configuration into a folder, to be run as it is or with your own text.

    The Snakefile beside it is for calling Snakemake itself: snakemake --configfile config.yaml.
    """
    from alpha_dimt.core.files import write_text
    from alpha_dimt.core.pipeline import pipeline_folder

    made = {"config.yaml": "new.yaml", "Snakefile": "new.Snakefile"}
    path = folder / "config.yaml"
    for name in made:
        if (folder / name).exists():
            raise UserError(f"{folder / name}: this file already exists; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    keys = pipeline_folder() / "config/README.md"
    for name, template in made.items():
        text = files("alpha_dimt.cli").joinpath(template).read_text(encoding="utf-8")
        write_text(folder / name, text.replace("KEYS", str(keys)))
    click.echo(f"{path} is written; next: cd {folder} && alpha-dimt run")


@cli.command(context_settings={"ignore_unknown_options": True})
@click.option("--cores", type=click.IntRange(1), help="CPU cores to use.  [all]")
@click.option(
    "--profile",
    default="local",
    show_default=True,
    help="Where jobs run: local, slurm, kubernetes, generic, or the folder of a profile.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[CONFIG] [SNAKEMAKE]...")
def run(cores: int | None, profile: str, arguments: tuple[str, ...]) -> None:
    """Run the workflow of a configuration (config.yaml), from its text to its report.

    A second call does what is left. Options of Snakemake may follow, such as --dry-run.
    """
    from alpha_dimt.core.pipeline import check_snakemake, pipeline_folder, profile_folder

    check_snakemake()
    config, rest = _config_and_rest(arguments)
    command = [sys.executable, "-m", "snakemake", "--configfile", str(config)]
    command += ["--snakefile", str(pipeline_folder() / "workflow/Snakefile")]
    command += ["--workflow-profile", str(profile_folder(profile))]
    if cores or profile == "local":
        command += ["--cores", str(cores or "all")]
    sys.stdout.flush()
    os.execv(sys.executable, [*command, *rest])


def _config_and_rest(arguments: tuple[str, ...]) -> tuple[Path, list[str]]:
    """Return the configuration, config.yaml unless the first argument names one, and the rest."""
    named = bool(arguments) and not arguments[0].startswith("-")
    config = Path(arguments[0] if named else "config.yaml")
    if not config.is_file():
        raise UserError(
            f"{config}: there is no such file; name a configuration, or write one: "
            "alpha-dimt new FOLDER"
        )
    return config, list(arguments[named:])


@cli.command("config")
@click.option("--resolved", is_flag=True, help="Print every key with its value, as YAML.")
@click.argument("config", type=FILE, default="config.yaml")
def show_config(config: Path, resolved: bool) -> None:
    """Check a configuration, and list its runs and what is stale."""
    from alpha_dimt.cli.run_table import run_table
    from alpha_dimt.config import Experiment, load
    from alpha_dimt.config.document import yaml_text
    from alpha_dimt.runs.overview import look_at_all
    from alpha_dimt.runs.stale import Results

    experiment = load(Experiment, config)
    experiment.check_files()
    if resolved:
        click.echo(yaml_text(experiment.every_key()), nl=False)
        return
    corpus = experiment.corpus
    results = Path("results", corpus.name)
    click.echo(
        f"{config}: corpus {corpus.name} ({corpus.pair}), {len(experiment.systems)} systems, "
        f"{len(experiment.runs)} runs, in {results}"
    )
    click.echo("\n".join(run_table(look_at_all(experiment, results))))
    if stale := Results(experiment, results).stale():
        click.echo("made with another configuration or other data, so `run` makes it again:")
        click.echo("\n".join(f"  {path}" for path in stale))


@cli.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path), default="config.yaml")
def watch(path: Path) -> None:
    """Show live how far every run of a configuration or of results/{corpus} is.

    Given the folder of one run, show the last lines of its log, too. Ctrl-C ends it.

    A folder does not tell where checkpoints are: with `checkpoints.folder`, name the configuration.
    """
    from alpha_dimt.runs.overview import last_lines

    while True:
        runs, one = _watched(path)
        log = last_lines(runs[one].log, LINES) if one is not None else []
        lines = _lines(runs, log, of_folder=path.is_dir())
        if not _is_terminal():
            click.echo("\n".join(lines))
            return
        height = shutil.get_terminal_size().lines - 1
        click.clear()
        click.echo("\n".join(lines[:height]))
        if all(run.state == "scored" for run in runs):
            return
        time.sleep(REFRESH)


@cli.command()
@click.argument("config", type=FILE, default="config.yaml")
def clean(config: Path) -> None:
    """Remove checkpoints of finished runs that an interrupted workflow has left."""
    from alpha_dimt.config import Experiment, load
    from alpha_dimt.core.files import read_json

    experiment = load(Experiment, config)
    results = Path("results", experiment.corpus.name)
    states = experiment.checkpoints.of(results)
    removed = 0
    for system, seed in experiment.runs:
        path = results / f"runs/{system}/seed{seed}/run.json"
        key = experiment.run_config(system, seed).fingerprint()
        about = read_json(path) if path.exists() else {}
        if not isinstance(about, dict):
            raise UserError(
                f"{path}: this is not what `alpha-dimt train` writes; train the run again"
            )
        if about.get("run_key") == key:
            for folder in states.glob(f"{key}-*"):
                shutil.rmtree(folder)
                click.echo(f"{folder}: removed")
                removed += 1
    left = sum(path.is_dir() for path in states.glob("*"))
    click.echo(f"{removed} removed, {left} left, whose runs are not finished or not of {config}")


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _watched(path: Path) -> tuple[list["Progress"], int | None]:
    """Return the runs that a path means, and the place of the one whose log is shown, if any."""
    from alpha_dimt.config import Experiment, load
    from alpha_dimt.runs.overview import look, look_at_all, started_runs
    from alpha_dimt.runs.paths import results_of

    if path.is_file():
        experiment = load(Experiment, path)
        return look_at_all(experiment, Path("results", experiment.corpus.name)), None
    one = (path / "config.json").is_file()
    results = results_of(path) if one else path
    configs = list(started_runs(results))
    if not configs:
        raise UserError(
            f"{path}: no run was started here; name a configuration, results/CORPUS, or the folder "
            "of a run"
        )
    runs = [look(config, results, results / "state") for config in configs]
    folders = [results / f"runs/{config.system}/seed{config.seed}" for config in configs]
    return runs, next(
        (i for i, folder in enumerate(folders) if one and folder.samefile(path)), None
    )


def _lines(runs: list["Progress"], log: list[str], *, of_folder: bool) -> list[str]:
    from alpha_dimt.cli.run_table import run_table

    done = sum(run.state == "scored" for run in runs)
    unseen = of_folder and any(run.state == "waiting" for run in runs)
    return [
        *run_table(runs),
        f"{done} of {len(runs)} runs are scored",
        *([UNSEEN] if unseen else []),
        *([""] if log else []),
        *log,
    ]

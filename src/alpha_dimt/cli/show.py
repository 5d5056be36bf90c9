"""Commands that show finished runs, and the machine."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpha_dimt.cli.group import cli
from alpha_dimt.cli.options import DEVICE, FILE, FOLDER, NEW, OPTIONAL_RUNS, RUNS, THREADS

if TYPE_CHECKING:
    from alpha_dimt.config.training import Device


@cli.command()
@click.option("--out", type=NEW, required=True, help="Prefix of .csv, .json, .md, .tex, .html.")
@RUNS
def table(out: Path, runs: tuple[Path, ...]) -> None:
    """Write Table 1 from the folders of finished runs, the published rows beside them."""
    from alpha_dimt.tables.table1 import write_table1

    write_table1(runs, out=out)


@cli.command()
@click.option("--out", type=NEW, required=True, help="Prefix of .csv, .json, .md, .tex, .html.")
@RUNS
def training_table(out: Path, runs: tuple[Path, ...]) -> None:
    """Write what training cost and how its weights behaved, from finished runs."""
    from alpha_dimt.tables.training import write_training_table

    write_training_table(runs, out=out)


@cli.command()
@click.option("--out", type=NEW, required=True, help="Prefix of .csv, .json, .md, .tex, .html.")
@click.option(
    "--search", "searches", multiple=True, required=True, help="Name of a search; repeat it."
)
@RUNS
def searches_table(out: Path, searches: tuple[str, ...], runs: tuple[Path, ...]) -> None:
    """Write BLEU on test by search, from finished runs that all have made these searches."""
    from alpha_dimt.tables.searches import write_searches_table

    write_searches_table(runs, searches, out=out)


@cli.command()
@click.option("--config", type=FILE, required=True, help="Configuration of the search.")
@click.option("--encoded", type=FOLDER, required=True, help="Folder of `encode`.")
@THREADS
@click.option("--out", type=NEW, required=True, help="JSON file.")
@DEVICE
@RUNS
def examples(
    config: Path,
    encoded: Path,
    threads: int | None,
    out: Path,
    device: "Device",
    runs: tuple[Path, ...],
) -> None:
    """Translate a few test sentences with each run, with the attention behind each word."""
    from alpha_dimt.inference.attention_examples import write_examples
    from alpha_dimt.machine.gpu_lease import lease
    from alpha_dimt.machine.processor import cores

    with lease(device):
        write_examples(
            runs,
            decoding=config,
            encoded=encoded,
            threads=threads or cores(),
            out=out,
            device=device,
        )


@cli.command()
@click.option("--out", type=NEW, required=True, help="Folder for the SVG files.")
@RUNS
def figures(out: Path, runs: tuple[Path, ...]) -> None:
    """Draw scores and learning curves of finished runs."""
    from alpha_dimt.report.figures import write_figures

    write_figures(runs, out=out)


@cli.command()
@click.option("--tables", type=FOLDER, required=True, help="Folder of the tables.")
@click.option("--examples", type=FILE, help="What `examples` wrote; none: no translations.")
@click.option("--out", type=NEW, required=True, help="HTML file.")
@RUNS
def report(tables: Path, examples: Path | None, out: Path, runs: tuple[Path, ...]) -> None:
    """Write the report of finished runs: one page that needs no network."""
    from alpha_dimt.report.page import write_report

    write_report(runs, tables=tables, examples=examples, out=out)


@cli.command()
@click.option("--uri", required=True, help="MLflow tracking URI.")
@click.option("--experiment", required=True, help="MLflow experiment.")
@click.option("--receipt", type=NEW, required=True, help="JSON file that `track` will write.")
def check_tracking(uri: str, experiment: str, receipt: Path) -> None:
    """Check that `track` will be able to log runs, before they are trained."""
    from alpha_dimt.tracking.ready import check_tracking as check

    check(uri, experiment, receipt)


@cli.command()
@click.option("--uri", required=True, help="MLflow tracking URI.")
@click.option("--experiment", required=True, help="MLflow experiment.")
@click.option("--receipt", type=NEW, help="JSON file that lists the MLflow runs.")
@click.option("--preset", help="Preset of the experiment, for a tag.")
@click.option("--attach", type=FILE, multiple=True, help="Table or figure of all runs.")
@click.option("--follow", type=FILE, help="Configuration whose trainings to log while they run.")
@OPTIONAL_RUNS
def track(
    uri: str,
    experiment: str,
    receipt: Path | None,
    preset: str | None,
    attach: tuple[Path, ...],
    follow: Path | None,
    runs: tuple[Path, ...],
) -> None:
    """Log finished runs to MLflow; a second call changes nothing.

    With --follow instead of runs, log running trainings, epoch by epoch, until Ctrl-C.
    """
    from alpha_dimt.config import Experiment, load
    from alpha_dimt.tracking.follow import follow_runs
    from alpha_dimt.tracking.upload import track_runs

    if follow and not (runs or receipt or preset or attach):
        followed = load(Experiment, follow)
        results = Path("results", followed.corpus.name)
        states = followed.checkpoints.of(results)
        follow_runs(results, states=states, uri=uri, experiment=experiment)
        return
    if follow or not runs or not receipt:
        raise click.UsageError("give --receipt and runs, or --follow without them")
    track_runs(
        runs, uri=uri, experiment=experiment, receipt=receipt, preset=preset, attached=attach
    )


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Report what this machine has and lacks; exit code 1 if something needed is missing."""
    from alpha_dimt.machine.doctor import print_findings

    if not print_findings(as_json=as_json):
        sys.exit(1)

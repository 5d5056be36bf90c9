"""Commands that score and compare translations."""

import re
from pathlib import Path

import click

from alpha_dimt.cli.group import cli
from alpha_dimt.cli.options import EXISTING, FILE, NEW, RUNS

FILE_OR_STDIN = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


def _language(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}", value):
        raise click.BadParameter(f"{value} is not an ISO 639 code; English is en, German de")
    return value


@cli.command()
@click.option("--reference", type=FILE, required=True, help="One reference a line, or .gz.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("hypotheses", type=FILE_OR_STDIN, nargs=-1, required=True)
def score(reference: Path, as_json: bool, hypotheses: tuple[Path, ...]) -> None:
    """Score tokenised text by multi-bleu's definition: plain or .gz files, - for standard input."""
    from alpha_dimt.evaluation.score_files import print_scores

    print_scores(reference, hypotheses, as_json=as_json)


@cli.command()
@click.option("--hypotheses", type=FILE, required=True, help="File that `decode` wrote.")
@click.option("--tokenised", type=FILE, required=True, help="Tokenised reference.")
@click.option("--raw", type=FILE, required=True, help="Reference as published.")
@click.option(
    "--language",
    required=True,
    callback=_language,
    help="Language of the text (ISO 639: en), to detokenise and to score it.",
)
@click.option("--lowercase/--cased", required=True, help="Whether the systems' text is lower-case.")
@click.option(
    "--detokenised-reference",
    is_flag=True,
    help="The corpus has tokens alone; --raw was made from them.",
)
@click.option("--out", type=NEW, required=True, help="JSON file of signed scores.")
def evaluate(
    hypotheses: Path,
    tokenised: Path,
    raw: Path,
    language: str,
    lowercase: bool,
    detokenised_reference: bool,
    out: Path,
) -> None:
    """Write all scores of one file of hypotheses, each with its definition."""
    from alpha_dimt.evaluation.score_files import evaluate_file

    evaluate_file(
        hypotheses,
        tokenised=tokenised,
        raw=raw,
        language=language,
        lowercase=lowercase,
        detokenised_reference=detokenised_reference,
        out=out,
    )


@cli.command()
@click.option("--reference", type=FILE, help="Tokenised reference; for runs it is found.")
@click.option("--search", type=click.Choice(["greedy", "beam"]), default="beam", help="Of runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("first", type=EXISTING)
@click.argument("second", type=EXISTING)
def compare(reference: Path | None, search: str, as_json: bool, first: Path, second: Path) -> None:
    """Compare two runs, systems or files of hypotheses on the test set in plain language."""
    from alpha_dimt.tables.compare import print_comparison

    print_comparison(first, second, reference=reference, search=search, as_json=as_json)


@cli.command()
@click.option("--reference", type=FILE, required=True, help="Tokenised reference of test.")
@click.option("--out", type=NEW, required=True, help="Prefix of .csv, .json, .md, .tex, .html.")
@RUNS
def significance(reference: Path, out: Path, runs: tuple[Path, ...]) -> None:
    """Write the tests of every pair of systems, within each seed and across seeds."""
    from alpha_dimt.tables.significance import write_significance

    write_significance(runs, reference=reference, out=out)

"""The command line: thin, one function a command, heavy imports inside.

The workflow's rules reach the package only through these commands.
"""

import sys
from pathlib import Path

import click

from alpha_dimt import __version__
from alpha_dimt.errors import UserError

EXISTING = click.Path(exists=True, path_type=Path)
NEW = click.Path(path_type=Path)


class Commands(click.Group):
    """A group that prints a `UserError` as one line and keeps the order of the pipeline."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of definition."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; a `UserError` becomes one line on stderr and exit code 1."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Neural sequence model training via alpha-divergence minimisation.

    The workflow (`snakemake --cores 2`) calls these commands in this order; each can be called
    alone. Configurations are YAML or JSON files as `config/README.md` describes.
    """


@cli.command()
@click.option("--config", type=EXISTING, required=True, help="Slice of the data (DataConfig).")
@click.option("--mirror", "mirrors", multiple=True, help="URL prefix or directory; tried in order.")
@click.option("--cache", type=NEW, required=True, help="Folder that keeps downloads.")
@click.option("--out", type=NEW, required=True, help="Folder for {split}.{language}.")
def fetch(config: Path, mirrors: tuple[str, ...], cache: Path, out: Path) -> None:
    """Bring a corpus here: raw text, one sentence a line."""
    from alpha_dimt.config import DataConfig, load
    from alpha_dimt.data.corpora import write_raw

    write_raw(load(DataConfig, config).corpus, mirrors=mirrors, cache=cache, out=out)


@cli.command()
@click.option("--config", type=EXISTING, required=True, help="Slice of the data (DataConfig).")
@click.option("--raw", type=EXISTING, required=True, help="Folder that `fetch` wrote.")
@click.option("--out", type=NEW, required=True, help="Folder for the tokenised text.")
def tokenise(config: Path, raw: Path, out: Path) -> None:
    """Tokenise, lower-case and clean; cut off validation data where the corpus has none."""
    from alpha_dimt.config import DataConfig, load
    from alpha_dimt.data.prepare import tokenise_corpus

    tokenise_corpus(load(DataConfig, config), raw=raw, out=out)


@cli.command()
@click.option("--config", type=EXISTING, required=True, help="Slice of the data (DataConfig).")
@click.option("--text", type=EXISTING, required=True, help="Folder that `tokenise` wrote.")
@click.option("--out", type=NEW, required=True, help="Folder for vocabularies and Arrow files.")
def encode(config: Path, text: Path, out: Path) -> None:
    """Build vocabularies (or learn BPE) and encode every split as Arrow."""
    from alpha_dimt.config import DataConfig, load
    from alpha_dimt.data.encode import encode_corpus

    encode_corpus(load(DataConfig, config), text=text, out=out)


@cli.command()
@click.option("--config", type=EXISTING, required=True, help="Slice of the candidates.")
@click.option("--encoded", type=EXISTING, required=True, help="Folder that `encode` wrote.")
@click.option("--out", type=NEW, required=True, help="Arrow file of candidates.")
def augment(config: Path, encoded: Path, out: Path) -> None:
    """Draw candidates from the proposal, with reward and log q0."""
    from alpha_dimt.config import AugmentConfig, load
    from alpha_dimt.data.augment import augment_corpus

    augment_corpus(load(AugmentConfig, config), encoded=encoded, out=out)


@cli.command()
@click.option("--config", type=EXISTING, required=True, help="Slice of the run (RunConfig).")
@click.option("--encoded", type=EXISTING, required=True, help="Folder that `encode` wrote.")
@click.option("--augmented", type=EXISTING, help="File that `augment` wrote; not for ml.")
@click.option("--start", type=EXISTING, help="Weights to start from, where the system does so.")
@click.option("--state", type=NEW, required=True, help="Folder for checkpoints.")
@click.option("--out", type=NEW, required=True, help="Folder of the run.")
@click.option("--threads", type=click.IntRange(1), required=True, help="CPU threads to use.")
def train(
    config: Path,
    encoded: Path,
    augmented: Path | None,
    start: Path | None,
    state: Path,
    out: Path,
    threads: int,
) -> None:
    """Train one system with one seed; resumes from its last checkpoint."""
    from alpha_dimt.config import RunConfig, load
    from alpha_dimt.training.run import train_run

    train_run(
        load(RunConfig, config),
        encoded=encoded,
        augmented=augmented,
        start=start,
        state=state,
        out=out,
        threads=threads,
    )


@cli.command()
@click.option("--config", type=EXISTING, required=True, help="Slice of the decoding (Decoding).")
@click.option("--run", type=EXISTING, required=True, help="Folder of a trained run.")
@click.option("--encoded", type=EXISTING, required=True, help="Folder that `encode` wrote.")
@click.option("--split", type=click.Choice(["valid", "test"]), required=True)
@click.option("--out", type=NEW, required=True, help="File of hypotheses, one a line.")
@click.option("--threads", type=click.IntRange(1), required=True, help="CPU threads to use.")
def decode(config: Path, run: Path, encoded: Path, split: str, out: Path, threads: int) -> None:
    """Translate a split by greedy or beam search."""
    from alpha_dimt.config import Decoding, load
    from alpha_dimt.decoding import decode_split

    decode_split(
        load(Decoding, config), run=run, encoded=encoded, split=split, out=out, threads=threads
    )


@cli.command()
@click.option("--reference", type=EXISTING, required=True, help="One reference a line, or .gz.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("hypotheses", type=EXISTING, nargs=-1, required=True)
def score(reference: Path, as_json: bool, hypotheses: tuple[Path, ...]) -> None:
    """Score tokenised text by multi-bleu's definition (plain or .gz files)."""
    from alpha_dimt.evaluation.report import print_scores

    print_scores(reference, hypotheses, as_json=as_json)


@cli.command()
@click.option("--hypotheses", type=EXISTING, required=True, help="File that `decode` wrote.")
@click.option("--tokenised", type=EXISTING, required=True, help="Tokenised reference.")
@click.option("--raw", type=EXISTING, required=True, help="Reference as published.")
@click.option("--language", required=True, help="Language of the text, for the detokeniser.")
@click.option("--lowercase/--cased", required=True, help="Whether the systems' text is lower-case.")
@click.option("--out", type=NEW, required=True, help="JSON file of signed scores.")
def evaluate(
    hypotheses: Path, tokenised: Path, raw: Path, language: str, lowercase: bool, out: Path
) -> None:
    """Write all scores of one file of hypotheses, each with its definition."""
    from alpha_dimt.evaluation.report import evaluate_file

    evaluate_file(
        hypotheses, tokenised=tokenised, raw=raw, language=language, lowercase=lowercase, out=out
    )


@cli.command()
@click.option("--out", type=NEW, required=True, help="Prefix; .csv, .md, .tex and .html are made.")
@click.argument("runs", type=EXISTING, nargs=-1, required=True)
def table(out: Path, runs: tuple[Path, ...]) -> None:
    """Write Table 1 from the folders of finished runs, the published rows beside them."""
    from alpha_dimt.tables import write_table1

    write_table1(runs, out=out)


@cli.command()
@click.option("--out", type=NEW, required=True, help="Prefix; .csv, .md, .tex and .html are made.")
@click.argument("runs", type=EXISTING, nargs=-1, required=True)
def training_table(out: Path, runs: tuple[Path, ...]) -> None:
    """Write what training cost and how its weights behaved, from finished runs."""
    from alpha_dimt.training_table import write_training_table

    write_training_table(runs, out=out)


@cli.command()
@click.option("--out", type=NEW, required=True, help="SVG file.")
@click.argument("runs", type=EXISTING, nargs=-1, required=True)
def curves(out: Path, runs: tuple[Path, ...]) -> None:
    """Draw the learning curves of finished runs."""
    from alpha_dimt.figures import learning_curves

    learning_curves(runs, out=out)


@cli.command()
@click.option("--uri", required=True, help="MLflow tracking URI.")
@click.option("--experiment", required=True, help="MLflow experiment.")
@click.option("--receipt", type=NEW, required=True, help="JSON file that lists the MLflow runs.")
@click.argument("runs", type=EXISTING, nargs=-1, required=True)
def track(uri: str, experiment: str, receipt: Path, runs: tuple[Path, ...]) -> None:
    """Log finished runs to MLflow; a second call changes nothing."""
    from alpha_dimt.tracking import track_runs

    track_runs(runs, uri=uri, experiment=experiment, receipt=receipt)


def main() -> None:
    """Entry point: Ctrl-C exits with 130 and one line."""
    try:
        cli.main(standalone_mode=False)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)

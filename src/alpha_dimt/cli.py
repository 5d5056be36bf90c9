"""The command line: thin, one function a command, heavy imports inside.

The workflow's rules reach the package only through these commands.
"""

import os
import re
import sys
import textwrap
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from alpha_dimt import __version__
from alpha_dimt.core.errors import Stopped, UserError

if TYPE_CHECKING:
    from alpha_dimt.config.training import Device

EXISTING = click.Path(exists=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW = click.Path(path_type=Path)


class RunFolder(click.Path):
    """The folder of a run; of a system it names the seeds."""

    def __init__(self) -> None:
        super().__init__(exists=True, file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the folder if it has a config.json."""
        folder = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not (folder / "config.json").exists():
            seeds = ", ".join(sorted(str(path.parent) for path in folder.glob("*/config.json")))
            self.fail(
                f"{folder}: this is no run's folder (with config.json); "
                + (f"name one of {seeds}" if seeds else "results/{corpus}/runs has them"),
                param,
                ctx,
            )
        return folder


RUN = RunFolder()
DEVICE = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto is a GPU where there is one.",
)


class TryAgain(click.ClickException):
    """The same command goes on where this one was stopped."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


# The commands in the order of the pipeline, each with an example that works in results/toy once the
# workflow has run.
TOUR: dict[str, dict[str, str]] = {
    "Prepare a corpus": {
        "fetch": "--config data/config.json --cache ../downloads --out my/raw",
        "tokenise": "--config data/config.json --raw data/raw --out my/text",
        "encode": "--config data/config.json --text data/text --out my/encoded",
        "augment": "--config augmented/*/seed1.json --encoded data/encoded --out my/a.arrow",
    },
    "Train and decode": {
        "train": "--config runs/ml/seed1/config.json --encoded data/encoded "
        "--state my/state --out my/run --threads 1",
        "decode": "--config decoding/beam.json --run runs/ml/seed1 "
        "--encoded data/encoded --split test --out my/test.txt --threads 1",
        "translate": "--run runs/ml/seed1 < data/raw/test.de",
    },
    "Score and compare": {
        "score": "--reference data/text/test.en runs/*/seed1/hypotheses/test.beam.txt",
        "evaluate": "--hypotheses runs/ml/seed1/hypotheses/test.beam.txt --tokenised "
        "data/text/test.en --raw data/text/test.raw.en --language en --lowercase --out my/s.json",
        "compare": "runs/ml runs/alpha0.5",
        "significance": "--reference data/text/test.en --out my/significance runs/*/seed*",
    },
    "Show": {
        "table": "--out my/table1 runs/*/seed*",
        "training-table": "--out my/training runs/*/seed*",
        "examples": "--config decoding/beam.json --encoded data/encoded --threads 1 "
        "--out my/examples.json runs/*/seed1",
        "figures": "--out my/figures runs/*/seed*",
        "report": "--tables tables --examples report/examples.json --out my/report.html "
        "runs/*/seed*",
        "check-tracking": "--uri sqlite:///my/mlflow.db --experiment toy --receipt my/track.json",
        "track": "--uri sqlite:///my/mlflow.db --experiment toy --receipt my/track.json "
        "runs/*/seed*",
    },
    "Look at this machine": {"doctor": ""},
}


class Commands(click.Group):
    """A group that prints errors as one line and its commands as a tour of the pipeline."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the tour."""
        return [name for stage in TOUR.values() for name in stage]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands stage by stage, each with its example."""
        for stage, examples in TOUR.items():
            with formatter.section(stage):
                for name, arguments in examples.items():
                    formatter.write_dl(
                        [(f"{name:<12}", self.commands[name].get_short_help_str(100))]
                    )
                    formatter.write(_example(name, arguments))

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; an error of the user's is one line and its exit code."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            kind = TryAgain if isinstance(error, Stopped) else click.ClickException
            raise kind(str(error)) from error
        except BrokenPipeError:
            _pipe_closed()


def _language(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}", value):
        raise click.BadParameter(f"{value} is no ISO 639 code; English is en, German de")
    return value


def _example(name: str, arguments: str) -> str:
    """Return an example as shell lines of at most 80 characters, each option with its value."""
    joined = re.sub(r"(--\S+) (?!-)", "\\1\xa0", f"alpha-dimt {name} {arguments}".strip())
    lines = textwrap.wrap(joined, 68, break_long_words=False, break_on_hyphens=False)
    return "      $ " + " \\\n          ".join(lines).replace("\xa0", " ") + "\n"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Neural sequence model training via alpha-divergence minimisation.

    The workflow (`make run`, or `snakemake --cores 2`) calls these commands in this order; each
    can be called alone. The examples work in results/toy when the workflow has run.
    Configurations are YAML or JSON files as config/README.md describes.
    """


@cli.command()
@click.option("--config", type=FILE, required=True, help="Slice of the data (DataConfig).")
@click.option("--mirror", "mirrors", multiple=True, help="URL prefix or directory; tried in order.")
@click.option("--cache", type=NEW, required=True, help="Folder that keeps downloads.")
@click.option("--out", type=NEW, required=True, help="Folder for {split}.{language}.")
def fetch(config: Path, mirrors: tuple[str, ...], cache: Path, out: Path) -> None:
    """Bring a corpus here: raw text, one sentence a line."""
    from alpha_dimt.config import DataConfig, load
    from alpha_dimt.data.corpora import write_raw

    write_raw(load(DataConfig, config).corpus, mirrors=mirrors, cache=cache, out=out)


@cli.command()
@click.option("--config", type=FILE, required=True, help="Slice of the data (DataConfig).")
@click.option("--raw", type=FOLDER, required=True, help="Folder that `fetch` wrote.")
@click.option("--out", type=NEW, required=True, help="Folder for the tokenised text.")
def tokenise(config: Path, raw: Path, out: Path) -> None:
    """Tokenise, lower-case and clean; cut off validation data where the corpus has none."""
    from alpha_dimt.config import DataConfig, load
    from alpha_dimt.data.prepare import tokenise_corpus

    tokenise_corpus(load(DataConfig, config), raw=raw, out=out)


@cli.command()
@click.option("--config", type=FILE, required=True, help="Slice of the data (DataConfig).")
@click.option("--text", type=FOLDER, required=True, help="Folder that `tokenise` wrote.")
@click.option("--out", type=NEW, required=True, help="Folder for vocabularies and Arrow files.")
def encode(config: Path, text: Path, out: Path) -> None:
    """Build vocabularies (or learn BPE) and encode every split as Arrow."""
    from alpha_dimt.config import DataConfig, load
    from alpha_dimt.data.build_encoded import encode_corpus

    encode_corpus(load(DataConfig, config), text=text, out=out)


@cli.command()
@click.option("--config", type=FILE, required=True, help="Slice of the candidates.")
@click.option("--encoded", type=FOLDER, required=True, help="Folder that `encode` wrote.")
@click.option("--out", type=NEW, required=True, help="Arrow file of candidates.")
def augment(config: Path, encoded: Path, out: Path) -> None:
    """Draw candidates from the proposal, with reward and log q0."""
    from alpha_dimt.config import AugmentConfig, load
    from alpha_dimt.data.draw_candidates import augment_corpus

    augment_corpus(load(AugmentConfig, config), encoded=encoded, out=out)


@cli.command()
@click.option("--config", type=FILE, required=True, help="Slice of the run (RunConfig).")
@click.option("--encoded", type=FOLDER, required=True, help="Folder that `encode` wrote.")
@click.option("--augmented", type=FILE, help="File that `augment` wrote; not for ml.")
@click.option("--start", type=FILE, help="Weights to start from, where the system does so.")
@click.option("--state", type=NEW, required=True, help="Folder for checkpoints.")
@click.option("--out", type=NEW, required=True, help="Folder of the run.")
@click.option("--threads", type=click.IntRange(1), required=True, help="CPU threads to use.")
@DEVICE
@click.option(
    "--checkpoint-seconds",
    type=click.IntRange(1),
    default=180,
    show_default=True,
    help="From one checkpoint to the next; one more ends each epoch.",
)
def train(
    config: Path,
    encoded: Path,
    augmented: Path | None,
    start: Path | None,
    state: Path,
    out: Path,
    threads: int,
    device: "Device",
    checkpoint_seconds: int,
) -> None:
    """Train one system with one seed, or go on from its last checkpoint.

    SIGTERM and SIGUSR1 stop it after the update that it is at, with exit code 75; nothing is lost.
    """
    from alpha_dimt.config import RunConfig, load
    from alpha_dimt.machine.gpu_lease import lease
    from alpha_dimt.training.run import train_run

    with lease(device):
        train_run(
            load(RunConfig, config),
            encoded=encoded,
            augmented=augmented,
            start=start,
            state=state,
            out=out,
            threads=threads,
            device=device,
            checkpoint_seconds=checkpoint_seconds,
        )


@cli.command()
@click.option("--config", type=FILE, required=True, help="Slice of the decoding (Decoding).")
@click.option("--run", type=RUN, required=True, help="Folder of a trained run.")
@click.option("--encoded", type=FOLDER, required=True, help="Folder that `encode` wrote.")
@click.option("--split", type=click.Choice(["valid", "test"]), required=True)
@click.option("--out", type=NEW, required=True, help="File of hypotheses, one a line.")
@click.option("--threads", type=click.IntRange(1), required=True, help="CPU threads to use.")
@DEVICE
def decode(
    config: Path,
    run: Path,
    encoded: Path,
    split: str,
    out: Path,
    threads: int,
    device: "Device",
) -> None:
    """Translate a split by greedy or beam search."""
    from alpha_dimt.config import load
    from alpha_dimt.config.training import Decoding
    from alpha_dimt.inference.decode import decode_split
    from alpha_dimt.machine.gpu_lease import lease

    with lease(device):
        decode_split(
            load(Decoding, config),
            run=run,
            encoded=encoded,
            split=split,
            out=out,
            threads=threads,
            device=device,
        )


@cli.command()
@click.option("--run", type=RUN, required=True, help="Folder of a trained run.")
@click.option("--beam", type=click.IntRange(1), help="Width; 1 is greedy.  [the experiment's]")
@click.option("--threads", type=click.IntRange(1), help="CPU threads to use.  [all]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def translate(run: Path, beam: int | None, threads: int | None, as_json: bool) -> None:
    """Translate raw text from standard input, one sentence a line, as it comes."""
    from alpha_dimt.core.progress import lines_bar
    from alpha_dimt.inference.translate import open_translator, translate_stream
    from alpha_dimt.machine.processor import cores

    if sys.stdin.isatty():
        click.echo("reading what you type, one sentence a line; Ctrl-D ends it", err=True)
    translator = open_translator(run, beam=beam, threads=threads or cores())
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    with lines_bar(stdin, "translating") as bar:
        translate_stream(translator, stdin, stdout, as_json=as_json, block_done=bar.update)


@cli.command()
@click.option("--reference", type=FILE, required=True, help="One reference a line, or .gz.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("hypotheses", type=FILE, nargs=-1, required=True)
def score(reference: Path, as_json: bool, hypotheses: tuple[Path, ...]) -> None:
    """Score tokenised text by multi-bleu's definition (plain or .gz files)."""
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
    """Compare two runs, systems or files of hypotheses on the test set, in words."""
    from alpha_dimt.tables.compare import print_comparison

    print_comparison(first, second, reference=reference, search=search, as_json=as_json)


@cli.command()
@click.option("--reference", type=FILE, required=True, help="Tokenised reference of test.")
@click.option("--out", type=NEW, required=True, help="Prefix of .csv, .json, .md, .tex, .html.")
@click.argument("runs", type=RUN, nargs=-1, required=True)
def significance(reference: Path, out: Path, runs: tuple[Path, ...]) -> None:
    """Write the tests of every pair of systems, within each seed and across seeds."""
    from alpha_dimt.tables.significance import write_significance

    write_significance(runs, reference=reference, out=out)


@cli.command()
@click.option("--out", type=NEW, required=True, help="Prefix of .csv, .json, .md, .tex, .html.")
@click.argument("runs", type=RUN, nargs=-1, required=True)
def table(out: Path, runs: tuple[Path, ...]) -> None:
    """Write Table 1 from the folders of finished runs, the published rows beside them."""
    from alpha_dimt.tables.table1 import write_table1

    write_table1(runs, out=out)


@cli.command()
@click.option("--out", type=NEW, required=True, help="Prefix of .csv, .json, .md, .tex, .html.")
@click.argument("runs", type=RUN, nargs=-1, required=True)
def training_table(out: Path, runs: tuple[Path, ...]) -> None:
    """Write what training cost and how its weights behaved, from finished runs."""
    from alpha_dimt.tables.training import write_training_table

    write_training_table(runs, out=out)


@cli.command()
@click.option("--config", type=FILE, required=True, help="Configuration of the search.")
@click.option("--encoded", type=FOLDER, required=True, help="Folder of `encode`.")
@click.option("--threads", type=click.IntRange(1), required=True, help="CPU threads to use.")
@click.option("--out", type=NEW, required=True, help="JSON file.")
@DEVICE
@click.argument("runs", type=RUN, nargs=-1, required=True)
def examples(
    config: Path, encoded: Path, threads: int, out: Path, device: "Device", runs: tuple[Path, ...]
) -> None:
    """Translate a few test sentences with each run, with the attention behind each word."""
    from alpha_dimt.inference.attention_examples import write_examples
    from alpha_dimt.machine.gpu_lease import lease

    with lease(device):
        write_examples(
            runs, decoding=config, encoded=encoded, threads=threads, out=out, device=device
        )


@cli.command()
@click.option("--out", type=NEW, required=True, help="Folder for the SVG files.")
@click.argument("runs", type=RUN, nargs=-1, required=True)
def figures(out: Path, runs: tuple[Path, ...]) -> None:
    """Draw scores and learning curves of finished runs."""
    from alpha_dimt.report.figures import write_figures

    write_figures(runs, out=out)


@cli.command()
@click.option("--tables", type=FOLDER, required=True, help="Folder of the tables.")
@click.option("--examples", type=FILE, help="What `examples` wrote; none: no translations.")
@click.option("--out", type=NEW, required=True, help="HTML file.")
@click.argument("runs", type=RUN, nargs=-1, required=True)
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
@click.option("--receipt", type=NEW, required=True, help="JSON file that lists the MLflow runs.")
@click.option("--preset", help="Preset of the experiment, for a tag.")
@click.option("--attach", type=FILE, multiple=True, help="Table or figure of all runs.")
@click.argument("runs", type=RUN, nargs=-1, required=True)
def track(
    uri: str,
    experiment: str,
    receipt: Path,
    preset: str | None,
    attach: tuple[Path, ...],
    runs: tuple[Path, ...],
) -> None:
    """Log finished runs to MLflow; a second call changes nothing."""
    from alpha_dimt.tracking.upload import track_runs

    track_runs(
        runs, uri=uri, experiment=experiment, receipt=receipt, preset=preset, attached=attach
    )


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Say what this machine has and what is missing; exit code 1 if it is needed."""
    from alpha_dimt.machine.doctor import print_findings

    if not print_findings(as_json=as_json):
        sys.exit(1)


def main() -> None:
    """Entry point: Ctrl-C exits with 130 and one line, a closed pipe with 141 and none.

    What nobody has foreseen is one line too; `python -X dev` shows where it comes from.
    """
    try:
        cli.main(prog_name="alpha-dimt", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        _pipe_closed()
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        click.echo(f"Error: {_unforeseen(error)}", err=True)
        _discard_output()
        sys.exit(1)


def _unforeseen(error: Exception) -> str:
    """Return a sentence about an error that no command expects."""
    reason = " ".join(str(error).split())
    way_out = "please report it"
    if isinstance(error, MemoryError):
        way_out = "give it more memory, or a smaller batch, corpus or model"
    elif isinstance(error, OSError):
        way_out = "check who may read and write there, and that its disk has room"
        if error.filename is not None:
            reason = f"{os.fsdecode(error.filename)}: {error.strerror}"
    package = Path(__file__).parent
    frames = traceback.extract_tb(error.__traceback__)
    # The last frame of ours; those after it are of libraries.
    file, line = [
        (Path(frame.filename), frame.lineno)
        for frame in frames
        if Path(frame.filename).is_relative_to(package)
    ][-1]
    what = type(error).__name__
    if reason:
        what += f" ({textwrap.shorten(reason, 300, placeholder='...')})"
    return (
        f"{what} at {file.relative_to(package)}:{line}; {way_out}; `python -X dev -m alpha_dimt` "
        "with the same arguments shows every call"
    )


def _pipe_closed() -> NoReturn:
    """End because nobody reads the output any more, as `head` does."""
    _discard_output()
    sys.exit(141)


def _discard_output() -> None:
    """Let what is left go nowhere: Python flushes it once more at its end, which would fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""The group of all commands: their tour in the help, and errors as one line."""

import re
import textwrap

import click

from alpha_dimt import __version__
from alpha_dimt.cli.ending import pipe_closed
from alpha_dimt.core.errors import Stopped, UserError


class TryAgain(click.ClickException):
    """The same command resumes where this one stopped."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


# The commands in the order of the pipeline, each with an example that works in results/toy once the
# workflow has run.
TOUR: dict[str, dict[str, str]] = {
    "Run an experiment": {
        "new": "mine",
        "config": "mine/config.yaml",
        "run": "mine/config.yaml --cores 2",
        "watch": ".",
        "clean": "mine/config.yaml",
    },
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
        "searches-table": "--out my/searches --search greedy --search beam runs/*/seed*",
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
            pipe_closed()


def _example(name: str, arguments: str) -> str:
    """Return an example as shell lines of at most 80 characters, each option with its value."""
    joined = re.sub(r"(--\S+) (?!-)", "\\1\xa0", f"alpha-dimt {name} {arguments}".strip())
    lines = textwrap.wrap(joined, 68, break_long_words=False, break_on_hyphens=False)
    return "      $ " + " \\\n          ".join(lines).replace("\xa0", " ") + "\n"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Neural sequence model training via alpha-divergence minimisation.

    `run` runs the workflow, which calls the commands below it in their order; each can be called
    alone. The examples work in results/toy when the workflow has run. Help of one: train --help.
    Configurations are YAML or JSON files as config/README.md describes.
    """

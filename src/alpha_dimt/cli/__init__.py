"""The command line: thin, one function a command, heavy imports inside.

The workflow's rules reach the package only through these commands.
"""

import sys

import click

# Importing a module of commands adds them to the group.
from alpha_dimt.cli import experiment, prepare, score, show, train
from alpha_dimt.cli.ending import discard_output, pipe_closed, unforeseen
from alpha_dimt.cli.group import cli

__all__ = ["cli", "experiment", "main", "prepare", "score", "show", "train"]


def main() -> None:
    """Entry point: Ctrl-C exits with 130 and one line, a closed pipe with 141 and none.

    An unforeseen error is one line too; `python -X dev` shows its traceback.
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
        pipe_closed()
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        click.echo(f"Error: {unforeseen(error)}", err=True)
        discard_output()
        sys.exit(1)

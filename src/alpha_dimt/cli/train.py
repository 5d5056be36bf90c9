"""Commands that train and decode."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpha_dimt.cli.group import cli
from alpha_dimt.cli.options import DEVICE, FILE, FOLDER, NEW, RUN

if TYPE_CHECKING:
    from alpha_dimt.config.training import Device


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
    """Train one system with one seed, or resume from its last checkpoint.

    SIGTERM and SIGUSR1 stop it after the current update, with exit code 75; nothing is lost.
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
@DEVICE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def translate(
    run: Path, beam: int | None, threads: int | None, device: "Device", as_json: bool
) -> None:
    """Translate raw text from standard input, one sentence a line, as it arrives."""
    from alpha_dimt.core.progress import lines_bar
    from alpha_dimt.inference.translate import open_translator, translate_stream
    from alpha_dimt.machine.gpu_lease import lease
    from alpha_dimt.machine.processor import cores

    if sys.stdin.isatty():
        click.echo("type one sentence a line; Ctrl-D ends the input", err=True)
    with lease(device):
        translator = open_translator(run, beam=beam, threads=threads or cores(), device=device)
        stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
        with lines_bar(stdin, "translating") as bar:
            translate_stream(translator, stdin, stdout, as_json=as_json, block_done=bar.update)

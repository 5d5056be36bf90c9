"""Commands that train and decode."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpha_dimt.cli.group import cli
from alpha_dimt.cli.log import messages_in
from alpha_dimt.cli.options import DEVICE, DEVICES, FILE, FOLDER, NEW, RUN, THREADS

if TYPE_CHECKING:
    from alpha_dimt.config.training import Device


@cli.command()
@click.option(
    "--config",
    type=FILE,
    required=True,
    help="Configuration of the run (RunConfig); with --system, of a whole experiment.",
)
@click.option("--system", help="System of the experiment; needs --seed.")
@click.option("--seed", type=click.IntRange(0), help="Seed of the run; needs --system.")
@click.option("--encoded", type=FOLDER, help="Folder that `encode` wrote.  [see below]")
@click.option("--augmented", type=FILE, help="File that `augment` wrote; not for ml.  [see below]")
@click.option(
    "--start",
    type=FILE,
    help="Weights to start from, where the system does so.  [see below]",
)
@click.option("--state", type=NEW, help="Folder for checkpoints.  [see below]")
@click.option("--out", type=NEW, help="Folder of the run.  [see below]")
@click.option("--threads", type=click.IntRange(1), help="CPU threads to use.  [as configured]")
@click.option(
    "--device",
    type=DEVICES,
    help="Where to compute; auto is a GPU where there is one.  [as configured with --system, "
    "otherwise auto]",
)
@click.option(
    "--checkpoint-seconds",
    type=click.IntRange(1),
    help="From one checkpoint to the next; one more ends each epoch.  [as configured with "
    "--system, otherwise 180]",
)
@click.option(
    "--log", type=NEW, help="File for all messages; standard output then has one line an epoch."
)
def train(
    config: Path,
    system: str | None,
    seed: int | None,
    encoded: Path | None,
    augmented: Path | None,
    start: Path | None,
    state: Path | None,
    out: Path | None,
    threads: int | None,
    device: "Device | None",
    checkpoint_seconds: int | None,
    log: Path | None,
) -> None:
    """Train one system with one seed, or resume from its last checkpoint.

    With --system and --seed, all folders are by default those of the workflow, which must have
    prepared the data (`alpha-dimt run mine.yaml data`, and `augment` for candidates); the
    configuration of the run is written into its folder as config.json.

    SIGTERM and SIGUSR1 stop it after the current update, with exit code 75; nothing is lost.
    """
    from alpha_dimt.cli.one_run import RunFiles, of_experiment
    from alpha_dimt.config import RunConfig, load
    from alpha_dimt.config.training import CheckpointsConfig
    from alpha_dimt.core.files import write_text
    from alpha_dimt.machine.gpu_lease import lease
    from alpha_dimt.training.run import train_run

    given = RunFiles(encoded, augmented, start, state, out)
    own_device: Device = "auto"
    own_seconds = CheckpointsConfig().seconds
    if system is None and seed is None:
        run = load(RunConfig, config)
    elif system is None or seed is None:
        raise click.UsageError("--system and --seed go together")
    else:
        run, files, own_seconds = of_experiment(config, system, seed)
        given = given.filled(files)
        own_device = run.training.device
    if given.encoded is None or given.state is None or given.out is None:
        raise click.UsageError("without --system, --encoded, --state and --out are needed")
    device = device or own_device
    with lease(device), messages_in(log) as each_epoch:
        if system is not None:
            write_text(given.out / "config.json", run.canonical_json() + "\n")
        train_run(
            run,
            encoded=given.encoded,
            augmented=given.augmented,
            start=given.start,
            state=given.state,
            out=given.out,
            threads=threads or run.training.threads,
            device=device,
            checkpoint_seconds=checkpoint_seconds or own_seconds,
            each_epoch=each_epoch,
        )


@cli.command()
@click.option(
    "--config", type=FILE, required=True, help="Configuration of the decoding (Decoding)."
)
@click.option("--run", type=RUN, required=True, help="Folder of a trained run.")
@click.option("--encoded", type=FOLDER, required=True, help="Folder that `encode` wrote.")
@click.option("--split", type=click.Choice(["valid", "test"]), required=True)
@click.option("--out", type=NEW, required=True, help="File of hypotheses, one a line.")
@THREADS
@DEVICE
def decode(
    config: Path,
    run: Path,
    encoded: Path,
    split: str,
    out: Path,
    threads: int | None,
    device: "Device",
) -> None:
    """Translate a split by greedy or beam search."""
    from alpha_dimt.config import load
    from alpha_dimt.config.training import Decoding
    from alpha_dimt.inference.decode import decode_split
    from alpha_dimt.machine.gpu_lease import lease
    from alpha_dimt.machine.processor import cores

    with lease(device):
        decode_split(
            load(Decoding, config),
            run=run,
            encoded=encoded,
            split=split,
            out=out,
            threads=threads or cores(),
            device=device,
        )


@cli.command()
@click.option("--run", type=RUN, required=True, help="Folder of a trained run.")
@click.option("--beam", type=click.IntRange(1), help="Width; 1 is greedy.  [the experiment's]")
@THREADS
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

"""Kinds of arguments that several commands take."""

import os
from pathlib import Path
from typing import Any

import click

EXISTING = click.Path(exists=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW = click.Path(path_type=Path)


class RunFolder(click.Path):
    """The folder of a run; an error for a system's folder names its seeds."""

    def __init__(self) -> None:
        super().__init__(exists=True, file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the folder, a path, if it has a config.json."""
        folder = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not (folder / "config.json").exists():
            seeds = ", ".join(sorted(str(path.parent) for path in folder.glob("*/config.json")))
            self.fail(
                f"{folder}: this is not a run folder (it has no config.json); "
                + (f"name one of {seeds}" if seeds else "results/{corpus}/runs has some"),
                param,
                ctx,
            )
        return folder


class RunFolders(RunFolder):
    """The folder of a run, or that of a system, which stands for all of its seeds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the folders of the runs, a tuple of paths by seed."""
        folder = Path(os.fsdecode(value))
        seeds = [path.parent for path in folder.glob("seed*/config.json")]
        if not seeds:
            return (super().convert(value, param, ctx),)
        return tuple(sorted(seeds, key=lambda path: (len(path.name), path.name)))


def _flat(
    ctx: click.Context, param: click.Parameter, value: tuple[tuple[Path, ...], ...]
) -> tuple[Path, ...]:
    return tuple(folder for folders in value for folder in folders)


RUN = RunFolder()
RUNS = click.argument("runs", type=RunFolders(), nargs=-1, required=True, callback=_flat)
OPTIONAL_RUNS = click.argument("runs", type=RunFolders(), nargs=-1, callback=_flat)
THREADS = click.option("--threads", type=click.IntRange(1), help="CPU threads to use.  [all cores]")
DEVICES = click.Choice(["auto", "cpu", "cuda"])
DEVICE = click.option(
    "--device",
    type=DEVICES,
    default="auto",
    show_default=True,
    help="Where to compute; auto is a GPU where there is one.",
)

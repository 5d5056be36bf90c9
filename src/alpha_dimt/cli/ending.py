"""How a command ends that fails or is cut off."""

import os
import sys
import textwrap
import traceback
from pathlib import Path
from typing import NoReturn


def unforeseen(error: Exception) -> str:
    """Return a sentence about an error that no command handles."""
    reason = " ".join(str(error).split())
    way_out = "please report it"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # PyTorch's
        way_out = "give it more memory, or a smaller batch, corpus or model"
    elif isinstance(error, ModuleNotFoundError):
        way_out = "install it, or all that the workflow needs: pip install 'alpha-dimt[workflow]'"
    elif isinstance(error, OSError):
        way_out = "check who may read and write there, and that its disk has room"
        if error.filename is not None:
            reason = f"{os.fsdecode(error.filename)}: {error.strerror}"
    package = Path(__file__).parents[1]
    frames = traceback.extract_tb(error.__traceback__)
    # The last frame in this package; those after it are in libraries.
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
        "with the same arguments shows the traceback"
    )


def pipe_closed() -> NoReturn:
    """Exit because the reader of the output has gone, as after `| head`."""
    discard_output()
    sys.exit(141)


def discard_output() -> None:
    """Send the rest of the output nowhere: Python's last flush at exit would fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

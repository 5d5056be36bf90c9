"""The version of the code that trains."""

import subprocess
from pathlib import Path

from alpha_dimt import __version__


def code_version() -> str:
    """Return the package version, with the commit (and "dirty") when run from a checkout."""
    here = Path(__file__)

    def git(*arguments: str) -> str:
        answer = subprocess.run(
            ["git", *arguments], cwd=here.parent, capture_output=True, text=True, check=True
        )
        return answer.stdout.strip()

    try:
        # Fails for a copy in another project, which is not a checkout of this one.
        git("ls-files", "--error-unmatch", here.name)
        return f"{__version__}+g{git('describe', '--always', '--dirty', '--abbrev=12')}"
    except (OSError, subprocess.CalledProcessError):
        return __version__

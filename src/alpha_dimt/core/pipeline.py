"""Where the workflow is: in the wheel, or in the checkout that this package stands in."""

from importlib.util import find_spec
from pathlib import Path

from alpha_dimt.core.errors import UserError

_PACKAGE = Path(__file__).parents[1]


def pipeline_folder() -> Path:
    """Return the folder that has `workflow/` and `config/`."""
    installed = _PACKAGE / "pipeline"
    return installed if installed.is_dir() else _PACKAGE.parents[1]


def profile_folder(name: str) -> Path:
    """Return the folder of a profile of the workflow by its name, or a user's own by its path.

    Raises:
        UserError: there is no such profile.
    """
    ours = pipeline_folder() / "workflow/profiles"
    found = ours / name if (ours / name).is_dir() else Path(name)
    if not (found / "config.yaml").is_file():
        names = ", ".join(sorted(path.name for path in ours.iterdir()))
        raise UserError(f"{name}: there is no such profile; name one of {names}, or a folder")
    return found


def check_snakemake() -> None:
    """Check that Snakemake is installed, without loading it.

    Raises:
        UserError: it is not.
    """
    if find_spec("snakemake") is None:
        raise UserError("Snakemake is not installed; run pip install 'alpha-dimt[workflow]'")

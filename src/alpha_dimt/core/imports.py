"""Import what a configuration names by its path, `module:name`."""

from importlib import import_module
from typing import Any

from alpha_dimt.core.errors import UserError

IMPORT_PATH = r"^[\w.]+:\w+$"
"""The form of an import path, as a regular expression."""


def imported(path: str) -> Any:
    """Return the object that an import path names.

    Raises:
        UserError: the module cannot be imported, or has no such name.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        problem, way_out = str(error), "is the module's folder on PYTHONPATH?"
    except Exception as error:  # whatever other people's modules do when they are imported
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        way_out = "correct the module"
    raise UserError(f"{path} cannot be imported ({problem}); {way_out}")

"""Import what a configuration names by its path, `module:name`."""

import re
import sys
from collections.abc import Iterable
from importlib import import_module, metadata
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


def versions(paths: Iterable[str]) -> dict[str, str]:
    """Return the versions of other people's packages that import paths lead to, by their names.

    A package that is not installed is known by its `__version__`; one without any is left out.
    """
    packages = {re.split("[.:]", path)[0] for path in paths} - {"alpha_dimt"}
    owners = metadata.packages_distributions() if packages else {}
    found: dict[str, str] = {}
    for package in sorted(packages):
        names = owners.get(package, [])
        found |= {name: metadata.version(name) for name in names}
        version = getattr(sys.modules.get(package), "__version__", None)
        if not names and version is not None:
            found[package] = str(version)
    return found

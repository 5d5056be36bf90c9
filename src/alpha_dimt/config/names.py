"""Names that the outside must take: file systems, Python, MLflow.

What they would refuse at the end of an experiment is refused when its configuration is read.
"""

import keyword
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from alpha_dimt.config.base import Name

# What the project itself has in results/, and the files that SQLite puts beside a database.
_TAKEN = {"benchmarks", "downloads", "mlartifacts", "site", "slurm"}
_DATABASE = "mlflow.db"

_SERVER_OR_FILE = (
    "name a database (sqlite:///results/mlflow.db) or a server (http://127.0.0.1:5000)"
)
# Three slashes, then a path: with four it is absolute. Options come after a question mark.
_SQLITE = re.compile(r"sqlite:///(?!:memory:|file:|~)[^?#]*[^?#/](\?\w+=[^?#]*)?")


def _free_in_results(name: str) -> str:
    # Some file systems do not tell upper from lower case.
    if name.lower() in _TAKEN or name.lower().startswith(_DATABASE):
        raise ValueError(f"results/{name} is the project's own; choose another name")
    return name


def _keyword_argument(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(
            "options are keyword arguments of the function, so each needs a name that Python takes"
        )
    return name


def _tracking_uri(uri: str) -> str:
    if uri != uri.strip() or not uri.isprintable():
        raise ValueError("a URI has no spaces at its ends and no line breaks; remove them")
    if re.match(r"[\w.-]+:\d+(/|$)", uri):
        raise ValueError(f"a server's address begins with its scheme; write http://{uri}")
    scheme = uri.lower().partition(":")[0]
    if scheme == "file" or (":" not in uri and uri != "databricks"):
        raise ValueError(f"MLflow tracks neither in a folder nor here; {_SERVER_OR_FILE}")
    if scheme.partition("+")[0] == "sqlite" and not _SQLITE.fullmatch(uri):
        raise ValueError(
            "a SQLite database is written sqlite:///results/mlflow.db (in the project) or "
            "sqlite:////absolute/path/mlflow.db; no ~, #, ? or database in memory"
        )
    if scheme in ("http", "https"):
        _address(uri)
    return uri


def _address(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        complete = parts.hostname and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:  # a port that is no number
        complete = False
    if not complete:
        raise ValueError(
            "a server's address has a host, and at most a port and a path after it; "
            "write it as http://127.0.0.1:5000"
        )


CorpusName = Annotated[Name, AfterValidator(_free_in_results)]
FileName = Annotated[str, Field(pattern=r"^\w[\w.-]*$", max_length=100)]
OptionName = Annotated[str, Field(max_length=100), AfterValidator(_keyword_argument)]
TrackingUri = Annotated[str, AfterValidator(_tracking_uri)]

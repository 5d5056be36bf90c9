"""Check that runs can be logged, before the first of them is trained."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import unwritable
from alpha_dimt.tracking.store import (
    check_database,
    configure_mlflow,
    database_of,
    find_experiment,
    locked,
    refusals_of,
)

if TYPE_CHECKING:
    from requests import RequestException


def check_tracking(uri: str, experiment: str, receipt: Path) -> None:
    """Check what `track_runs` will need; create only folders and lock files.

    An unreachable server is only a warning, since it may be up when it is needed.

    Args:
        uri: MLflow tracking URI.
        experiment: name of the MLflow experiment.
        receipt: JSON file that `track_runs` will write.

    Raises:
        UserError: tracking would fail.
    """
    configure_mlflow()
    database = database_of(uri)
    if database and receipt.absolute().is_relative_to(database.absolute()):
        raise UserError(f"tracking.uri: {database} is a folder of the workflow; name a file")
    with locked(database or receipt):
        _writable((database or receipt).parent)
        if database and not database.exists():
            return  # created by the first upload
        with refusals_of(uri):
            if database:
                check_database(database)
            if reason := _unreachable(uri):
                print(
                    f"warning: MLflow at {uri} cannot be reached now ({reason}); tables and "
                    "figures will still be made, but tracking fails at the end unless it can be "
                    "reached by then"
                )
            else:
                _ask(uri, experiment)


def _ask(uri: str, experiment: str) -> None:
    from mlflow import MlflowClient

    find_experiment(MlflowClient(uri), experiment)


def _writable(folder: Path) -> None:
    """Raise an error if a folder cannot be written to; the only reliable test is to try."""
    probe = folder / f".writable.{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise unwritable(probe, error) from error


def _unreachable(uri: str) -> str | None:
    """Return why a server does not answer, or None if it does or this cannot be determined.

    MLflow itself would retry a database that is down for minutes.
    """
    from mlflow.store.db.db_types import DATABASE_ENGINES, SQLITE

    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme in ("http", "https"):
        return _unreachable_server(uri)
    if scheme == SQLITE or scheme not in DATABASE_ENGINES:
        return None
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError

    try:
        with create_engine(uri).connect():
            return None
    except OperationalError as error:
        return str(error.orig).partition("\n")[0]


def _unreachable_server(uri: str) -> str | None:
    import requests

    try:
        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=10)
    except requests.exceptions.SSLError:
        raise
    except (requests.ConnectionError, requests.Timeout) as error:
        return _reason(error)
    # These come from a proxy whose server is down.
    return f"status {answer.status_code}" if answer.status_code in (502, 503, 504) else None


def _reason(error: "RequestException") -> str:
    """Return the innermost reason; requests wraps it in the errors of three libraries."""
    cause: BaseException = error
    while cause.__context__ is not None:
        cause = cause.__context__
    return str(cause)

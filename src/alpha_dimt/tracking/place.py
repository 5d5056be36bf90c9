"""The experiment of MLflow that runs are logged to, and whose runs these are."""

import getpass
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpha_dimt.tracking.experiment_page import describe_experiment
from alpha_dimt.tracking.store import (
    artefacts_of,
    check_database,
    configure_mlflow,
    create_database,
    database_of,
    find_experiment,
    locked,
    refusals_of,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Place:
    """Where runs are uploaded to.

    Attributes:
        client: client of the server or database.
        experiment_id: id of the experiment in MLflow.
        owner: owner of the runs to find and replace; other owners' runs are not touched.
    """

    client: "MlflowClient"
    experiment_id: str
    owner: str

    def runs(self, condition: str = "") -> list[Any]:
        """Return the owner's runs that satisfy a condition in MLflow's language; all by default."""
        found: list[Any] = []
        token: str | None = ""
        while token is not None:
            page = self.client.search_runs(
                [self.experiment_id], condition, page_token=token or None
            )
            found += page
            token = page.token or None
        # Here, because no condition can contain a path with quotation marks of both kinds.
        return [run for run in found if run.data.tags.get("owner") == self.owner]


@contextmanager
def opened(uri: str, experiment: str, *, results: Path, receipt: Path) -> Iterator[Place]:
    """Yield the experiment with this name, and keep other uploaders out meanwhile.

    A missing SQLite database or experiment is created, and the experiment described.

    Args:
        uri: MLflow tracking URI.
        experiment: name of the experiment.
        results: results folder of the corpus, whose runs are the owner's.
        receipt: the lock is beside the database or, with a server, beside this file.

    Raises:
        UserError: MLflow cannot be used, or the experiment was deleted.
    """
    configure_mlflow()
    from mlflow import MlflowClient

    database = database_of(uri)
    with locked(database or receipt), refusals_of(uri):
        if database and database.exists():
            check_database(database)
        elif database:
            create_database(database)
        client = MlflowClient(uri)
        found = find_experiment(client, experiment)
        if found is None:
            # Absolute: otherwise it would be below the caller's working directory.
            location = artefacts_of(database) if database else None
            found = str(client.create_experiment(experiment, location))
        describe_experiment(client, found, time.time_ns() // 1_000_000)
        yield Place(client, found, owner_of(results))


def owner_of(results: Path) -> str:
    """Return user and results folder, which identify the uploads that may replace each other."""
    return f"{user()}:{os.path.normpath(results.absolute())}"


def user() -> str:
    """Return the name of the user who runs this process, or the number of one without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as in a container
        return str(os.getuid())

"""Where runs are logged: a SQLite database or a server, and checks of its state."""

import errno
import fcntl
import importlib.util
import os
import sqlite3
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import atomic_path, unwritable

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SQLITE = "sqlite:///"
# Errors of a file system without locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


def configure_mlflow() -> None:
    """Set the environment variables that MLflow reads when it is imported or first used.

    Retries and time-outs are short: a server that is down must not block.

    Raises:
        UserError: MLflow cannot run from its install location.
    """
    # MLflow does not escape per cent signs in its own path, and alembic interpolates them.
    spec = importlib.util.find_spec("mlflow")
    if spec is not None and "%" in str(spec.origin):
        raise UserError(
            f"{Path(str(spec.origin)).parent}: MLflow cannot run from a path with a per cent "
            "sign; install the environment elsewhere (make VENV=/path/venv)"
        )
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")


@contextmanager
def refusals_of(uri: str) -> Iterator[None]:
    """Turn errors of MLflow, a database or the system into one sentence that names the URI."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    # ImportError: the driver of a database is missing.
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        # The first line only: the others are SQL.
        reason = str(error).partition("\n")[0].strip().rstrip(".")
        reason = textwrap.shorten(reason, 350, placeholder="...")
        raise UserError(
            f"MLflow at {uri} cannot be used ({reason}); check that the address (tracking.uri) "
            "is right, its server is running and its disk is not full, then track again"
        ) from error


def database_of(uri: str) -> Path | None:
    """Return the path in a SQLite URI, as written; None for other URIs.

    Raises:
        UserError: the path is a folder.
    """
    if not uri.startswith(_SQLITE):
        return None
    database = Path(uri.removeprefix(_SQLITE).partition("?")[0])
    if database.is_dir():  # SQLite would retry for minutes
        raise UserError(f"{database}: tracking.uri must name a file, but this is a folder")
    return database


def artefacts_of(database: Path) -> str:
    """Return the URI of the artefact folder, which is beside the database."""
    return (database.absolute().parent / "mlartifacts").as_uri()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Allow one uploader at a time; the kernel releases the lock when the process ends.

    Raises:
        UserError: the folder cannot be written to, or its file system has no locks.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise unwritable(lock, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            raise UserError(
                f"{path.parent}: this file system has no locks ({error.strerror}), and without "
                "them two uploads would corrupt each other; put results/ on a local disk, or "
                "mount the file system with locks"
            ) from error
        yield


def create_database(database: Path) -> None:
    """Create a SQLite database with MLflow's tables, atomically.

    MLflow would create it on first use, but leaves a broken one if interrupted.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with atomic_path(database) as temporary:
        # A relative path stays relative: a question mark in a folder's name would end the URI.
        uri = f"{_SQLITE}{database.with_name(temporary.name)}"
        store = SqlAlchemyStore(uri, artefacts_of(database))
        store.engine.dispose()


def check_database(database: Path) -> None:
    """Check that the installed MLflow can use a SQLite database; change nothing.

    Raises:
        UserError: the file is not SQLite or is damaged, or it belongs to another application or
            another version of MLflow.
    """
    place = f"{database}: this is not a database that MLflow can use"
    way_out = "move it away, or name another file in tracking.uri"
    try:
        tables, revision = _tables_and_revision(database)
    except sqlite3.Error as error:
        raise UserError(f"{place} ({error}); {way_out}") from error
    if not tables:
        return  # empty: MLflow fills it
    if revision is None or "experiments" not in tables:
        raise UserError(
            f"{place}: its tables ({_some(tables)}) belong to another application or are "
            f"incomplete; {way_out}"
        )
    known, newest = _revisions()
    if revision == newest:
        return
    import mlflow

    if revision in known:
        raise UserError(
            f"{place}: it was written by an older MLflow than {mlflow.__version__}; back it up, "
            f"then run `mlflow db upgrade {_SQLITE}{database}`"
        )
    raise UserError(
        f"{place}: it was written by a newer MLflow than {mlflow.__version__} (revision "
        f"{revision}); {way_out}"
    )


def _tables_and_revision(database: Path) -> tuple[set[str], str | None]:
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        # Reads every page but no index: less than a second for 100 MB.
        [[health]] = connection.execute("PRAGMA quick_check(1)")
        if health != "ok":
            raise sqlite3.DatabaseError(f"damaged: {' '.join(health.split())}")
        if "alembic_version" not in tables:
            return tables, None
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return tables, found and found[0]
    finally:
        connection.close()


def _revisions() -> tuple[set[str], str]:
    """Return the database revisions known to the installed MLflow, and the newest."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    scripts = ScriptDirectory.from_config(_get_alembic_config(db_url=""))
    return {script.revision for script in scripts.walk_revisions()}, str(scripts.get_current_head())


def _some(names: set[str]) -> str:
    return textwrap.shorten(", ".join(sorted(names)), 60, placeholder="...")


def find_experiment(client: "MlflowClient", name: str) -> str | None:
    """Return the id of an experiment, or None if no experiment has this name.

    Raises:
        UserError: the experiment was deleted.
    """
    found: Any = client.get_experiment_by_name(name)
    if found is None:
        return None
    if found.lifecycle_stage == "deleted":
        raise UserError(
            f"the MLflow experiment {name!r} was deleted; restore it "
            f"(`mlflow experiments restore -x {found.experiment_id}`) or rename the corpus"
        )
    return str(found.experiment_id)

"""Tracking that would fail at the end of an experiment is refused at its start."""

import errno
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import unittest.mock
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from small_disk import SmallDisk
from tracked_runs import make_run

from alpha_dimt.core.errors import UserError
from alpha_dimt.tracking.ready import check_tracking
from alpha_dimt.tracking.store import create_database
from alpha_dimt.tracking.upload import track_runs


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    create_database(path)
    return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose path would end early in a URI; the working directory."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry

    # MLflow keeps what it opened by URI, and these are relative.
    monkeypatch.setattr(SqlAlchemyStore, "_engine_map", {})
    _tracking_store_registry._get_store_with_resolved_uri.cache_clear()
    folder = tmp_path / "a b?c#d%20e&f'g ü"
    (folder / "results").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


DATABASE = Path("results/mlflow.db")
RECEIPT = Path("results/toy/tracking.json")


def check(uri: str = f"sqlite:///{DATABASE}", receipt: Path = RECEIPT) -> None:
    check_tracking(uri, "toy", receipt)


def refused(match: str, *arguments: Any) -> None:
    with pytest.raises(UserError, match=match) as caught:
        check(*arguments)
    assert "\n" not in str(caught.value)


def sqlite(*statements: str, path: Path = DATABASE) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_database_to_come_needs_no_mlflow(project: Path):
    code = "import sys; from alpha_dimt.cli import main; sys.argv[1:] = {}; main()"
    arguments = ["check-tracking", "--uri", f"sqlite:///{DATABASE}", "--experiment", "toy"]
    code = code.format([*arguments, "--receipt", str(RECEIPT)])
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True
    )

    assert result.returncode == 0, result.stderr
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "alpha_dimt.tracking.ready" in loaded
    assert not loaded & {"mlflow", "sqlalchemy", "requests"}
    assert not DATABASE.exists()


def test_mlflows_own_database_is_taken_and_not_touched(project: Path, template: Path):
    shutil.copy(template, DATABASE)
    before = DATABASE.read_bytes()
    check()
    assert DATABASE.read_bytes() == before
    # Nothing beside the folder, and in it the database and its lock alone.
    assert [path.name for path in project.parent.iterdir()] == [project.name]
    assert {path.name for path in project.rglob("*")} == {"results", "mlflow.db", ".mlflow.db.lock"}


def test_a_new_database_stays_inside_the_project(project: Path):
    create_database(DATABASE)
    check()
    assert [path.name for path in project.parent.iterdir()] == [project.name]
    from mlflow import MlflowClient

    [experiment] = MlflowClient(f"sqlite:///{DATABASE}").search_experiments()
    assert experiment.artifact_location.startswith((project / "results/mlartifacts").as_uri())


def test_another_applications_database_is_left_alone(project: Path):
    sqlite("CREATE TABLE my_notes (text)", "INSERT INTO my_notes VALUES ('dear')")
    before = DATABASE.read_bytes()
    refused(
        r"mlflow\.db: this is not a database .*tables \(my_notes\) belong to another application"
    )
    with pytest.raises(UserError, match="belong to another application"):
        track_one(project)
    assert DATABASE.read_bytes() == before


def track_one(project: Path) -> None:
    run = make_run(project / "results/toy", "ml", 1)
    track_runs([run], uri=f"sqlite:///{DATABASE}", experiment="toy", receipt=RECEIPT)


def test_runs_are_logged_inside_such_a_project(project: Path, template: Path):
    shutil.copy(template, DATABASE)
    track_one(project)
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

    assert [path.name for path in project.parent.iterdir()] == [project.name]
    client = MlflowClient(f"sqlite:///{DATABASE}")
    experiment = client.get_experiment_by_name("toy")
    [run] = client.search_runs([experiment.experiment_id], "tags.kind = 'run'")
    names = {path.name for path in (project / "results/mlartifacts").rglob("*")}
    assert {"config.json", "best.safetensors", "translations.json", "MLmodel"} <= names
    listed = {entry.path for entry in client.list_artifacts(run.info.run_id)}
    assert {"config.json", "hypotheses"} <= listed
    [model] = client.search_logged_models([experiment.experiment_id])
    assert "MLmodel" in {entry.path for entry in client.list_logged_model_artifacts(model.model_id)}
    copy = download_artifacts(
        run_id=run.info.run_id, artifact_path="config.json", tracking_uri=f"sqlite:///{DATABASE}"
    )
    assert (
        Path(copy).read_bytes() == (project / "results/toy/runs/ml/seed1/config.json").read_bytes()
    )


def test_databases_of_other_versions(project: Path, template: Path):
    shutil.copy(template, DATABASE)
    sqlite("UPDATE alembic_version SET version_num = 'abcdef123456'")
    refused(r"written by a newer MLflow than 3\.17\.2 \(revision abcdef123456\); move it away")
    sqlite("UPDATE alembic_version SET version_num = '451aebb31d03'")
    refused("written by an older MLflow .* `mlflow db upgrade sqlite:///results/mlflow.db`")
    with pytest.raises(UserError, match="older MLflow"):
        track_one(project)


@pytest.mark.parametrize("damage", ["text", "cut", "a page", "tables"])
def test_a_damaged_database(project: Path, template: Path, damage: str):
    shutil.copy(template, DATABASE)
    match damage:
        case "text":
            DATABASE.write_text("something else" * 100, encoding="utf-8")
        case "cut":
            os.truncate(DATABASE, DATABASE.stat().st_size // 2)
        case "a page":
            with DATABASE.open("r+b") as file:
                file.seek(5 * 4096)
                file.write(b"\xff" * 4096)
        case "tables":
            sqlite("DROP TABLE alembic_version")
    refused("this is not a database that MLflow can use")


def test_mlflow_in_a_place_that_it_cannot_work_from(project: Path):
    spec = ModuleSpec("mlflow", None, origin="/home/100%/.venv/lib/mlflow/__init__.py")
    with unittest.mock.patch("importlib.util.find_spec", return_value=spec):
        refused("/home/100%/.venv/lib/mlflow: MLflow cannot run from a path with a per cent sign")


def test_an_empty_file_is_filled(project: Path):
    DATABASE.touch()
    check()


def test_a_deleted_experiment(project: Path, template: Path):
    from mlflow import MlflowClient

    shutil.copy(template, DATABASE)
    client = MlflowClient(f"sqlite:///{DATABASE}")
    client.delete_experiment(client.create_experiment("toy"))
    refused(r"the MLflow experiment 'toy' was deleted; restore it \(`mlflow experiments restore")


@pytest.mark.parametrize("name", ["results/toy", "results", "results/toy/tracking.json"])
def test_a_database_in_the_place_of_the_workflows_own(project: Path, name: str):
    refused("tracking.uri", f"sqlite:///{name}")
    assert not Path("results/toy").exists()


def test_a_folder_in_the_place_of_the_database(project: Path):
    DATABASE.mkdir()
    refused("must name a file, but this is a folder")


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, small_disk: SmallDisk):
    small_disk.read_only()
    place = small_disk.folder / "mlflow.db"
    refused("cannot be written .Read-only file system", f"sqlite:///{place}")
    refused(
        "cannot be written .Read-only file system", "http://127.0.0.1:9", small_disk.folder / "x"
    )


def test_a_folder_that_cannot_be_made(project: Path):
    Path("file").touch()
    refused(r"file/\.mlflow\.db\.lock: cannot be written", "sqlite:///file/mlflow.db")


@pytest.mark.parametrize("uri", [f"sqlite:///{DATABASE}", "http://127.0.0.1:9"])
def test_a_file_system_without_locks(project: Path, monkeypatch: pytest.MonkeyPatch, uri: str):
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    refused(r"results.*: this file system has no locks \(No locks available\)", uri)


@contextmanager
def serving(status: int, body: bytes = b"{}", delay: float = 0) -> Iterator[str]:
    """Serve one answer to everything; yield the address."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(delay)
            self.send_response(200 if self.path == "/health" and status != 503 else status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_a_server_that_is_not_there_yet_is_a_warning(project: Path, capsys: Any):
    for uri in ("http://127.0.0.1:9", "http://no-such-host.invalid:5000"):
        check(uri)
        [line] = capsys.readouterr().out.splitlines()
        assert line.startswith(f"warning: MLflow at {uri} cannot be reached now (")
        assert "<" not in line
    with serving(503) as uri:  # a proxy
        check(uri)
        assert "cannot be reached now (status 503)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b'{"error_code": "UNAUTHENTICATED", "message": "who are you"}'),
        (403, b"<html>forbidden</html>"),
        (200, b"<html>Please log in</html>"),
        (404, b"not found"),
        (500, b"out of order"),
    ],
)
def test_a_server_that_refuses_is_an_error(project: Path, status: int, body: bytes):
    with serving(status, body) as uri:
        refused(f"MLflow at {uri} cannot be used", uri)


def test_a_server_without_tls(project: Path):
    with serving(200) as uri:
        refused("cannot be used .*SSL", uri.replace("http", "https"))


def test_what_nothing_is_installed_for(project: Path):
    refused("cannot be used", "nonsense://host/x")
    refused("cannot be used .*No module named", "mysql+pymysql://host/x")

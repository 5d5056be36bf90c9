"""Tracking against a real MLflow server that comes and goes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tracked_runs import EPOCHS, START, make_run

from alpha_dimt.core.errors import UserError
from alpha_dimt.tracking.store import create_database
from alpha_dimt.tracking.upload import track_runs

pytestmark = pytest.mark.slow

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # One process of 0.4 GB instead of five.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """A real server with one worker; what it stores outlives it."""

    def __init__(self, folder: Path, template: Path) -> None:
        shutil.copy(template, folder / "mlflow.db")
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", "127.0.0.1", "--port", str(self.port)),
                *("--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"),
                *("--artifacts-destination", str(self.folder / "mlartifacts")),
            ],
            cwd=self.folder,
            env=os.environ | SETTINGS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(600):
            assert self.process.poll() is None, "the MLflow server ended by itself"
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the MLflow server was not ready within a minute")

    def kill(self) -> None:
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def track(self, *runs: Path, experiment: str) -> dict[str, str]:
        receipt = self.folder / f"{experiment}.json"
        track_runs(runs, uri=self.uri, experiment=experiment, receipt=receipt)
        logged: dict[str, str] = json.loads(receipt.read_text())["runs"]
        return logged

    def assert_whole(self, experiment: str, logged: dict[str, str]) -> None:
        """Check that the runs of an experiment are those of the receipt, each complete, once."""
        from mlflow import MlflowClient

        client = MlflowClient(self.uri)
        found = client.get_experiment_by_name(experiment)
        runs = client.search_runs([found.experiment_id], "tags.kind = 'run'")
        assert sorted(run.info.run_id for run in runs) == sorted(logged.values())
        (parent,) = client.search_runs([found.experiment_id], "tags.kind = 'system'")
        assert parent.info.status == "FINISHED"
        assert parent.data.metrics["seeds"] == len(runs)
        assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {parent.info.run_id}
        for run in runs:
            assert run.info.status == "FINISHED"
            history = client.get_metric_history(run.info.run_id, "valid_bleu_greedy")
            assert [(point.step, point.timestamp) for point in history] == [
                (epoch, START + 1000 * epoch) for epoch in range(1, EPOCHS + 1)
            ]
            names = {entry.path for entry in client.list_artifacts(run.info.run_id)}
            assert {"config.json", "translations.json", "hypotheses", "scores"} <= names
            assert len(client.list_artifacts(run.info.run_id, "scores")) == 3
        models = client.search_logged_models([found.experiment_id])
        assert sorted(model.source_run_id for model in models) == sorted(logged.values())
        for model in models:
            assert model.status == "READY"
            scores = {(score.key, score.dataset_digest): score.value for score in model.metrics}
            assert scores["test_bleu_beam", "ef" * 18] == 60.0
            names = {entry.path for entry in client.list_logged_model_artifacts(model.model_id)}
            assert {"MLmodel", "mlflow_model.py", "artifacts"} <= names


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    template = tmp_path_factory.mktemp("template") / "mlflow.db"
    create_database(template)
    running = Server(tmp_path_factory.mktemp("server"), template)
    running.start()
    yield running
    running.kill()


def after_call(
    monkeypatch: pytest.MonkeyPatch, method: str, calls: int, action: Callable[[], None]
) -> None:
    """Let something happen after a number of calls of a method of MLflow's client."""
    from mlflow import MlflowClient

    original, done = getattr(MlflowClient, method), 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal done
        result = original(*args, **kwargs)
        done += 1
        if done == calls:
            action()
        return result

    monkeypatch.setattr(MlflowClient, method, counted)


@pytest.mark.parametrize(
    ("method", "calls"),
    [
        ("create_run", 1),
        ("log_batch", 2),
        ("log_artifact", 4),
        ("log_model_artifacts", 1),
        ("set_terminated", 2),
        ("set_tag", 4),  # the parent is there, and one child has it
    ],
)
def test_an_uploader_killed_at_any_step_leaves_no_double(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, calls: int
) -> None:
    runs = [make_run(tmp_path, "alpha0.5", seed) for seed in (1, 2)]
    experiment = f"killed-{method}-{calls}"
    import mlflow  # noqa: F401 (once, and not in every child)

    child = os.fork()
    if not child:
        after_call(monkeypatch, method, calls, lambda: os.kill(os.getpid(), signal.SIGKILL))
        server.track(*runs, experiment=experiment)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert not (server.folder / f"{experiment}.json").exists()

    logged = server.track(*runs, experiment=experiment)
    server.assert_whole(experiment, logged)


@pytest.mark.parametrize(
    ("method", "calls"), [("log_batch", 1), ("log_artifact", 3), ("create_run", 3)]
)
def test_a_server_killed_during_the_upload_is_caught_up_with(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, calls: int
) -> None:
    runs = [make_run(tmp_path, "alpha0.5", seed) for seed in (1, 2)]
    experiment = f"gone-{method}-{calls}"
    with monkeypatch.context() as patch:
        after_call(patch, method, calls, server.kill)
        with pytest.raises(UserError, match=r"MLflow at http://127.*cannot be used") as caught:
            server.track(*runs, experiment=experiment)
    assert "\n" not in str(caught.value)
    # Still down: the same sentence.
    with pytest.raises(UserError, match=r"MLflow at http://127.*cannot be used"):
        server.track(*runs, experiment=experiment)
    assert not (server.folder / f"{experiment}.json").exists()

    server.start()
    logged = server.track(*runs, experiment=experiment)
    server.assert_whole(experiment, logged)
    assert server.track(*runs, experiment=experiment) == logged
    server.assert_whole(experiment, logged)

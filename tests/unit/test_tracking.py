import json
import shutil
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_disk import SmallDisk

from alpha_dimt.config import Experiment, parse
from alpha_dimt.errors import UserError
from alpha_dimt.files import write_json, write_lines
from alpha_dimt.tracking import (
    LARGEST_WEIGHTS,
    epoch_points,
    flatten,
    read_record,
    track_runs,
)

CONFIG = Path(__file__).parents[2] / "config" / "config.yaml"
START = 1_790_000_000_000
EPOCHS = 3


class Interrupted(BaseException):
    """Stands for a kill: nothing in the project catches it."""


def make_run(root: Path, system: str, seed: int, bleu: float = 60.0) -> Path:
    """Write the folder of a finished run as the stages before would."""
    experiment = parse(Experiment, yaml.safe_load(CONFIG.read_text()), str(CONFIG))
    config = experiment.run_config(system, seed)
    folder = root / system / f"seed{seed}"
    write_json(folder / "config.json", config.model_dump(mode="json"))
    records = [
        {
            "time_ms": START + 1000 * epoch,
            "epoch": epoch,
            "step": 200 * epoch,
            "metrics": {"train_nll_per_token": 4 / epoch, "valid_bleu_greedy": bleu - 3 + epoch},
            "timing": {"epoch_seconds": 1.5},
        }
        for epoch in range(1, EPOCHS + 1)
    ]
    write_lines(folder / "metrics.jsonl", [json.dumps(record) for record in records])
    write_json(
        folder / "run.json",
        {
            "run_key": config.fingerprint(),
            "system": system,
            "seed": seed,
            "corpus": "toy",
            "code_version": "0.1.0",
            "data": {"train.arrow": "ab" * 32},
            "machine": {},
            "libraries": {},
            "threads": 1,
            "precision": "fp32",
            "parameters": 1234,
            "best": {"epoch": EPOCHS, "valid_bleu_greedy": bleu},
            "epochs": EPOCHS,
            "stopped": "max_epochs",
            "wall_seconds": 3.5,
            "started_ms": START,
            "ended_ms": START + 5000,
        },
    )
    (folder / "best.safetensors").write_bytes(b"weights")
    for name in ("valid.greedy", "test.greedy", "test.beam"):
        write_lines(folder / "hypotheses" / f"{name}.txt", ["a b", "c d"])
        scores = {
            key: {"metric": key, "value": bleu + index}
            for index, key in enumerate(("multi_bleu", "sacrebleu", "chrf", "ter"))
        }
        write_json(folder / "scores" / f"{name}.json", {"scores": scores})
    return folder


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, made once: that takes seconds."""
    from alpha_dimt import tracking

    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    tracking._create_database(path)
    return path


class Store:
    """A tracking database of one test, and what is in it."""

    def __init__(self, folder: Path, template: Path) -> None:
        folder.mkdir()
        shutil.copy(template, folder / "mlflow.db")
        self.folder = folder
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.receipt = folder / "tracking.json"

    def track(self, *runs: Path) -> dict[str, str]:
        track_runs(runs, uri=self.uri, experiment="toy", receipt=self.receipt)
        logged: dict[str, str] = json.loads(self.receipt.read_text())["runs"]
        return logged

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def runs(self) -> list[Any]:
        experiment = self.client.get_experiment_by_name("toy")
        return list(self.client.search_runs([experiment.experiment_id]))


@pytest.fixture
def store(tmp_path: Path, database: Path) -> Store:
    return Store(tmp_path / "a folder", database)


def assert_complete(store: Store, run: Any, bleu: float = 60.0) -> None:
    assert run.info.status == "FINISHED"
    assert (run.info.start_time, run.info.end_time) == (START, START + 5000)
    assert run.data.params["objective.alpha"] == "0.5"
    assert run.data.params["training.max_epochs"] == "12"
    assert run.data.metrics["test_bleu_greedy"] == bleu
    assert run.data.metrics["test_sacrebleu_beam"] == bleu + 1
    assert run.data.metrics["valid_bleu_greedy_best"] == bleu
    history = store.client.get_metric_history(run.info.run_id, "valid_bleu_greedy")
    assert [(point.step, point.timestamp) for point in history] == [
        (epoch, START + 1000 * epoch) for epoch in range(1, EPOCHS + 1)
    ]
    artefacts = Path(store.folder, "mlartifacts", run.info.run_id, "artifacts")
    names = {str(path.relative_to(artefacts)) for path in artefacts.rglob("*") if path.is_file()}
    searches = ("valid.greedy", "test.greedy", "test.beam")
    assert names == {
        *("config.json", "run.json", "metrics.jsonl", "best.safetensors"),
        *(f"hypotheses/{search}.txt" for search in searches),
        *(f"scores/{search}.json" for search in searches),
    }


def test_logs_everything_and_a_second_call_changes_nothing(store: Store, tmp_path: Path) -> None:
    runs = [make_run(tmp_path, "alpha0.5", seed) for seed in (1, 2)]
    first = store.track(*runs)
    assert set(first) == {str(run) for run in runs}
    before = store.runs()
    for run in before:
        assert_complete(store, run)
    assert {run.info.run_name for run in before} == {"alpha0.5 seed1", "alpha0.5 seed2"}
    tags = before[0].data.tags
    assert (tags["objective"], tags["alpha"], tags["tau"]) == ("alpha", "0.5", "3.0")
    assert (tags["corpus"], tags["code_version"]) == ("toy", "0.1.0")
    assert tags["data.train.arrow"] == "ab" * 32

    assert store.track(*runs) == first
    assert [run.to_dictionary() for run in store.runs()] == [run.to_dictionary() for run in before]


@pytest.mark.parametrize(
    ("method", "calls"),
    [
        ("create_run", 1),
        ("log_batch", 1),  # parameters
        ("log_batch", 2),  # metrics
        ("log_artifact", 4),
        ("log_artifact", 10),  # all
        ("set_terminated", 1),
        ("set_tag", 1),
    ],
)
def test_killed_after_any_step_and_repeated(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, calls: int
) -> None:
    from mlflow import MlflowClient

    run = make_run(tmp_path, "alpha0.5", 1)
    original = getattr(MlflowClient, method)
    done = 0

    def killed_after(*args: Any, **kwargs: Any) -> Any:
        nonlocal done
        result = original(*args, **kwargs)
        done += 1
        if done == calls:
            raise Interrupted
        return result

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, method, killed_after)
        with pytest.raises(Interrupted):
            store.track(run)
    assert not store.receipt.exists()
    (half,) = store.runs()
    logged = store.track(run)
    assert logged == {str(run): half.info.run_id}
    (whole,) = store.runs()
    assert_complete(store, whole)


def test_a_request_that_arrived_twice_makes_one_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    original = MlflowClient.create_run

    def twice(*args: Any, **kwargs: Any) -> Any:
        original(*args, **kwargs)  # its answer was lost on the way, so MLflow's client asks again
        return original(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "create_run", twice)
    run = make_run(tmp_path, "alpha0.5", 1)
    logged = store.track(run)
    (whole,) = store.runs()
    assert logged == {str(run): whole.info.run_id}
    assert_complete(store, whole)


@pytest.mark.parametrize("half_done", [False, True])
def test_a_changed_run_is_replaced(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half_done: bool
) -> None:
    from mlflow import MlflowClient

    run = make_run(tmp_path, "alpha0.5", 1)
    with monkeypatch.context() as patch:
        if half_done:
            patch.setattr(MlflowClient, "log_artifact", lambda *_: (_ for _ in ()).throw(KeyError))
            with pytest.raises(KeyError):
                store.track(run)
        else:
            store.track(run)
    (old,) = store.runs()
    make_run(tmp_path, "alpha0.5", 1, bleu=61.0)
    store.track(run)
    (new,) = store.runs()
    assert new.info.run_id != old.info.run_id
    assert_complete(store, new, bleu=61.0)


def test_another_configuration_is_another_run(store: Store, tmp_path: Path) -> None:
    runs = [make_run(tmp_path, system, 1) for system in ("ml", "alpha0.5")]
    store.track(runs[0])
    store.track(*runs)
    assert len(store.runs()) == 2


def test_large_weights_stay_in_the_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path, "ml", 1)
    small = read_record(run)
    with (run / "best.safetensors").open("r+b") as file:
        file.truncate(LARGEST_WEIGHTS + 1)
    large = read_record(run)
    assert {path.name for path, _ in small.files} - {path.name for path, _ in large.files} == {
        "best.safetensors"
    }
    assert small.sha != large.sha
    assert small.tags["weights_sha256"] != large.tags["weights_sha256"]


def test_a_fresh_database_is_whole_or_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.store.tracking import sqlalchemy_store

    run = make_run(tmp_path, "ml", 1)
    folder = tmp_path / "results"
    arguments: dict[str, Any] = {
        "uri": f"sqlite:///{folder / 'mlflow.db'}",
        "experiment": "toy",
        "receipt": folder / "toy" / "tracking.json",
    }

    def killed(*_: Any) -> None:
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(sqlalchemy_store.SqlAlchemyStore, "_initialize_store_state", killed)
        with pytest.raises(Interrupted):
            track_runs([run], **arguments)
    assert [path.name for path in folder.iterdir()] == [".mlflow.db.lock"]
    track_runs([run], **arguments)
    experiment = MlflowClient(arguments["uri"]).get_experiment_by_name("toy")
    assert experiment.artifact_location == (folder / "mlartifacts").as_uri()


def test_a_server_that_is_down_is_one_sentence_within_seconds(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = make_run(tmp_path, "ml", 1)
    receipt = tmp_path / "tracking.json"
    start = time.monotonic()
    with pytest.raises(UserError, match=rf"MLflow at http://127\.0\.0\.1:{port} cannot") as caught:
        track_runs([run], uri=f"http://127.0.0.1:{port}", experiment="toy", receipt=receipt)
    assert time.monotonic() - start < 10
    assert "\n" not in str(caught.value)
    assert not receipt.exists()


def test_unfinished_runs_are_named_before_mlflow_is_touched(tmp_path: Path) -> None:
    run = make_run(tmp_path, "ml", 1)
    receipt = tmp_path / "tracking.json"
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (run / "best.safetensors").unlink()
    with pytest.raises(UserError, match=r"best\.safetensors: there is no such file"):
        track_runs([run], uri=uri, experiment="toy", receipt=receipt)
    (run / "run.json").unlink()
    with pytest.raises(UserError, match=r"run\.json: there is no such file"):
        track_runs([run], uri=uri, experiment="toy", receipt=receipt)
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("run.json", "[]", "not what a run writes"),
        ("run.json", "{}", "lack the key 'run_key'"),
        ("run.json", '{"a": ' * 5000, r"run\.json:\d+: this is not valid JSON"),
        ("run.json", '{"run_key": "0123456789abcdef"}', "of another configuration"),
        ("config.json", "[]", r"config\.json: the file"),
        ("config.json", "{}", "this key is required"),
        ("metrics.jsonl", "[]\n", r"metrics\.jsonl:1: "),
        ("metrics.jsonl", '{"metrics": {"x": null}, "time_ms": 1, "epoch": 1}\n', "jsonl:1: "),
        ("scores/test.greedy.json", "[]", "not what a run writes"),
        (
            "scores/test.greedy.json",
            '{"scores": {"bleurt": {"value": 1}}}',
            "lack the key 'bleurt'",
        ),
        ("scores/test.greedy.json", '{"scores": {"ter": {"value": "x"}}}', "not what a run writes"),
        ("scores/notes.json", "{}", "not what a run writes"),
    ],
)
def test_a_folder_that_is_no_run_of_ours(
    tmp_path: Path, file: str, content: str, message: str
) -> None:
    run = make_run(tmp_path, "ml", 1)
    (run / file).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        read_record(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", ["no database", "a folder", "a new file", "its artefacts"])
def test_a_database_that_cannot_be_used(
    tmp_path: Path, database: Path, small_disk: SmallDisk, fault: str
) -> None:
    run = make_run(tmp_path, "ml", 1)
    place = tmp_path / "mlflow.db"
    match fault:
        case "no database":
            place.write_bytes(b"something else" * 100)
        case "a folder":
            place.mkdir()
        case "a new file":
            place = small_disk.folder / "mlflow.db"
            small_disk.fill(leave=100_000)
        case "its artefacts":
            shutil.copy(database, small_disk.folder)
            place = small_disk.folder / "mlflow.db"
            (run / "best.safetensors").write_bytes(bytes(2**20))
            small_disk.fill(leave=200_000)
    receipt = tmp_path / "tracking.json"
    with pytest.raises(UserError) as caught:
        track_runs([run], uri=f"sqlite:///{place}", experiment="toy", receipt=receipt)
    assert "\n" not in str(caught.value)
    assert str(place) in str(caught.value)
    assert not receipt.exists()
    if fault == "a new file":
        assert not place.exists()


def test_a_receipt_that_cannot_be_written(tmp_path: Path, small_disk: SmallDisk) -> None:
    run = make_run(tmp_path, "ml", 1)
    small_disk.read_only()
    receipt = small_disk.folder / "tracking.json"
    with pytest.raises(UserError, match=r"cannot be written \(Read-only file system\)"):
        track_runs([run], uri="http://127.0.0.1:1", experiment="toy", receipt=receipt)


@pytest.mark.parametrize("answer", [b"<html>Please log in</html>", b"{}", b"", None])
def test_an_address_where_no_mlflow_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if answer is None:
                return time.sleep(3)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    run = make_run(tmp_path, "ml", 1)
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        start = time.monotonic()
        uri = f"http://127.0.0.1:{server.server_port}"
        try:
            with pytest.raises(UserError, match=r"cannot be used|does not have the run") as caught:
                track_runs([run], uri=uri, experiment="toy", receipt=tmp_path / "tracking.json")
        finally:
            server.shutdown()
    assert time.monotonic() - start < 10
    assert "\n" not in str(caught.value)


def test_a_broken_metrics_file_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write_lines(path, ['{"time_ms": 1, "epoch": 1, "metrics": {"x": 2}}', '{"time_ms": 1, "epo'])
    with pytest.raises(UserError, match=r"metrics\.jsonl:2: this is not a record"):
        epoch_points(path)


def test_flatten_keeps_every_value() -> None:
    values = {"a": {"b": 1, "c": {"d": None, "e": "x"}}, "f": [1, "y"], "g": {}, "h": True}
    assert flatten(values) == {
        "a.b": "1",
        "a.c.d": "null",
        "a.c.e": "x",
        "f": '[1, "y"]',
        "g": "{}",
        "h": "true",
    }

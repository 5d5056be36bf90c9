import json
import shutil
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from small_disk import SmallDisk
from tracked_runs import EPOCHS, START, make_run

from alpha_dimt.config import Experiment, RunConfig, parse
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import sha256, write_json, write_lines
from alpha_dimt.tracking.records import (
    LARGEST_WEIGHTS,
    Point,
    epoch_points,
    flatten,
    read_run_record,
    source_tags,
    translations,
    without_seed,
)
from alpha_dimt.tracking.store import create_database
from alpha_dimt.tracking.summaries import epoch_means, final_means
from alpha_dimt.tracking.upload import track_runs


class Interrupted(BaseException):
    """Stands for a kill: nothing in the project catches it."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, made once: that takes seconds."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    create_database(path)
    return path


class Store:
    """A tracking database of one test, and what is in it."""

    def __init__(self, folder: Path, template: Path) -> None:
        folder.mkdir()
        shutil.copy(template, folder / "mlflow.db")
        self.folder = folder
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.receipt = folder / "tracking.json"

    def track(self, *runs: Path, attached: tuple[Path, ...] = ()) -> dict[str, str]:
        track_runs(
            runs,
            uri=self.uri,
            experiment="toy",
            receipt=self.receipt,
            preset="paper",
            attached=attached,
        )
        logged: dict[str, str] = json.loads(self.receipt.read_text())["runs"]
        return logged

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def runs(self, kind: str = "run") -> list[Any]:
        experiment = self.client.get_experiment_by_name("toy")
        return list(self.client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'"))

    def everything(self) -> list[Any]:
        """What MLflow shows, comparable."""
        experiment = self.client.get_experiment_by_name("toy")
        runs = [run.to_dictionary() for run in self.client.search_runs([experiment.experiment_id])]
        models = sorted(
            (model.to_dictionary() for model in self.models()), key=lambda model: model["model_id"]
        )
        return [dict(experiment), runs, models]

    def systems(self) -> dict[str, str]:
        logged: dict[str, str] = json.loads(self.receipt.read_text())["systems"]
        return logged

    def models(self) -> list[Any]:
        experiment = self.client.get_experiment_by_name("toy")
        return list(self.client.search_logged_models([experiment.experiment_id]))

    def artefacts(self, run: Any) -> Path:
        return Path(self.folder, "mlartifacts", run.info.run_id, "artifacts")


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
    assert_datasets(run)
    searches = ("valid.greedy", "test.greedy", "test.beam")
    assert files_in(store.artefacts(run)) == {
        *("config.json", "run.json", "metrics.jsonl", "translations.json"),
        *(f"hypotheses/{search}.txt" for search in searches),
        *(f"scores/{search}.json" for search in searches),
    }
    assert_model(store, run, bleu)


def assert_datasets(run: Any) -> None:
    datasets = {split.tags[0].value: split.dataset for split in run.inputs.dataset_inputs}
    assert {context: (split.name, split.digest) for context, split in datasets.items()} == {
        context: ("toy", digest * 18)
        for context, digest in (("train", "ab"), ("valid", "cd"), ("test", "ef"))
    }
    assert len(run.inputs.dataset_inputs) == 3


def assert_model(store: Store, run: Any, bleu: float) -> None:
    """Check that the run has one model, with its files and scores."""
    (model,) = (model for model in store.models() if model.source_run_id == run.info.run_id)
    assert model.status == "READY"
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert model.name == f"alpha0_5-seed{run.data.tags['seed']}"
    assert (model.params["alpha"], model.params["tau"]) == ("0.5", "3.0")
    assert (model.tags["system"], model.tags["corpus"]) == ("alpha0.5", "toy")
    scores = {metric.key: (metric.value, metric.dataset_digest) for metric in model.metrics}
    assert scores["test_bleu_beam"] == (bleu, "ef" * 18)
    assert scores["valid_bleu_greedy_best"] == (bleu, "cd" * 18)
    assert len(model.metrics) == len(scores) == 12
    assert {metric.dataset_name for metric in model.metrics} == {"toy"}
    files = files_in(store.folder / "mlartifacts/models" / model.model_id / "artifacts")
    assert {name for name in files if name.startswith("artifacts/")} == {
        f"artifacts/{file}"
        for file in (
            *("config.json", "run.json", "best.safetensors", "beam.json"),
            *("vocab.de.txt", "vocab.en.txt", "alpha_dimt.zip"),
        )
    }
    assert {"MLmodel", "mlflow_model.py"} <= files
    assert len(files) < 20


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def assert_parent(store: Store, runs: list[Any], bleus: list[float]) -> None:
    """Check that there is one parent, of these runs alone and with their means."""
    (parent,) = store.runs("system")
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "alpha0.5"
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {parent.info.run_id}
    assert parent.data.params["objective.alpha"] == "0.5"
    assert "seed" not in parent.data.params
    assert parent.data.tags["seed"] == ", ".join(sorted(run.data.tags["seed"] for run in runs))
    assert_datasets(parent)
    assert parent.data.metrics["seeds"] == len(bleus)
    assert (store.artefacts(parent) / "translations.json").exists()
    assert parent.data.metrics["test_bleu_beam"] == pytest.approx(sum(bleus) / len(bleus))
    history = store.client.get_metric_history(parent.info.run_id, "valid_bleu_greedy")
    assert [(point.step, point.value) for point in history] == [
        (epoch, pytest.approx(sum(bleus) / len(bleus) - 3 + epoch))
        for epoch in range(1, EPOCHS + 1)
    ]


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
    assert (tags["preset"], tags["folder"]) == ("paper", str(runs[int(tags["seed"]) - 1]))
    assert tags["data.train.arrow"] == "ab" * 32
    assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("alpha-dimt train", "LOCAL")
    assert tags["mlflow.user"] == tags["owner"].partition(":")[0] == before[0].info.user_id
    everything = store.everything()

    assert store.track(*runs) == first
    assert store.everything() == everything
    assert_parent(store, before, [60.0, 60.0])


def assert_described(store: Store) -> None:
    tags = store.client.get_experiment_by_name("toy").tags
    assert json.loads(tags["mlflow.sharedViewState.scores"])["name"] == "Scores"
    assert "on the corpus toy" in tags["mlflow.note.content"]


def test_requests_for_runs_that_are_there_do_not_grow_with_their_number(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    asked: list[str] = []

    def counted(method: str) -> Any:
        original = getattr(MlflowClient, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            asked.append(method)
            return original(*args, **kwargs)

        return call

    runs = [make_run(tmp_path, system, seed) for system in ("ml", "raml") for seed in (1, 2)]
    store.track(*runs)
    for method in [name for name in vars(MlflowClient) if not name.startswith("_")]:
        monkeypatch.setattr(MlflowClient, method, counted(method))
    store.track(*runs)
    assert asked == ["get_experiment_by_name", "get_experiment", "search_runs", "search_runs"]


def test_the_headline_is_the_first_metric_of_runs_and_systems(store: Store, tmp_path: Path) -> None:
    """MLflow's page of comparisons begins with it."""
    store.track(*(make_run(tmp_path, "alpha0.5", seed) for seed in (1, 2)))
    for run in store.runs() + store.runs("system"):
        assert next(iter(store.client.get_run(run.info.run_id).data.metrics)) == "test_bleu_beam"


@pytest.mark.parametrize(
    ("version", "commit"),
    [
        ("0.1.0", None),
        ("0.1.0+g4a69bdf12345", "4a69bdf12345"),
        ("0.1.0+g4a69bdf12345-dirty", "4a69bdf12345-dirty"),
        ("0.1.0+gv0.1.0-3-g4a69bdf12345", "4a69bdf12345"),
        ("0.1.0+gv0.1.0", None),
    ],
)
def test_the_commit_is_a_tag_where_it_is_known(version: str, commit: str | None) -> None:
    tags = source_tags("alpha-dimt train", version)
    assert tags.get("mlflow.source.git.commit") == commit
    assert tags["code_version"] == version


def kill_after(monkeypatch: pytest.MonkeyPatch, method: str, calls: int) -> None:
    """Interrupt after so many calls of a method of MLflow's client."""
    from mlflow import MlflowClient

    original = getattr(MlflowClient, method)
    done = 0

    def killed_after(*args: Any, **kwargs: Any) -> Any:
        nonlocal done
        result = original(*args, **kwargs)
        done += 1
        if done == calls:
            raise Interrupted
        return result

    monkeypatch.setattr(MlflowClient, method, killed_after)


@pytest.mark.parametrize(
    ("method", "calls"),
    [
        ("create_run", 1),
        ("log_batch", 1),  # parameters
        ("create_logged_model", 1),
        ("log_batch", 2),  # metrics
        ("log_inputs", 1),
        ("log_artifact", 4),
        ("log_artifact", 10),  # all
        ("log_model_artifacts", 1),
        ("log_outputs", 1),
        ("finalize_logged_model", 1),
        ("set_terminated", 1),
        ("set_tag", 1),
        ("create_run", 2),  # the parent
        ("log_batch", 4),
        ("set_terminated", 2),
        ("set_tag", 2),
        ("log_artifact", 11),
        ("set_tag", 3),  # the child has its parent
    ],
)
def test_killed_after_any_step_and_repeated(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, calls: int
) -> None:
    run = make_run(tmp_path, "alpha0.5", 1)
    with monkeypatch.context() as patch:
        kill_after(patch, method, calls)
        with pytest.raises(Interrupted):
            store.track(run)
    assert not store.receipt.exists()
    (half,) = store.runs()
    halves = store.runs("system")
    logged = store.track(run)
    assert logged == {str(run): half.info.run_id}
    (whole,) = store.runs()
    assert_complete(store, whole)
    assert_parent(store, [whole], [60.0])
    assert {parent.info.run_id for parent in halves} <= set(store.systems().values())


@pytest.mark.parametrize("calls", [1, 2])
def test_killed_while_the_experiment_is_described(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    run = make_run(tmp_path, "alpha0.5", 1)
    with monkeypatch.context() as patch:
        kill_after(patch, "set_experiment_tag", calls)
        with pytest.raises(Interrupted):
            store.track(run)
    store.track(run)
    assert_described(store)


@pytest.mark.parametrize("method", ["create_run", "create_logged_model"])
def test_a_request_that_arrived_twice_makes_one_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    from mlflow import MlflowClient

    original = getattr(MlflowClient, method)

    def twice(*args: Any, **kwargs: Any) -> Any:
        original(*args, **kwargs)  # its answer was lost on the way, so MLflow's client asks again
        return original(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, method, twice)
    run = make_run(tmp_path, "alpha0.5", 1)
    logged = store.track(run)
    (whole,) = store.runs()
    assert logged == {str(run): whole.info.run_id}
    assert_complete(store, whole)
    assert_parent(store, [whole], [60.0])


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
    assert [model.source_run_id for model in store.models()] == [new.info.run_id]
    assert_complete(store, new, bleu=61.0)
    assert_parent(store, [new], [61.0])


def test_other_owners_uploads_are_not_touched(store: Store, tmp_path: Path) -> None:
    anna = make_run(tmp_path / "anna", "alpha0.5", 1)
    ben = make_run(tmp_path / "ben", "alpha0.5", 1, bleu=61.0)
    table = tmp_path / "tables/table1.md"
    table.parent.mkdir()
    for run, text in ((anna, "her table"), (ben, "his table"), (anna, "her table")):
        table.write_text(text)
        store.track(run, attached=(table,))
    scores = {run.data.metrics["test_bleu_greedy"] for run in store.runs()}
    assert (len(store.runs()), scores) == (2, {60.0, 61.0})
    assert (len(store.runs("system")), len(store.runs("overview"))) == (2, 2)
    for run in store.runs():
        parent = run.data.tags["mlflow.parentRunId"]
        assert store.client.get_run(parent).data.tags["owner"] == run.data.tags["owner"]


def test_another_configuration_is_another_run(store: Store, tmp_path: Path) -> None:
    runs = [make_run(tmp_path, system, 1) for system in ("ml", "alpha0.5")]
    store.track(runs[0])
    store.track(*runs)
    assert len(store.runs()) == 2


def test_a_parent_follows_its_seeds(store: Store, tmp_path: Path) -> None:
    runs = [make_run(tmp_path, "alpha0.5", seed, bleu=60.0 + seed) for seed in (1, 2, 3)]
    store.track(*runs[:2])
    assert_parent(store, store.runs(), [61.0, 62.0])
    (two,) = store.runs("system")
    assert two.data.params["seeds"] == "1, 2"
    assert two.data.metrics["test_bleu_beam_sd"] == pytest.approx(0.5**0.5)

    logged = store.track(*runs)
    assert_parent(store, store.runs(), [61.0, 62.0, 63.0])
    # A seed that is no longer in use stays, and the parent is not of it.
    store.track(runs[1])
    by_seed = {run.data.tags["seed"]: run for run in store.runs()}
    assert {run.info.run_id for run in by_seed.values()} == set(logged.values())
    assert_parent(store, [by_seed["2"]], [62.0])
    assert "mlflow.parentRunId" not in by_seed["1"].data.tags
    assert "test_bleu_beam_sd" not in store.runs("system")[0].data.metrics

    store.track(*runs[:2])
    assert_parent(store, [by_seed for by_seed in store.runs() if adopted(by_seed)], [61.0, 62.0])


def adopted(run: Any) -> bool:
    return "mlflow.parentRunId" in run.data.tags


@pytest.mark.parametrize(
    ("method", "calls"), [("delete_run", 1), ("create_run", 1), ("set_tag", 2)]
)
def test_killed_while_a_parent_is_replaced(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, calls: int
) -> None:
    runs = [make_run(tmp_path, "alpha0.5", seed, bleu=60.0 + seed) for seed in (1, 2)]
    store.track(*runs)
    with monkeypatch.context() as patch:
        kill_after(patch, method, calls)
        with pytest.raises(Interrupted):
            store.track(runs[0])
    store.track(*runs)
    assert_parent(store, store.runs(), [61.0, 62.0])


def test_means_end_where_a_seed_does() -> None:
    def points(*values: float) -> list[Point]:
        return [Point("x", value, 10 * epoch, epoch) for epoch, value in enumerate(values, 1)]

    assert epoch_means([points(1, 2, 3), points(3, 5)]) == points(2, 3.5)
    one = [Point("test_a", 1.0, 5, 0), Point("epochs", 4.0, 5, 0), Point("b", 1.0, 5, 0)]
    two = [Point("test_a", 2.0, 7, 0), Point("epochs", 6.0, 7, 0)]
    assert {point.key: point.value for point in final_means([one, two])} == {
        "seeds": 2,
        "epochs": 5,
        "test_a": 1.5,
        "test_a_sd": pytest.approx(0.5**0.5),
    }
    assert {(point.time_ms, point.step) for point in final_means([one, two])} == {(7, 0)}


def test_the_seed_of_the_starting_run_is_not_part_of_the_system() -> None:
    config = {"seed": 3, "start": {"seed": 3, "start": None, "x": 1}, "data": {"seed": 1}}
    assert without_seed(config) == {"start": {"start": None, "x": 1}, "data": {"seed": 1}}


def test_schedules_are_tags_that_can_be_read(tmp_path: Path) -> None:
    experiment = parse(
        Experiment,
        {
            "corpus": {"kind": "toy"},
            "systems": {
                "moving": {
                    "objective": "alpha",
                    "alpha": {"kind": "linear", "start": 0, "end": 0.5, "epochs": 5},
                }
            },
        },
        "test",
    )
    run = make_run(tmp_path, "moving", 1, experiment=experiment)
    tags = read_run_record(run, None).record.tags
    assert (tags["alpha"], tags["tau"], tags["preset"]) == ("0 to 0.5", "3.0", "none")
    tags = read_run_record(make_run(tmp_path, "raml", 1), None).record.tags
    assert (tags["objective"], tags["alpha"]) == ("raml", "0")


def test_tables_and_figures_have_a_run(store: Store, tmp_path: Path) -> None:
    run = make_run(tmp_path, "ml", 1)
    files = (tmp_path / "tables" / "table1.html", tmp_path / "figures" / "curves.svg")
    for file in files:
        write_lines(file, ["one"])
    store.track(run, attached=files)
    (before,) = store.runs("overview")
    store.track(run, attached=files)
    assert [run.info.run_id for run in store.runs("overview")] == [before.info.run_id]
    write_lines(files[0], ["two"])
    store.track(run, attached=files)
    (after,) = store.runs("overview")
    assert after.info.run_name == "toy: tables and figures"
    assert (store.artefacts(after) / "tables" / "table1.html").read_text() == "two\n"
    assert (store.artefacts(after) / "figures" / "curves.svg").read_text() == "one\n"


def test_translations_stand_side_by_side(tmp_path: Path) -> None:
    run = make_run(tmp_path, "ml", 1)
    write_lines(run / "hypotheses" / "test.beam.txt", ["a &apos;s b .", ""])
    config = parse(RunConfig, json.loads((run / "config.json").read_text()), "test")
    assert json.loads(translations(run, config)) == {
        "columns": ["source", "hypothesis", "reference"],
        "data": [["A de.", "a's b.", "A en."], ["B\u2028 de!", "", "B\u2028 en!"]],
    }


@pytest.mark.parametrize("changed", ["translations", "reference", "weights"])
def test_only_what_was_scored_is_logged(tmp_path: Path, changed: str) -> None:
    run = make_run(tmp_path, "ml", 1)
    raw = tmp_path / "data/text/test.raw.en"
    about = json.loads((run / "run.json").read_text())
    write_json(run / "run.json", about | {"files": {"weights": "new"}})
    for path in (run / "scores").glob("*.json"):
        found = sha256(run / f"hypotheses/{path.stem}.txt")
        report = json.loads(path.read_text()) | {
            "hypotheses": {"sha256": found},
            "references": {"raw": {"sha256": sha256(raw)}},
            "translated": {
                "run_key": about["run_key"],
                "weights": "new",
                "decoding": {},
                "hypotheses": found,
            },
        }
        write_json(path, report)
    read_run_record(run, None)
    if changed == "translations":
        write_lines(run / "hypotheses/test.greedy.txt", ["c d", "a b"])
        message = r"test\.greedy\.txt: this is not the file that .*test\.greedy\.json was made from"
    elif changed == "reference":
        write_lines(raw, ["another", "text"])
        message = r"test\.raw\.en: this is not the file that .* was made from"
    else:
        write_json(run / "run.json", about | {"files": {"weights": "newer"}})
        message = "not of translations by this run as it is now"
    with pytest.raises(UserError, match=message):
        read_run_record(run, None)


def test_scores_that_a_search_no_longer_asked_for_left_are_not_logged(tmp_path: Path) -> None:
    run = make_run(tmp_path, "ml", 1)
    about = json.loads((run / "run.json").read_text()) | {"files": {"weights": "new"}}
    write_json(run / "run.json", about)
    of_table1 = [path.stem for path in (run / "scores").glob("*.json")]
    for name in [*of_table1, "test.sampled1", "test.beam5"]:
        text = run / f"hypotheses/{name}.txt"
        write_lines(text, ["a b", "c d"])
        made = {"run_key": about["run_key"], "weights": "new", "hypotheses": sha256(text)}
        report = {
            "scores": {"ter": {"value": 50.0}},
            "hypotheses": {"sha256": sha256(text)},
            "references": {"raw": {"sha256": sha256(tmp_path / "data/text/test.raw.en")}},
            "translated": made | {"decoding": {}},
        }
        if name == "test.sampled1":
            report["translated"]["weights"] = "old"
        write_json(run / f"scores/{name}.json", report)
    record = read_run_record(run, None).record
    logged = {path.name for path, _ in record.files}
    assert {"test.beam5.txt", "test.beam5.json", "test.beam.json"} <= logged
    assert not {"test.sampled1.txt", "test.sampled1.json"} & logged
    keys = {point.key for point in record.scores}
    assert "test_ter_beam5" in keys
    assert "test_ter_sampled1" not in keys


def test_large_weights_are_not_logged_as_a_model(tmp_path: Path) -> None:
    run = make_run(tmp_path, "ml", 1)
    small = read_run_record(run, None).record
    with (run / "best.safetensors").open("r+b") as file:
        file.truncate(LARGEST_WEIGHTS + 1)
    large = read_run_record(run, None).record
    assert small.model["weights"] == run / "best.safetensors"
    assert large.model == {}
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


# MLflow by itself tries for four minutes.
SOON = 60  # seconds


def test_a_server_that_is_down_is_one_sentence_soon(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = make_run(tmp_path, "ml", 1)
    receipt = tmp_path / "tracking.json"
    start = time.monotonic()
    with pytest.raises(UserError, match=rf"MLflow at http://127\.0\.0\.1:{port} cannot") as caught:
        track_runs([run], uri=f"http://127.0.0.1:{port}", experiment="toy", receipt=receipt)
    assert time.monotonic() - start < SOON
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
        ("../../../data/encoded/report.json", '{"splits": {}}', "lack the key 'train'"),
        (
            "../../../data/encoded/report.json",
            '{"splits": {"train": {"sha256": "0"}}}',
            "was not trained on the data that .*encoded holds now",
        ),
        (
            "../../../data/text/test.raw.en",
            "A.\n",
            r"test\.beam\.txt has 2 lines, but .* 2 and .* 1;",
        ),
        ("run.json", "[]", "not what a run writes"),
        ("run.json", "{}", "lack the key 'run_key'"),
        ("run.json", '{"a": ' * 5000, r"run\.json:\d+: this is not valid JSON"),
        ("run.json", '{"run_key": "0123456789abcdef"}', "belongs to another configuration"),
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
def test_a_folder_that_is_not_a_finished_run_is_refused(
    tmp_path: Path, file: str, content: str, message: str
) -> None:
    run = make_run(tmp_path, "ml", 1)
    (run / file).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        read_run_record(run, None)
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
def test_an_address_without_mlflow(
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
            with pytest.raises(
                UserError, match=r"cannot be used|does not return the run"
            ) as caught:
                track_runs([run], uri=uri, experiment="toy", receipt=tmp_path / "tracking.json")
        finally:
            server.shutdown()
    assert time.monotonic() - start < SOON
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

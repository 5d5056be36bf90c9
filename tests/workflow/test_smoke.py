"""The whole workflow on the tiny corpus, as a user runs it; a minute or two."""

import csv
import json
import sqlite3

import pytest

from alpha_dimt.config import RunConfig, load

pytestmark = pytest.mark.slow

SYSTEMS = ["ml", "raml", "alpha0.3", "alpha0.5", "alpha0.7"]
ALWAYS = {
    *("all", "table1", "significance", "training_table", "figures", "examples", "report", "track"),
}


def results_of(workflow):
    """Return what was trained and what it says, by path."""
    runs = workflow.folder / "results/toy/runs"
    files = [*runs.rglob("best.safetensors"), *runs.rglob("hypotheses/*.txt")]
    return {str(path.relative_to(runs)): path.read_bytes() for path in files}


def times_of(workflow):
    """Return when each result was changed."""
    return {path: path.stat().st_mtime_ns for path in workflow.folder.glob("results/**/*")}


def test_table1_has_the_five_systems(finished):
    rows = list(csv.DictReader(finished.table1().splitlines()))

    assert [row["system"] for row in rows if row["source"] == "this run"] == SYSTEMS
    for kind in ("md", "tex", "html"):
        assert (finished.folder / f"results/toy/tables/table1.{kind}").stat().st_size > 0


def test_five_finished_runs_and_their_parents_in_mlflow(finished):
    with sqlite3.connect(finished.folder / "results/mlflow.db") as database:
        names = database.execute("SELECT name FROM runs WHERE status = 'FINISHED'").fetchall()

    assert sorted(name for (name,) in names) == sorted(
        [*SYSTEMS, *(f"{system} seed1" for system in SYSTEMS), "toy: tables and figures"]
    )


def test_a_run_holds_its_configuration_and_its_state_is_gone(finished):
    results = finished.folder / "results/toy"
    config = load(RunConfig, results / "runs/alpha0.5/seed1/config.json")
    run = json.loads((results / "runs/alpha0.5/seed1/run.json").read_text(encoding="utf-8"))

    assert run["run_key"] == config.fingerprint()
    assert not list((results / "state").iterdir())


def test_a_second_run_does_nothing(finished):
    before = times_of(finished)

    result = finished.run()

    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout + result.stderr
    assert before == {
        path: path.stat().st_mtime_ns for path in finished.folder.rglob("results/**/*")
    }
    assert finished.planned() == {}


@pytest.mark.parametrize(
    ("change", "rerun"),
    [
        ('decoding={"beam": 5}', {"decoding_config": 1, "decode": 5, "evaluate": 5}),
        ('proposal={"slices": 3}', {"augment": 1, "train": 4, "decode": 12, "evaluate": 12}),
        ('training={"learning_rate": 0.5}', {"train": 5, "decode": 15, "evaluate": 15}),
        ('systems={"raml": {"tau": 1}}', {"train": 1, "decode": 3, "evaluate": 3}),
        ("seeds=[1, 2]", {"augment": 1, "train": 5, "decode": 15, "evaluate": 15}),
        ('tracking={"uri": "http://127.0.0.1:1"}', {}),
    ],
)
def test_a_change_reruns_what_depends_on_it(finished, change: str, rerun: dict[str, int]):
    planned = finished.planned("--config", change)

    assert {rule: count for rule, count in planned.items() if rule not in ALWAYS} == rerun
    assert "track" in planned


def test_another_checkpoint_interval_reruns_nothing(finished):
    assert finished.planned("--config", 'checkpoints={"seconds": 5}') == {}


def test_time_stamps_of_configurations_do_not_count(finished):
    for path in finished.folder.glob("results/toy/**/*.json"):
        path.touch()

    assert finished.planned() == {}


def test_other_limits_rerun_nothing(finished):
    limits = ("train:runtime=1", "train:mem_mb=9000", "train:gpu=0", "decode:runtime=1")

    assert finished.planned("--set-resources", *limits) == {}


def test_ctrl_c_and_again_ends_in_the_same_results(finished, make_workflow):
    workflow = make_workflow({})
    workflow.config.write_bytes(finished.config.read_bytes())
    state = workflow.folder / "results/toy/state"

    # Once while data is prepared, once while a checkpoint stands.
    text = workflow.folder / "results/toy/data/text"
    assert workflow.interrupt(when=text.exists) != 0
    assert workflow.interrupt(when=lambda: any(state.glob("*/0*"))) != 0
    result = workflow.run()

    assert result.returncode == 0, result.stdout + result.stderr
    assert workflow.table1() == finished.table1()
    assert results_of(workflow) == results_of(finished)
    assert any(text.strip() for text in results_of(finished).values())

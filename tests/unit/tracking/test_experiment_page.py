"""What MLflow shows of the experiment itself."""

import json
from typing import Any

import pytest

from alpha_dimt.tracking.experiment_page import describe_experiment, note, saved_view


class Client:
    """An experiment with tags, and how often they were set."""

    def __init__(self) -> None:
        self.name, self.tags, self.calls = "toy", dict[str, str](), 0

    def get_experiment(self, experiment_id: str) -> Any:
        assert experiment_id == "7"
        return self

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        assert experiment_id == "7"
        self.tags[key] = value
        self.calls += 1


def test_the_view_is_that_of_systems_with_the_best_first() -> None:
    view = json.loads(saved_view(5))
    state = json.loads(view["state"])
    assert (view["name"], view["createdAt"]) == ("Scores", 5)
    assert state["searchFilter"] == "tags.kind = 'system'"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`test_bleu_beam`", False)
    assert [column.split("`")[1] for column in state["selectedColumns"]] == [
        *("test_bleu_beam", "test_bleu_beam_sd", "system", "alpha", "tau", "seed", "Dataset")
    ]
    # MLflow sets the width of a column only if its place is given, too.
    assert list(state["columnWidths"]) == state["columnOrder"]
    assert state["columnOrder"][2:] == state["selectedColumns"]


def test_the_note_leads_to_the_view_and_the_report() -> None:
    text = note("7", "toy")
    first = text.partition("\n")[0]  # always shown
    page = "#/experiments/7/runs?workflowType=machine_learning"
    assert f"]({page}&viewStateShareKey=scores)" in first
    assert f"]({page}&searchFilter=tags.kind%20%3D%20%27overview%27)" in first
    assert "on the corpus toy" in text


def test_the_experiment_is_described_once_and_an_edited_note_stays() -> None:
    client: Any = Client()
    describe_experiment(client, "7", 5)
    assert client.tags["mlflow.sharedViewState.scores"] == saved_view(5)
    assert client.tags["mlflow.note.content"] == note("7", "toy")
    client.tags["mlflow.note.content"] = "mine"
    calls = client.calls
    describe_experiment(client, "7", 6)
    assert (client.tags["mlflow.note.content"], client.calls) == ("mine", calls)


@pytest.mark.parametrize("layout", ["2", "4"])
def test_another_layout_has_another_note(layout: str) -> None:
    client: Any = Client()
    client.tags["alpha_dimt.layout"] = layout
    describe_experiment(client, "7", 5)
    assert client.tags["mlflow.note.content"] == note("7", "toy")

"""What MLflow shows of the experiment itself: a note, and a saved view with the scores first."""

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from alpha_dimt.tracking.records import HEADLINE, LAYOUT

if TYPE_CHECKING:
    from mlflow import MlflowClient

# The last part of the view's address.
VIEW = "scores"
_OVERVIEW = "tags.kind = 'overview'"
# Written last; a note or a view that was edited in MLflow since then stays as it is.
_DONE = "alpha_dimt.layout"

# Columns that every view of MLflow has, then those chosen here: widths in points.
_ALWAYS = {"attributes.`Run Name`": 150, "runDateAndNestInfo": 145}
_COLUMNS = {
    f"metrics.`{HEADLINE}`": 140,
    f"metrics.`{HEADLINE}_sd`": 150,
    "tags.`system`": 110,
    "tags.`alpha`": 90,
    "tags.`tau`": 70,
    "tags.`seed`": 90,
    "attributes.`Dataset`": 300,
}
# Charts that come first; MLflow adds those of all other metrics to the sections below.
_CHARTS = (HEADLINE, "test_bleu_greedy", "test_chrf_beam")
_SECTIONS = ("Scores", "Model metrics", "System metrics")


def describe_experiment(client: "MlflowClient", experiment_id: str, now_ms: int) -> None:
    """Give an experiment its note and its saved view, once for each layout of runs.

    Args:
        client: client of the server or database.
        experiment_id: id of the experiment in MLflow.
        now_ms: time of the view, milliseconds since 1970.
    """
    experiment = client.get_experiment(experiment_id)
    if experiment.tags.get(_DONE) == str(LAYOUT):
        return
    shown = note(experiment_id, experiment.name)
    client.set_experiment_tag(experiment_id, f"mlflow.sharedViewState.{VIEW}", saved_view(now_ms))
    client.set_experiment_tag(experiment_id, "mlflow.note.content", shown)
    client.set_experiment_tag(experiment_id, _DONE, str(LAYOUT))


def saved_view(now_ms: int) -> str:
    """Return the view of all systems, the best first, in the format of "Save view" in MLflow's UI.

    Args:
        now_ms: time of the view, milliseconds since 1970.
    """
    state: dict[str, Any] = {
        "searchFilter": "tags.kind = 'system'",
        "orderByKey": f"metrics.`{HEADLINE}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(_COLUMNS),
        "columnOrder": [*_ALWAYS, *_COLUMNS],
        "columnWidths": _ALWAYS | _COLUMNS,
        "runsHiddenMode": "FIRST_10_RUNS",
        "compareRunSections": [
            {"uuid": name, "name": name, "display": True, "isReordered": False}
            for name in _SECTIONS
        ],
        "compareRunCharts": [
            {
                "uuid": metric,
                "type": "BAR",
                "metricKey": metric,
                "displayName": metric,
                "metricSectionId": _SECTIONS[0],
                "runsCountToCompare": 10,
                "deleted": False,
                "isGenerated": True,
            }
            for metric in _CHARTS
        ],
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {
            "xAxisKey": "step",
            "lineSmoothness": 0,
            "selectedXAxisMetricKey": "",
        },
    }
    view = {
        "name": "Scores",
        "createdAt": now_ms,
        "updatedAt": now_ms,
        "state": json.dumps(state, allow_nan=False),
    }
    return json.dumps(view, allow_nan=False)


def note(experiment_id: str, corpus: str) -> str:
    """Return the note of an experiment, in Markdown.

    MLflow shows its first line on every page of the experiment, and the others on request.

    Args:
        experiment_id: id of the experiment in MLflow, for links.
        corpus: name of the experiment.
    """
    runs = f"#/experiments/{experiment_id}/runs?workflowType=machine_learning"
    scores = f"{runs}&viewStateShareKey={VIEW}"
    overview = f"{runs}&searchFilter={quote(_OVERVIEW)}"
    lines = [
        f"**[Scores of all systems, the best first]({scores})** · [tables and report]({overview})",
        "",
        f"Translation models trained on the corpus {corpus} by different objectives. A system is "
        "an objective with its settings. Every seed of a system is a run; the system itself is a "
        "run with their means. The report is the artefact `report/index.html` of the run "
        f'"{corpus}: tables and figures".',
        "",
        "| column | what |",
        "|---|---|",
        f"| `{HEADLINE}` | BLEU of the test set by beam search, 0 to 100, higher is better: "
        "multi-bleu's definition on tokenised text; a seed's artefact `scores/test.beam.json` "
        "states it with a signature |",
        f"| `{HEADLINE}_sd` | its standard deviation over seeds, if there are several |",
        "| `system`, `seed` | the system, and the seeds that it averages |",
        "| `alpha`, `tau` | settings of the objective, where it has them |",
        "| Dataset | the corpus, with digests of its training, validation and test data |",
        "",
        "Other scores are named by split, score and search, such as `test_chrf_greedy`. Speed and "
        'memory are "System metrics".',
    ]
    return "\n".join(lines)

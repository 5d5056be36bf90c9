"""What `make ui` shows of a finished workflow, in a real browser."""

import contextlib
import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from browser import picture

pytestmark = pytest.mark.slow

# What a person has clicked away once: the overview for generative AI and its assistant.
SETTLED = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.panelOpen_v1": "false",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
}
# Two epochs leave every system with a BLEU of 0; these can be told apart.
BLEU = {"ml": 21.25, "raml": 22.5, "alpha0.3": 23.75, "alpha0.5": 25.25, "alpha0.7": 24.5}
SYSTEMS_ALONE = "searchFilter=" + quote("tags.kind = 'system'")
WAIT = 60_000  # milliseconds


@pytest.fixture(scope="module")
def tracked(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the finished workflow with other scores, tracked anew."""
    folder = tmp_path_factory.mktemp("ui")
    shutil.copytree(finished.folder / "results/toy", folder / "results/toy")
    runs = []
    for system, bleu in BLEU.items():
        runs.append(f"results/toy/runs/{system}/seed1")
        path = folder / runs[-1] / "scores/test.beam.json"
        report = json.loads(path.read_text(encoding="utf-8"))
        report["scores"]["multi_bleu"]["value"] = bleu
        path.write_text(json.dumps(report), encoding="utf-8")
    subprocess.run(
        [
            *(sys.executable, "-m", "alpha_dimt", "track", "--experiment", "toy"),
            *("--uri", f"sqlite:///{folder}/results/mlflow.db", "--receipt", "receipt.json"),
            *("--attach", "results/toy/tables/table1.html", *runs),
        ],
        cwd=folder,
        check=True,
    )
    return folder


@pytest.fixture(scope="module")
def ui(tracked: Path, repository: Path) -> Iterator[str]:
    """The address of the server that `make ui` starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # This environment is the one to serve with; none is installed.
    environment = f"BIN={Path(sys.executable).parent}"
    server = subprocess.Popen(
        [
            *("make", "--silent", "--file", str(repository / "Makefile")),
            *("--directory", str(tracked), "ui", f"PORT={port}", environment, "INSTALLED="),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(600):
            assert server.poll() is None, "`make ui` ended by itself"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                    break
            except OSError:
                time.sleep(0.1)
        else:
            raise AssertionError("the server was not ready within a minute")
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=20)
        # What did not heed it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def context(chromium: Any) -> Iterator[Any]:
    """A browser that was here before."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1600})
    context.set_default_timeout(WAIT)
    for key, value in SETTLED.items():
        context.add_init_script(f"localStorage.setItem({key!r}, {value!r})")
    yield context
    context.close()


@pytest.fixture
def page(context: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A fresh page, kept as a picture at the end."""
    page = context.new_page()
    yield page
    page.screenshot(path=picture(request.node.name, tmp_path))
    page.close()


def call(ui: str, method: str, **body: Any) -> Any:
    """Ask the server's REST interface."""
    request = urllib.request.Request(
        f"{ui}/api/2.0/mlflow/{method}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def runs(ui: str, kind: str) -> dict[str, dict[str, Any]]:
    """Return the runs of one kind by their names."""
    found = call(ui, "runs/search", experiment_ids=["1"], filter=f"tags.kind = '{kind}'")
    return {run["info"]["run_name"]: run for run in found["runs"]}


def metric(run: dict[str, Any], key: str) -> float:
    [value] = [entry["value"] for entry in run["data"]["metrics"] if entry["key"] == key]
    return float(value)


def test_the_server_has_the_systems_and_their_bleu(ui: str) -> None:
    systems, seeds = runs(ui, "system"), runs(ui, "run")

    assert {name: metric(run, "test_bleu_beam") for name, run in systems.items()} == BLEU
    assert {name: metric(run, "test_bleu_beam") for name, run in seeds.items()} == {
        f"{system} seed1": bleu for system, bleu in BLEU.items()
    }


def assert_scores(page: Any) -> None:
    """Check that the page is the saved view: all systems, the best first, with their settings."""
    page.get_by_role("link", name="alpha0.5", exact=True).wait_for()
    page.get_by_text("5 matching runs").wait_for()
    assert column(page, "metrics.`test_bleu_beam`") == [
        f"{bleu:g}" for bleu in sorted(BLEU.values(), reverse=True)
    ]
    best_first = sorted(BLEU, key=lambda system: -BLEU[system])
    assert column(page, "tags.`system`") == best_first
    assert column(page, "tags.`alpha`") == ["0.5", "0.7", "0.3", "0", "-"]
    assert column(page, "tags.`seed`") == ["1"] * 5
    assert all(cell.startswith("toy (") for cell in column(page, "attributes.`Dataset`"))


def column(page: Any, name: str) -> list[str]:
    """Return the cells of a column of the table of runs, from top to bottom."""
    cells = page.locator(f".ag-row [col-id='{name}']")
    cells.first.wait_for()
    found = cells.evaluate_all(
        "cells => cells.map(cell => [+cell.closest('.ag-row').getAttribute('row-index'), "
        "cell.innerText.trim()])"
    )
    return [text for _, text in sorted(found)]


def test_the_first_page_leads_to_the_scores(ui: str, page: Any) -> None:
    page.goto(f"{ui}/#/experiments/1/overview/usage?workflowType=genai")

    page.get_by_role("button", name="Got it").click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Scores of all systems, the best first").click()
    assert_scores(opened.value)


def test_the_address_that_is_printed_shows_the_scores(ui: str, page: Any) -> None:
    page.goto(f"{ui}/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=scores")

    assert_scores(page)


def test_the_charts_of_the_view_begin_with_bleu(ui: str, page: Any) -> None:
    view = "workflowType=machine_learning&viewStateShareKey=scores"
    page.goto(f"{ui}/#/experiments/1/runs?{view}&compareRunsMode=CHART")

    first = page.get_by_test_id("experiment-view-compare-runs-card").first
    first.get_by_text("test_bleu_beam", exact=True).wait_for()
    for bleu in BLEU.values():
        first.get_by_text(f"{bleu:.2f}").wait_for()


def test_the_note_explains_the_columns(ui: str, page: Any) -> None:
    page.goto(f"{ui}/#/experiments/1/runs?workflowType=machine_learning")

    page.get_by_role("link", name="tables and report").wait_for()
    page.get_by_text("standard deviation over seeds").wait_for()


def test_models(ui: str, page: Any) -> None:
    page.set_viewport_size({"width": 3400, "height": 900})
    page.goto(f"{ui}/#/experiments/1/models?workflowType=machine_learning")

    for system, bleu in BLEU.items():
        page.get_by_role("link", name=f"{system.replace('.', '_')}-seed1", exact=True).wait_for()
        page.get_by_text(f"{bleu:g}", exact=True).first.wait_for()
    assert page.get_by_text("Ready", exact=True).count() == len(BLEU)
    page.get_by_text("test_bleu_beam", exact=True).first.wait_for()


def test_speed_and_memory_are_system_metrics(ui: str, page: Any) -> None:
    run = runs(ui, "run")["alpha0.5 seed1"]["info"]["run_id"]
    page.goto(f"{ui}/#/experiments/1/runs/{run}/system-metrics")

    for name in ("target_tokens_per_second", "peak_memory_mb", "epoch_seconds"):
        page.get_by_text(name, exact=True).wait_for()


def test_runs_table(ui: str, page: Any) -> None:
    page.goto(f"{ui}/#/experiments/1/runs?workflowType=machine_learning")

    page.get_by_role("heading", name="Runs", exact=True).wait_for()
    for system in (*BLEU, "toy: tables and figures"):
        page.get_by_role("link", name=system, exact=True).wait_for()
    page.get_by_text(f"{2 * len(BLEU) + 1} matching runs").wait_for()


def test_chart_view(ui: str, page: Any) -> None:
    page.goto(f"{ui}/#/experiments/1/runs?compareRunsMode=CHART&{SYSTEMS_ALONE}")

    area = page.get_by_test_id("experiment-view-compare-runs-chart-area")
    area.wait_for()
    for system in BLEU:
        page.get_by_role("link", name=system, exact=True).wait_for()
    page.get_by_placeholder("Search metric charts").fill("^test_bleu_beam$")
    card = page.get_by_test_id("experiment-view-compare-runs-card")
    card.filter(has_text="test_bleu_beam").wait_for()
    for bleu in BLEU.values():
        card.get_by_text(f"{bleu:.2f}").wait_for()


def test_compare_page(ui: str, page: Any) -> None:
    ids = [run["info"]["run_id"] for run in runs(ui, "system").values()]
    of = f"runs={quote(json.dumps(ids))}&experiments={quote(json.dumps(['1']))}"
    page.goto(f"{ui}/#/compare-runs?{of}")

    page.get_by_text(f"Comparing {len(BLEU)} Runs from 1 Experiment").wait_for()
    page.get_by_text("Parallel Coordinates Plot").wait_for()
    # The only metric that is chosen at first; the plot is of it.
    chosen = page.locator(".du-bois-light-select-selection-item, [class*=select-selection-item]")
    page.get_by_text("objective.alpha", exact=True).first.wait_for()
    assert "test_bleu_beam" in chosen.all_inner_texts()
    page.get_by_text("test_bleu_beam", exact=True).first.scroll_into_view_if_needed()
    for system, bleu in BLEU.items():
        page.get_by_text(system, exact=True).first.wait_for()
        page.get_by_text(f"{bleu:g}", exact=True).first.wait_for()


def test_translations_side_by_side(ui: str, page: Any, finished: Any) -> None:
    page.goto(f"{ui}/#/experiments/1/runs?compareRunsMode=ARTIFACT&{SYSTEMS_ALONE}")

    text = finished.folder / "results/toy/data/text/test.raw.de"
    first = text.read_text(encoding="utf-8").split("\n")[0]
    page.get_by_text(first, exact=True).wait_for()


def test_table_1(ui: str, page: Any, tracked: Path) -> None:
    [overview] = runs(ui, "overview").values()
    page.goto(
        f"{ui}/#/experiments/1/runs/{overview['info']['run_id']}/artifacts/tables/table1.html"
    )

    frame = page.frame_locator("iframe")
    for row in csv.DictReader((tracked / "results/toy/tables/table1.csv").open(encoding="utf-8")):
        frame.get_by_text(row["system"], exact=True).first.wait_for()


def test_the_model_of_a_run_translates(ui: str, tmp_path: Path) -> None:
    [output] = runs(ui, "run")["alpha0.5 seed1"]["outputs"]["model_outputs"]
    code = (
        "import json, mlflow\n"
        f"model = mlflow.pyfunc.load_model('models:/{output['model_id']}')\n"
        "print(json.dumps(model.predict(['Ein Hund schläft.', ''])))\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"MLFLOW_TRACKING_URI": ui, "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
    )

    assert result.returncode == 0, result.stderr
    first, blank = json.loads(result.stdout.splitlines()[-1])
    assert isinstance(first, str)
    assert blank == ""

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
    run = runs(ui, "run")["alpha0.5 seed1"]["info"]["run_id"]
    code = (
        "import json, mlflow\n"
        f"model = mlflow.pyfunc.load_model('runs:/{run}/model')\n"
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

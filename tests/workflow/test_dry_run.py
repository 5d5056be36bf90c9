import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SYSTEMS = 5
# Table 1 takes greedy on valid, greedy and beam on test.
COLUMNS = 3


def expected(seeds: int) -> dict[str, int]:
    return {
        "fetch": 1,
        "tokenise": 1,
        "encode": 1,
        "augment": seeds,
        "train": SYSTEMS * seeds,
        "decoding_config": 2,
        "decode": SYSTEMS * seeds * COLUMNS,
        "evaluate": SYSTEMS * seeds * COLUMNS,
        "table1": 1,
        "significance": 1,
        "training_table": 1,
        "figures": 1,
        "examples": 1,
        "report": 1,
        "track": 1,
        "all": 1,
    }


@pytest.mark.parametrize("name", ["config", "multi30k", "iwslt14"])
def test_every_configuration_plans_the_whole_grid(make_workflow, repository: Path, name: str):
    workflow = make_workflow({})
    workflow.config.write_text((repository / f"config/{name}.yaml").read_text(encoding="utf-8"))

    assert workflow.planned("--config", "seeds=[1]") == expected(seeds=1)


def test_the_papers_grid_with_seeds(
    make_workflow: Callable, repository: Path, monkeypatch: pytest.MonkeyPatch
):
    # Whoever asked the network would get no answer.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    workflow = make_workflow({})
    workflow.config.write_text((repository / "config/iwslt14.yaml").read_text(encoding="utf-8"))

    assert workflow.planned("--config", "seeds=[1, 2, 3]") == expected(seeds=3)
    assert not (workflow.folder / "results").exists()


@pytest.mark.parametrize(
    "text",
    [
        "corpus: {kind: toy, source: no, target: en}\nsystems: {ml: {objective: ml}}\n",
        "corpus: {kind: toy}\ntraining:\n#  max_epochs: 3\nsystems: {ml: {objective: ml}}\n",
        "corpus: {kind: toy, name: 2020-01-02}\nsystems: {0.3: {objective: ml}}\nseeds: [1e0]\n",
        "\ufeffcorpus: {kind: toy}\nsystems: {ml: {objective: ml}}\n",
    ],
)
def test_configurations_as_people_write_them(make_workflow, text: str):
    workflow = make_workflow({})
    workflow.config.write_text(text, encoding="utf-8")

    assert workflow.planned()["train"] == 1


def test_settings_of_the_command_line_are_laid_over_the_file(make_workflow):
    workflow = make_workflow({"corpus": {"kind": "toy"}, "systems": {"ml": {"objective": "ml"}}})

    result = workflow.run(
        *("--dry-run", "--printshellcmds", "data", "--config"),
        *('corpus={name: "2014", source: no}', "training="),
    )

    assert result.returncode == 0, result.stderr
    assert "results/2014/data/raw/train.no" in result.stdout + result.stderr


def test_ml_needs_no_candidates(make_workflow):
    workflow = make_workflow({"corpus": {"kind": "toy"}, "systems": {"ml": {"objective": "ml"}}})

    assert "augment" not in workflow.planned()


def test_named_targets(make_workflow):
    workflow = make_workflow({"corpus": {"kind": "toy"}, "systems": {"ml": {"objective": "ml"}}})

    assert workflow.planned("data") == {"fetch": 1, "tokenise": 1, "encode": 1, "data": 1}
    assert workflow.planned("models").keys() == {"fetch", "tokenise", "encode", "train", "models"}
    assert "track" not in workflow.planned("tables")
    # What MLflow shows of all systems together.
    assert workflow.planned("tracking").keys() >= {"table1", "significance", "training_table"}


def test_a_grid_shares_what_can_be_shared(make_workflow):
    systems = {
        f"alpha{alpha}-tau{tau}": {"objective": "alpha", "alpha": alpha / 10, "tau": tau}
        for alpha in range(5)
        for tau in (1, 2)
    }
    seeds = list(range(1, 11))
    workflow = make_workflow({"corpus": {"kind": "toy"}, "systems": systems, "seeds": seeds})

    jobs = workflow.planned()

    assert {jobs[stage] for stage in ("fetch", "tokenise", "encode", "table1", "track")} == {1}
    # Candidates depend on proposal and seed, not on alpha and tau.
    assert jobs["augment"] == len(seeds)
    assert jobs["train"] == len(systems) * len(seeds)


def test_bash_writes_out_the_runs_of_a_table(make_workflow):
    systems = {
        "ml": {"objective": "ml"},
        "raml": {"objective": "raml", "seeds": 1},
        "alpha0.5": {"objective": "alpha", "alpha": 0.5, "seeds": 2},
    }
    workflow = make_workflow({"corpus": {"kind": "toy"}, "systems": systems, "seeds": [2, 1, 3]})
    result = workflow.run("--dry-run", "--printshellcmds", "tables")
    [command] = re.findall(r"alpha_dimt table --out \S+ (.*) >", result.stdout + result.stderr)

    written = subprocess.run(["bash", "-c", f"echo {command}"], capture_output=True, text=True)

    assert written.stdout.split() == [
        f"results/toy/runs/{system}/seed{seed}/"
        for system, seeds in (("ml", (2, 1, 3)), ("raml", (2,)), ("alpha0.5", (2, 1)))
        for seed in seeds
    ]
    assert workflow.planned()["train"] == 6

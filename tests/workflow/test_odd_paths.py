import json
from pathlib import Path

import pytest

RAW = "results/mine/data/raw/train.de"
LINES = "".join(f"Satz {number}\tsentence {number}\n" for number in range(5))


@pytest.mark.parametrize(
    "name",
    [
        "{x}.tsv",
        "<x>.tsv",
        "{{x}} {a,[0-9]+} <corpus> {corpus}.tsv",
        """a b's "q" #1 100%.tsv""",
        "$HOME `x`; *?[z] ü\\n.tsv",
    ],
)
def test_names_that_snakemake_or_bash_would_interpret(make_workflow, name: str):
    table = {"tsv": name}
    corpus = {"kind": "files", "name": "mine", "train": table, "valid": table, "test": table}
    workflow = make_workflow({"corpus": corpus, "systems": {"ml": {"objective": "ml"}}})
    (workflow.folder / name).write_text(LINES, encoding="utf-8")

    result = workflow.run(RAW)

    assert result.returncode == 0, result.stdout + result.stderr
    raw = (workflow.folder / RAW).read_text(encoding="utf-8")
    assert raw.split("\n")[:2] == ["Satz 0", "Satz 1"]
    made_with = json.loads((workflow.folder / "results/mine/data/config.json").read_text())
    assert made_with["corpus"]["train"]["tsv"] == name
    assert workflow.planned(RAW) == {}

    (workflow.folder / name).write_text(LINES + "noch einer\tone more\n", encoding="utf-8")

    assert workflow.planned(RAW) == {"fetch": 1}


def test_a_path_as_a_file_url(make_workflow, tmp_path: Path):
    path = tmp_path / "my text.tsv"
    path.write_text(LINES, encoding="utf-8")
    table = {"tsv": f"file://{tmp_path}/my%20text.tsv"}
    corpus = {"kind": "files", "name": "mine", "train": table, "valid": table, "test": table}
    workflow = make_workflow({"corpus": corpus, "systems": {"ml": {"objective": "ml"}}})

    result = workflow.run(RAW)

    assert result.returncode == 0, result.stdout + result.stderr
    assert (workflow.folder / RAW).exists()

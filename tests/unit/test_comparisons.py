import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_tables import edit, make_run

from alpha_dimt.compare import find, in_words, json_text, open_side, print_comparison
from alpha_dimt.comparisons import write_significance
from alpha_dimt.errors import UserError
from alpha_dimt.evaluation.bleu import multi_bleu
from alpha_dimt.files import read_lines, sha256, write_lines

WORDS = [f"w{i}" for i in range(12)]
QUALITY = {"ml": 0.35, "raml": 0.34, "alpha0.5": 0.15}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("results") / "toy" / "data" / "text" / "test.en"
    write_lines(path, [" ".join(rng.choice(WORDS, 10)) for _ in range(80)])
    return path


def make_translated(root: Path, reference: Path, system: str, seed: int) -> Path:
    """Write a run with translations, and scores that fit them."""
    run = make_run(root, system, seed, 60)
    rng = np.random.default_rng([seed, len(system)])
    references = read_lines(reference)
    for search in ("greedy", "beam"):
        lines = [
            " ".join(
                rng.choice(WORDS) if rng.random() < QUALITY[system] else w for w in line.split()
            )
            for line in references
        ]
        write_lines(run / "hypotheses" / f"test.{search}.txt", lines)
        scores = run / "scores" / f"test.{search}.json"
        value = multi_bleu(lines, references).value
        edit(scores, "scores", "multi_bleu", "value", value=value)
        edit(scores, "hypotheses", "sha256", value=sha256(run / f"hypotheses/test.{search}.txt"))
        edit(scores, "references", "tokenised", "sha256", value=sha256(reference))
    return run


@pytest.fixture(scope="module")
def runs(reference: Path) -> list[Path]:
    return [
        make_translated(reference.parents[3], reference, system, seed)
        for system in QUALITY
        for seed in (1, 2, 3)
    ]


def table(out: Path) -> list[dict[str, str]]:
    with out.with_suffix(".csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_pair_within_and_across_seeds(
    tmp_path: Path, runs: list[Path], reference: Path
) -> None:
    out = tmp_path / "tables" / "significance"
    write_significance(runs, reference=reference, out=out)
    rows = table(out)
    # 2 searches, 3 pairs: 2 tests across seeds, 3 tests in each of 3 seeds.
    assert len(rows) == 2 * 3 * (2 + 3 * 3)
    assert {row["scored"] for row in rows} == {"test.greedy", "test.beam"}
    assert {row["test"] for row in rows if row["scope"] == "within a seed"} == {
        *("paired bootstrap", "paired bootstrap of sacreBLEU", "approximate randomisation"),
    }
    [across] = [
        row
        for row in rows
        if (row["scored"], row["test"]) == ("test.beam", "paired t")
        and (row["system_a"], row["system_b"]) == ("ml", "alpha0.5")
    ]
    assert float(across["difference"]) > 10
    assert float(across["low"]) < float(across["difference"]) < float(across["high"])
    assert float(across["p_holm"]) >= float(across["p"])
    assert across["significant"] == "True"
    assert (across["seeds"], across["signature"]) == ("1 2 3", "nrefs:1|tok:none")
    within = [row for row in rows if row["test"] == "approximate randomisation"]
    assert [row["significant"] for row in within[:3]] == ["False", "True", "True"]

    text = out.with_suffix(".md").read_text()
    assert "0.3 BLEU would need" in text
    assert "sign-flip test can give with 3 seeds is 0.25" in text
    assert "1,000 resamples" in text
    assert "10,000 trials" in text
    # Bold where a corrected p says so, and there alone.
    assert len(re.findall(r"\*\*", text)) == 2 * sum(row["significant"] == "True" for row in rows)
    tex = out.with_suffix(".tex").read_text()
    assert tex.isascii()
    assert tex.count("{") == tex.count("}")
    assert "<caption>" in out.with_suffix(".html").read_text()


def test_one_seed_says_so_in_words(tmp_path: Path, runs: list[Path], reference: Path) -> None:
    out = tmp_path / "significance"
    write_significance([runs[0], runs[3]], reference=reference, out=out)
    across = [row for row in table(out) if row["scope"] == "across seeds"]
    assert [(row["p"], row["low"]) for row in across] == [("", "")] * 2
    assert across[0]["remark"] == "one seed says nothing about others"
    assert "nothing more can be said about other trainings" in out.with_suffix(".md").read_text()


def test_one_system_has_no_pairs(tmp_path: Path, runs: list[Path], reference: Path) -> None:
    out = tmp_path / "significance"
    write_significance(runs[:3], reference=reference, out=out)
    assert table(out) == []


def test_another_reference_or_other_hypotheses_are_refused(
    tmp_path: Path, runs: list[Path], reference: Path
) -> None:
    other = tmp_path / "other.en"
    write_lines(other, [f"{line} more" for line in read_lines(reference)])
    out = tmp_path / "significance"
    with pytest.raises(UserError, match=r"but scores/test\.greedy\.json says .*score the run anew"):
        write_significance(runs, reference=other, out=out)
    run = tmp_path / "runs" / "ml" / "seed1"
    shutil.copytree(runs[0], run)
    write_lines(run / "hypotheses" / "test.beam.txt", ["too short"])
    with pytest.raises(UserError, match=r"test\.beam\.txt has 1 lines"):
        write_significance([run, runs[3]], reference=reference, out=out)
    assert not out.with_suffix(".csv").exists()


# ---------------------------------------------------------------------- alpha-dimt compare


def words(first: Path, second: Path, reference: Path | None = None) -> str:
    return "\n".join(in_words(find(open_side(first, "beam"), open_side(second, "beam"), reference)))


def test_two_runs_in_words(runs: list[Path], reference: Path) -> None:
    text = words(runs[0], runs[6])
    assert text.startswith("alpha0.5 seed 1 ")
    assert "difference +" in text
    assert "Significant at 5 %: alpha0.5 seed 1 is better, beyond" in text
    assert "Of other trainings this says nothing" in text
    assert "multi-bleu, tokenised text as given; nrefs:1" in text
    assert "Significant at 5 %: alpha0.5 seed 1 is better, beyond" in words(runs[6], runs[0])
    assert "Not significant at 5 %" in words(runs[0], runs[3])


def test_two_systems_over_their_common_seeds(runs: list[Path]) -> None:
    ml, alpha = runs[0].parent, runs[6].parent
    text = words(ml, alpha)
    assert [f"seed {seed}: alpha0.5" in text for seed in (1, 2, 3)] == [True] * 3
    assert "over 3 seeds: mean difference +" in text
    assert "Significant at 5 %: alpha0.5 is better, beyond the accident of these seeds." in text
    assert "the least that 3 seeds can give: 0.25" in text
    assert "Not significant at 5 %: other seeds" in words(ml, runs[3].parent)
    assert "Of other trainings" not in text


def test_files_need_a_reference(tmp_path: Path, runs: list[Path], reference: Path) -> None:
    files = [run / "hypotheses" / "test.beam.txt" for run in (runs[0], runs[6])]
    assert "Significant" in words(*files, reference)
    with pytest.raises(UserError, match="by --reference"):
        words(*files)
    short = tmp_path / "short"
    write_lines(short, ["a"])
    with pytest.raises(UserError, match=r"short has 1 lines and .*test\.en has 80"):
        words(files[0], short, reference)


def test_sides_with_different_references_need_one(
    tmp_path: Path, runs: list[Path], reference: Path
) -> None:
    other = make_translated(tmp_path, reference, "ml", 1)
    beside = tmp_path / "toy/data/text/test.en"
    write_lines(beside, [line.upper() for line in read_lines(reference)])
    with pytest.raises(UserError, match=r"ml seed 1 and raml seed 1 have different references"):
        words(other, runs[3])
    assert "difference" in words(other, runs[3], reference)
    shutil.copy(reference, beside)
    assert "difference" in words(other, runs[3])


def test_more_pairs_than_trials_can_tell_apart_are_said(
    tmp_path: Path, runs: list[Path], reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "significance"
    write_significance(runs, reference=reference, out=out)
    assert "can tell apart" not in out.with_suffix(".md").read_text()
    monkeypatch.setattr("alpha_dimt.comparisons.TRIALS", 50)
    write_significance(runs, reference=reference, out=out)
    text = out.with_suffix(".md").read_text()
    # Three pairs, and the least p is 1/51.
    assert "3 pairs of a seed are more than 50 trials can tell apart" in text
    assert "the least corrected p is 0.059, so nothing is bold here" in text


def test_what_does_not_go_together_is_refused(
    tmp_path: Path, runs: list[Path], reference: Path
) -> None:
    with pytest.raises(UserError, match="ml and raml seed 1 have no seed in common"):
        words(runs[0].parent, runs[3])
    with pytest.raises(UserError, match="neither a run's folder"):
        words(tmp_path, runs[0])


def test_no_scatter_and_one_common_seed_are_said_in_words(tmp_path: Path, runs: list[Path]) -> None:
    ml = runs[0].parent
    text = words(ml, ml)
    assert "over 3 seeds: +0.00 BLEU" in text
    assert "nothing more can be said about other trainings" in text
    few = tmp_path / "toy" / "runs" / "raml"
    shutil.copytree(runs[3], few / "seed1")
    text = words(ml, few)
    assert "over 1 seed: " in text
    assert "nothing more can be said about other trainings" in text


def test_a_folder_anywhere_needs_its_reference(
    tmp_path: Path, runs: list[Path], reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(runs[0], tmp_path / "alone")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"data/text/test\.en: .* by --reference"):
        words(Path("alone"), runs[0])
    assert "difference" in words(Path("alone"), runs[0], reference)


@pytest.mark.parametrize("what", ["reference", "translations", "scores"])
def test_a_run_is_compared_as_it_was_scored(
    tmp_path: Path, runs: list[Path], reference: Path, what: str
) -> None:
    run = make_translated(tmp_path, reference, "ml", 1)
    beside = tmp_path / "toy/data/text/test.en"
    write_lines(beside, read_lines(reference))
    assert "difference" in words(run, run)
    if what == "reference":
        write_lines(beside, [line.upper() for line in read_lines(reference)])
        message = r"test\.en: this is not the file that .*test\.beam\.json was made from"
    elif what == "translations":
        path = run / "hypotheses/test.beam.txt"
        write_lines(path, read_lines(path)[::-1])
        message = r"test\.beam\.txt: this is not the file that .*test\.beam\.json was made from"
    else:
        (run / "scores/test.beam.json").unlink()
        message = r"test\.beam\.json: there is no such file"
    with pytest.raises(UserError, match=message):
        words(run, run)
    # Who names a reference is asked for nothing.
    assert "difference" in words(run, run, reference)


def test_a_run_and_itself(runs: list[Path]) -> None:
    text = words(runs[0], runs[0])
    assert "difference +0.00 BLEU" in text
    assert "Not significant" in text
    assert "ml seed 1 (second)" in text


def test_json_has_all_numbers(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    sides = runs[0].parent, runs[6].parent
    print_comparison(*sides, reference=None, search="greedy", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert [one["seed"] for one in document["by_seed"]] == [1, 2, 3]
    assert document["across"]["value"] > 10
    assert document["tests"] == {"resamples": 1000, "trials": 10000, "seed": 12345, "level": 0.05}
    found = find(*(open_side(side, "greedy") for side in sides), None)
    assert json.loads(json_text(found)) == document

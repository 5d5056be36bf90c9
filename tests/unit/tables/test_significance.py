import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scored_runs import edit, make_run

from alpha_dimt.config import RunConfig, load
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, read_lines, sha256, write_lines, write_text
from alpha_dimt.evaluation.across_seeds import sensitivity
from alpha_dimt.evaluation.metrics import multi_bleu
from alpha_dimt.evaluation.pooled import pooled_pairs
from alpha_dimt.tables.compare import find, in_words, json_text, open_side, print_comparison
from alpha_dimt.tables.significance import write_significance
from alpha_dimt.tables.table import read_tables

WORDS = [f"w{i}" for i in range(12)]
QUALITY = {"ml": 0.35, "raml": 0.34, "alpha0.3": 0.3, "alpha0.5": 0.15}
# What a system adds to the likelihood of seeds 3, 1 and 2.
LIKELIHOOD = {
    "ml": (0.0, 0.01, 0.0),
    "raml": (0.0, 0.0, 0.01),
    "alpha0.3": (0.061, 0.06, 0.059),
    "alpha0.5": (0.10, 0.11, 0.10),
}


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
    # The second of three epochs is the best, by BLEU and not by likelihood.
    edit(run / "run.json", "best", value={"epoch": 2})
    nll = 1.5 + 0.1 * seed + LIKELIHOOD[system][seed % 3]
    records = [
        {"epoch": epoch, "metrics": {"valid_nll_per_token": nll + worse}}
        for epoch, worse in ((1, 1.0), (2, 0.0), (3, -0.5))
    ]
    write_text(run / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    return run


@pytest.fixture(scope="module")
def runs(reference: Path) -> list[Path]:
    return [
        make_translated(reference.parents[3], reference, system, seed)
        for system in ("ml", "raml", "alpha0.5")
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
    # 2 searches, 3 pairs: 4 tests across seeds, 3 in each of 3 seeds. Likelihood: the 4 alone.
    assert len(rows) == 2 * 3 * (4 + 3 * 3) + 3 * 4
    assert {row["scored"] for row in rows} == {"test.greedy", "test.beam", "valid_nll_per_token"}
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
    assert [(row["p"], row["low"]) for row in across] == [("", "")] * 3
    assert across[0]["remark"] == "one seed says nothing about others"
    text = out.with_suffix(".md").read_text()
    assert "take two seeds of a system" in text
    assert "| between seeds of a system |" not in text
    assert "nothing more can be said about other trainings" in out.with_suffix(".md").read_text()


def test_one_system_has_no_pairs(tmp_path: Path, runs: list[Path], reference: Path) -> None:
    out = tmp_path / "significance"
    write_significance(runs[:3], reference=reference, out=out)
    assert table(out) == []


def rows_of(out: Path, scored: str, test: str) -> dict[tuple[str, str], dict[str, str]]:
    return {
        (row["system_a"], row["system_b"]): row
        for row in table(out)
        if (row["scored"], row["test"]) == (scored, test)
    }


def test_the_likelihood_is_that_of_the_best_epoch(
    tmp_path: Path, runs: list[Path], reference: Path
) -> None:
    out = tmp_path / "significance"
    write_significance(runs, reference=reference, out=out)
    row = rows_of(out, "valid_nll_per_token", "paired t")["ml", "alpha0.5"]
    assert float(row["score_a"]) == pytest.approx(1.7 + 0.01 / 3)
    differences = [0.10, 0.10, 0.10]  # of seeds 3, 1 and 2
    assert float(row["difference"]) == pytest.approx(np.mean(differences))
    assert row["signature"] == ""
    assert row["metric"] == "negative log-likelihood, nats per token"
    # These do not scatter; those to RAML do.
    assert row["p"] == ""
    row = rows_of(out, "valid_nll_per_token", "paired t")["raml", "alpha0.5"]
    differences = [0.10, 0.11, 0.09]
    assert float(row["p"]) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert row["significant"] == "True"
    text = out.with_suffix(".md").read_text()
    assert (
        "| Dev (nats per token) | alpha0.5 − raml | 1, 2, 3 | 1.8033 | 1.7033 | **+0.1000" in text
    )


def test_the_pooled_tests_stand_beside_the_paired_ones(
    tmp_path: Path, runs: list[Path], reference: Path
) -> None:
    out = tmp_path / "significance"
    write_significance(runs, reference=reference, out=out)
    values = [
        [
            read_json(runs[3 * i + j] / "scores/test.beam.json")["scores"]["multi_bleu"]["value"]
            for j in range(3)
        ]
        for i in range(3)
    ]
    scores = dict(
        zip(("ml", "raml", "alpha0.5"), (dict(enumerate(v)) for v in values), strict=True)
    )
    for by_seed, name in ((False, "pooled t, within systems"), (True, "pooled t, by seed")):
        expected = pooled_pairs(scores, by_seed=by_seed)
        found = rows_of(out, "test.beam", name)
        assert list(found) == list(expected)
        for pair, test in expected.items():
            row = found[pair]
            assert float(row["t"]) == pytest.approx(test.t)
            assert float(row["p"]) == pytest.approx(test.p)
            assert float(row["p_holm"]) == pytest.approx(test.p_holm)
            assert int(row["df"]) == test.freedom == (4 if by_seed else 6)
            assert (float(row["low"]), float(row["high"])) == pytest.approx(test.interval)
            assert row["significant"] == ""
    across, pooled, scatter, within = read_tables(out.with_suffix(".json"))
    assert [t.title for t in (across, pooled, scatter, within)] == [
        *("Across seeds", "Across seeds, pooled", "Scatter", "Within a seed"),
    ]
    assert set(pooled.rows["Variance"].items()) == {
        *(("Test (greedy)", "within systems"), ("Test (beam 10)", "within systems")),
        ("Dev (nats per token)", "by seed"),
    }
    assert list(scatter.rows["Part"][:4]) == [
        *("between seeds of a system", "the sentences of test", "the trainings: the rest"),
        "another test set",
    ]
    assert pooled.note.count("with the variance within systems 3 seeds find a true difference") == 2
    squares = np.var(
        [
            [
                read_json(runs[3 * i + j] / "scores/test.greedy.json")["scores"]["multi_bleu"][
                    "value"
                ]
                for j in range(3)
            ]
            for i in range(3)
        ],
        axis=1,
        ddof=1,
    )
    assert scatter.rows["Variance"].iloc[0] == f"{squares.mean():.3f}"


def test_a_slope_needs_systems_that_differ_in_alpha_alone(
    tmp_path: Path, runs: list[Path], reference: Path
) -> None:
    root = tmp_path / "results"
    reference_there = root / "toy/data/text/test.en"
    write_lines(reference_there, read_lines(reference))
    four = [make_translated(root, reference, s, seed) for s in QUALITY for seed in (1, 2, 3)]
    out = tmp_path / "significance"
    write_significance(four, reference=reference_there, out=out)
    [row] = rows_of(out, "valid_nll_per_token", "slope over alpha: t").values()
    of_seeds = [
        stats.linregress([0, 0.3, 0.5], [LIKELIHOOD[s][i] for s in list(QUALITY)[1:]]).slope
        for i in range(3)
    ]
    assert float(row["difference"]) == pytest.approx(np.mean(of_seeds))
    assert float(row["p"]) == pytest.approx(stats.ttest_1samp(of_seeds, 0).pvalue)
    assert row["remark"] == "per unit of alpha: raml 0, alpha0.3 0.3, alpha0.5 0.5"
    assert rows_of(out, "test.beam", "slope over alpha: pooled t, by seed")
    text = out.with_suffix(".md").read_text()
    assert "slope over α is that of raml, alpha0.3, alpha0.5, per unit of α" in text
    # Two values are a pair, which is tested anyway.
    write_significance(runs, reference=reference, out=out)
    assert "slope" not in out.with_suffix(".md").read_text()
    # Another tau is another system.
    for seed in (1, 2, 3):
        run = root / f"toy/runs/alpha0.3/seed{seed}"
        edit(run / "config.json", "objective", "tau", value=2.0)
        key = load(RunConfig, run / "config.json").fingerprint()
        edit(run / "run.json", "run_key", value=key)
    write_significance(four, reference=reference_there, out=out)
    assert "slope" not in out.with_suffix(".md").read_text()


def test_a_translation_that_runs_away_does_not_mislead(
    tmp_path: Path, runs: list[Path], reference: Path
) -> None:
    root = tmp_path / "results"
    copies = []
    for run in runs:
        copy = root / "toy" / "runs" / run.parent.name / run.name
        shutil.copytree(run, copy)
        copies.append(copy)
    shutil.copytree(reference.parents[2] / "decoding", root / "toy" / "decoding")
    out = tmp_path / "significance"
    write_significance(copies, reference=reference, out=out)
    assert "runs away" not in out.with_suffix(".md").read_text()
    path = copies[0] / "hypotheses/test.greedy.txt"
    lines = read_lines(path)
    lines[7] = "w1 " * 180
    write_lines(path, lines)
    value = multi_bleu(lines, read_lines(reference)).value
    edit(copies[0] / "scores/test.greedy.json", "scores", "multi_bleu", "value", value=value)
    write_significance(copies, reference=reference, out=out)
    text = out.with_suffix(".md").read_text()
    assert text.count("In 1 of 80 sentences a translation of some run runs away") == 1
    across, _, scatter, _ = read_tables(out.with_suffix(".json"))
    whole, without = re.findall(r"0\.3 BLEU would need ([\d,]+) seeds", across.note)[:2]
    assert int(whole.replace(",", "")) > 1.3 * int(without.replace(",", ""))
    assert "Test (greedy) without 1 sentence" in set(scatter.rows.index)
    # As if the sentence had never been there.
    kept = [i for i in range(80) if i != 7]
    scores = {
        system: {
            seed: multi_bleu(
                *(
                    [read_lines(file)[i] for i in kept]
                    for file in (
                        root / f"toy/runs/{system}/seed{seed}/hypotheses/test.greedy.txt",
                        reference,
                    )
                )
            ).value
            for seed in (1, 2, 3)
        }
        for system in ("ml", "raml", "alpha0.5")
    }
    found = sensitivity(scores, 0.3)
    assert found is not None
    assert f"Without it the difference scatters by {found.sd:.2f} BLEU" in text
    assert without == f"{found.seeds_wanted:,}"


def test_a_run_without_likelihood_of_its_best_epoch_is_refused(
    tmp_path: Path, runs: list[Path], reference: Path
) -> None:
    run = tmp_path / "runs" / "ml" / "seed1"
    shutil.copytree(runs[0], run)
    edit(run / "run.json", "best", value={"epoch": 9})
    with pytest.raises(
        UserError, match=r"seed1/metrics\.jsonl: there is no valid_nll.* of epoch 9"
    ):
        write_significance([run], reference=reference, out=tmp_path / "significance")


def averaged(run: Path, folder: Path, about: dict[str, object]) -> Path:
    """Copy a run as one that publishes averaged weights; what run.json says of them."""
    shutil.copytree(run, folder)
    edit(folder / "config.json", "training", "average", value={"epochs": 2, "of": "best"})
    config = load(RunConfig, folder / "config.json")
    edit(folder / "run.json", "run_key", value=config.fingerprint())
    edit(folder / "run.json", "average", value={"epochs": [1, 2], **about})
    return folder


def test_the_likelihood_of_averaged_weights_is_their_own(
    tmp_path: Path, runs: list[Path], reference: Path
) -> None:
    results = tmp_path / "toy"
    shutil.copytree(runs[0].parents[2] / "decoding", results / "decoding")
    means = [
        averaged(run, results / f"runs/ml/seed{seed}", {"valid_nll_per_token": 1.0 + seed / 8})
        for seed, run in enumerate(runs[:3], start=1)
    ]
    out = tmp_path / "significance"
    write_significance([*means, *runs[3:6]], reference=reference, out=out)
    row = rows_of(out, "valid_nll_per_token", "paired t")["ml", "raml"]
    assert float(row["score_a"]) == 1.25  # and not 1.7 of the best epoch
    assert float(row["score_b"]) == pytest.approx(1.7 + 0.01 / 3)

    edit(means[1] / "run.json", "average", value={"epochs": [1, 2]})  # it was not finite
    message = r"seed2/run\.json: there is no valid_nll.* of the averaged weights; train the run"
    with pytest.raises(UserError, match=message):
        write_significance(means, reference=reference, out=out)


def test_another_reference_or_other_hypotheses_are_refused(
    tmp_path: Path, runs: list[Path], reference: Path
) -> None:
    other = tmp_path / "other.en"
    write_lines(other, [f"{line} more" for line in read_lines(reference)])
    out = tmp_path / "significance"
    with pytest.raises(UserError, match=r"test\.greedy\.json was made with another reference than"):
        write_significance(runs, reference=other, out=out)
    run = tmp_path / "runs" / "ml" / "seed1"
    shutil.copytree(runs[0], run)
    lines = read_lines(run / "hypotheses" / "test.beam.txt")
    write_lines(run / "hypotheses" / "test.beam.txt", lines[::-1])
    with pytest.raises(UserError, match=r"but scores/test\.beam\.json says .*score the run again"):
        write_significance([run, runs[3]], reference=reference, out=out)
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
    assert "Significant at 5 %: alpha0.5 seed 1 is better; the choice" in text
    assert "This says nothing about other trainings" in text
    assert "multi-bleu, tokenised text as given; nrefs:1" in text
    assert "Significant at 5 %: alpha0.5 seed 1 is better; the choice" in words(runs[6], runs[0])
    assert "Not significant at 5 %" in words(runs[0], runs[3])


def test_two_systems_over_their_common_seeds(runs: list[Path]) -> None:
    ml, alpha = runs[0].parent, runs[6].parent
    text = words(ml, alpha)
    assert [f"seed {seed}: alpha0.5" in text for seed in (1, 2, 3)] == [True] * 3
    assert "over 3 seeds: mean difference +" in text
    assert (
        "Significant at 5 %: alpha0.5 is better; the choice of these seeds does not explain it."
        in text
    )
    assert "the smallest possible with 3 seeds: 0.25" in text
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
    monkeypatch.setattr("alpha_dimt.tables.significance.tables.TRIALS", 50)
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

"""Scores, tables and tests: the file behind each column, and every number by value."""

import math
from itertools import combinations
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import formulas
import numpy as np
import pytest
import sacrebleu
import subject
from configured import experiment_with
from sacremoses import MosesDetokenizer
from scipy import stats

SYSTEMS = {
    "ml": {"objective": "ml"},
    "raml": {"objective": "raml"},
    "alpha0.5": {"objective": "alpha", "alpha": 0.5},
}
QUALITY = {"ml": 0.30, "raml": 0.29, "alpha0.5": 0.12}
SEEDS = (1, 2, 3)
WORDS = [f"w{i}" for i in range(9)]
SIZES = {"valid": 35, "test": 50}


def experiment() -> Any:
    decoding = {"beam": 7}
    return subject.experiment(experiment_with(SYSTEMS, seeds=list(SEEDS), decoding=decoding))


def references() -> dict[str, list[str]]:
    rng = np.random.default_rng(1)
    return {
        split: [" ".join(rng.choice(WORDS, rng.integers(5, 12))) for _ in range(size)]
        for split, size in SIZES.items()
    }


def translations(system: str, seed: int) -> dict[str, list[str]]:
    rng = np.random.default_rng([seed, len(system)])
    found = {}
    for less, name in enumerate(subject.SCORED):
        worse = QUALITY[system] + 0.05 * less + 0.02 * rng.random()
        found[name] = [
            " ".join(
                str(rng.choice(WORDS)) if rng.random() < worse else word
                for word in line.split(" ")
                if rng.random() > 0.02
            )
            or "w1"
            for line in references()[name.split(".")[0]]
        ]
    return found


TEXTS = {(system, seed): translations(system, seed) for system in SYSTEMS for seed in SEEDS}


def score(system: str, seed: int, name: str) -> float:
    return formulas.corpus_bleu(TEXTS[system, seed][name], references()[name.split(".")[0]])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("wiring") / "toy"
    made = experiment()
    subject.write_beam_config(made, results)
    for (system, seed), texts in TEXTS.items():
        subject.finished_run(results, made.run_config(system, seed), texts, references())
    return results


@pytest.fixture(scope="module")
def runs(results: Path) -> list[Path]:
    return [results / "runs" / system / f"seed{seed}" for system in SYSTEMS for seed in SEEDS]


# ----------------------------------------------------------------------------------- Table 1

COLUMNS = dict(zip(("dev_greedy", "test_greedy", "test_beam"), subject.SCORED, strict=True))
T_OF_THREE = 4.302652729911275
"""The 97.5 % quantile of Student's t with two degrees of freedom."""


def test_table_1(tmp_path: Path, runs: list[Path]) -> None:
    rows, text = subject.table1(runs, tmp_path / "table1")
    assert [row["system"] for row in rows] == list(SYSTEMS)
    assert "Test (beam 7)" in text
    for row in rows:
        system = row["system"]
        assert (row["n_seeds"], row["seeds"], row["beam"]) == ("3", "1 2 3", "7")
        assert row["objective"] == SYSTEMS[system]["objective"]
        assert row["alpha"] == {"ml": "", "raml": "0", "alpha0.5": "0.5"}[system]
        assert row["tau"] == {"ml": "", "raml": "3.0", "alpha0.5": "3.0"}[system]
        for column, name in COLUMNS.items():
            scores = [score(system, seed, name) for seed in SEEDS]
            half = T_OF_THREE * stdev(scores) / math.sqrt(3)
            assert float(row[f"{column}_mean"]) == pytest.approx(mean(scores))
            assert float(row[f"{column}_sd"]) == pytest.approx(stdev(scores))
            assert float(row[f"{column}_low"]) == pytest.approx(mean(scores) - half)
            assert float(row[f"{column}_high"]) == pytest.approx(mean(scores) + half)
    # For a person: the same columns in the same order.
    (line,) = [line for line in text.split("\n") if "raml" in line and "±" in line]
    figures = [cell.strip() for cell in line.split("|") if "±" in cell]
    wanted = [[score("raml", seed, name) for seed in SEEDS] for name in subject.SCORED]
    assert figures == [f"{mean(scores):.2f} ± {stdev(scores):.2f}" for scores in wanted]


def test_one_seed_has_no_deviation(tmp_path: Path, runs: list[Path]) -> None:
    rows, _ = subject.table1([runs[0], runs[3]], tmp_path / "table1")
    for row in rows:
        for column, name in COLUMNS.items():
            assert float(row[f"{column}_mean"]) == pytest.approx(score(row["system"], 1, name))
            assert (row[f"{column}_sd"], row[f"{column}_low"]) == ("", "")


# ------------------------------------------------------------------------------ significance


def counts(hypotheses: list[str], name: str) -> np.ndarray:
    """Return [N, 10]: lengths of hypothesis and reference, matches and totals of 1 to 4 words."""
    rows = []
    for hypothesis, reference in zip(hypotheses, references()[name.split(".")[0]], strict=True):
        a, b = hypothesis.split(" "), reference.split(" ")
        hits = [(formulas.ngrams(a, n) & formulas.ngrams(b, n)).total() for n in range(1, 5)]
        totals = [max(0, len(a) - n + 1) for n in range(1, 5)]
        rows.append([len(a), len(b), *hits, *totals])
    return np.array(rows, dtype=float)


def bleu(sums: np.ndarray) -> np.ndarray:
    precision = np.log(sums[..., 2:6] / sums[..., 6:10]).mean(axis=-1)
    return 100 * np.exp(precision + np.minimum(0, 1 - sums[..., 1] / sums[..., 0]))


def within(first: str, second: str, seed: int, name: str) -> dict[str, float]:
    """Return the tests of one pair on one seed, drawn again as sacreBLEU draws."""
    a, b = (counts(TEXTS[system, seed][name], name) for system in (first, second))
    n = len(a)
    value = float(bleu(b.sum(axis=0)) - bleu(a.sum(axis=0)))
    picks = np.random.default_rng(12345).integers(n, size=(1000, n))
    drawn = bleu(b[picks].sum(axis=1)) - bleu(a[picks].sum(axis=1))
    swap = np.random.default_rng(12345).integers(2, size=(10_000, n), dtype=bool)[..., None]
    swapped = bleu(np.where(swap, a, b).sum(axis=1)) - bleu(np.where(swap, b, a).sum(axis=1))
    as_large = (np.abs(drawn - drawn.mean()) >= abs(value) - 1e-9).sum()
    sacrebleus = (np.abs(drawn) - np.abs(drawn).mean() > abs(value)).sum()
    exchanged = (np.abs(swapped) >= abs(value) - 1e-9).sum()
    return {
        "difference": value,
        "low": float(np.quantile(drawn, 0.025)),
        "high": float(np.quantile(drawn, 0.975)),
        "paired bootstrap": (as_large + 1) / 1001,
        "paired bootstrap of sacreBLEU": (sacrebleus + 1) / 1001,
        "approximate randomisation": (exchanged + 1) / 10_001,
    }


def test_every_test_of_every_pair(tmp_path: Path, results: Path, runs: list[Path]) -> None:
    reference = results / "data" / "text" / "test.en"
    rows, _ = subject.significance(runs, reference, tmp_path / "significance")
    pairs = list(combinations(SYSTEMS, 2))
    across = {
        (row["scored"], row["system_a"], row["system_b"], row["test"]): row
        for row in rows
        if row["scope"] == "across seeds" and row["test"] in ("paired t", "sign flip")
    }
    inside = {
        (row["scored"], row["system_a"], row["system_b"], row["test"], int(row["seeds"])): row
        for row in rows
        if row["scope"] == "within a seed"
    }
    across = {key: row for key, row in across.items() if key[0] in ("test.greedy", "test.beam")}
    assert len(across) == 2 * 3 * 2
    assert len(inside) == 2 * 3 * 3 * 3
    for name in ("test.greedy", "test.beam"):
        differences = {
            pair: [score(pair[1], seed, name) - score(pair[0], seed, name) for seed in SEEDS]
            for pair in pairs
        }
        p_t = [float(stats.ttest_1samp(differences[pair], 0).pvalue) for pair in pairs]
        for pair, p, corrected in zip(pairs, p_t, formulas.holm(p_t), strict=True):
            row, found = across[(name, *pair, "paired t")], differences[pair]
            half = T_OF_THREE * stdev(found) / math.sqrt(3)
            expected = {
                "score_a": mean(score(pair[0], seed, name) for seed in SEEDS),
                "score_b": mean(score(pair[1], seed, name) for seed in SEEDS),
                "difference": mean(found),
                "sd": stdev(found),
                "low": mean(found) - half,
                "high": mean(found) + half,
                "p": p,
                "p_holm": corrected,
            }
            for key, value in expected.items():
                assert float(row[key]) == pytest.approx(value), (name, pair, key)
            assert row["significant"] == str(corrected < 0.05)
            flips = [
                abs(sum(s * d for s, d in zip(signs, found, strict=True)))
                for signs in ((a, b, c) for a in (1, -1) for b in (1, -1) for c in (1, -1))
            ]
            share = mean(flip >= abs(sum(found)) - 1e-9 for flip in flips)
            assert float(across[(name, *pair, "sign flip")]["p"]) == pytest.approx(share)
        for seed in SEEDS:
            tests = [within(*pair, seed, name) for pair in pairs]
            randomised = [found["approximate randomisation"] for found in tests]
            corrected = formulas.holm(randomised)
            for pair, found, p in zip(pairs, tests, corrected, strict=True):
                for test in (
                    "paired bootstrap",
                    "paired bootstrap of sacreBLEU",
                    "approximate randomisation",
                ):
                    row = inside[(name, *pair, test, seed)]
                    assert float(row["p"]) == pytest.approx(found[test])
                    assert float(row["difference"]) == pytest.approx(found["difference"])
                    assert float(row["score_a"]) == pytest.approx(score(pair[0], seed, name))
                    assert float(row["score_b"]) == pytest.approx(score(pair[1], seed, name))
                row = inside[(name, *pair, "paired bootstrap", seed)]
                assert float(row["low"]) == pytest.approx(found["low"])
                assert float(row["high"]) == pytest.approx(found["high"])
                row = inside[(name, *pair, "approximate randomisation", seed)]
                assert float(row["p_holm"]) == pytest.approx(p)
                assert row["significant"] == str(p < 0.05)
    outcomes = {row["significant"] for row in rows} - {""}
    assert outcomes == {"True", "False"}, "these data tell both"


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_two_systems_or_runs_compared(
    results: Path, search: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = results / "runs"
    found = subject.compared(folder / "ml", folder / "alpha0.5", search, capsys)
    name = f"test.{search}"
    differences = [score("alpha0.5", seed, name) - score("ml", seed, name) for seed in SEEDS]
    assert found["across"]["value"] == pytest.approx(mean(differences))
    assert found["across"]["p_t"] == pytest.approx(float(stats.ttest_1samp(differences, 0).pvalue))
    for one, seed in zip(found["by_seed"], SEEDS, strict=True):
        wanted = within("ml", "alpha0.5", seed, name)
        text = str(one)
        assert one["seed"] == seed
        assert str(wanted["approximate randomisation"])[:12] in text
        assert str(wanted["paired bootstrap"])[:12] in text


# ----------------------------------------------------------------------------------- scores

HYPOTHESES = ["the cat &apos;s hat .", "a dog , a Dog !", "no ( one )"]
TOKENISED = ["the cat &apos;s hat .", "a dog and a dog !", "no one"]
RAW = ["The cat's hat.", "A dog and a Dog!", "No one"]


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_scores_of_a_file(tmp_path: Path, lowercase: bool, language: str) -> None:
    paths = {name: tmp_path / name for name in ("hypotheses", "tokenised", "raw")}
    for path, lines in zip(paths.values(), (HYPOTHESES, TOKENISED, RAW), strict=True):
        path.write_text("".join(f"{line}\n" for line in lines))
    found = subject.evaluate(
        **paths, out=tmp_path / "scores.json", language=language, lowercase=lowercase
    )
    scores = found["scores"]
    plain = [MosesDetokenizer(lang=language).detokenize(line.split(" ")) for line in HYPOTHESES]
    assert scores["multi_bleu"]["value"] == pytest.approx(
        formulas.corpus_bleu(HYPOTHESES, TOKENISED)
    )
    case = "lower-cased" if lowercase else "cased"
    assert scores["multi_bleu"]["definition"] == f"multi-bleu, tokenised {case}"
    expected = {
        "sacrebleu": sacrebleu.BLEU(lowercase=lowercase),
        "chrf": sacrebleu.CHRF(lowercase=lowercase),
        "ter": sacrebleu.TER(case_sensitive=not lowercase),
    }
    for key, metric in expected.items():
        assert scores[key]["value"] == pytest.approx(metric.corpus_score(plain, [RAW]).score)
        assert scores[key]["signature"] == str(metric.get_signature())
    assert found["hypotheses"]["lines"] == 3


def test_bleu_is_what_the_formula_says() -> None:
    for (_, _), texts in TEXTS.items():
        wanted = formulas.corpus_bleu(texts["test.beam"], references()["test"])
        assert subject.multi_bleu(texts["test.beam"], references()["test"]) == pytest.approx(wanted)


# -------------------------------------------------------------------------- training's table


def test_the_table_of_training(tmp_path: Path) -> None:
    made, results = experiment(), tmp_path / "toy"
    subject.write_beam_config(made, results)
    folders = []
    for seed in (1, 2):
        run = made.run_config("alpha0.5", seed)
        folder = subject.finished_run(results, run, TEXTS["alpha0.5", seed], references())
        folders.append(folder)
        records = [
            {
                "epoch": epoch,
                "step": 10 * epoch**2,
                "metrics": {
                    "ess": epoch + seed / 10,
                    "ess_fraction": epoch / 16 + seed / 160,
                    "weight_entropy": 0.5 * epoch,
                    "reference_share": 0.25,
                    "gradient_norm": 3.0 + epoch,
                },
                "timing": {
                    "epoch_seconds": 2.0 * epoch + seed,
                    "valid_seconds": 0.5,
                    "target_tokens_per_second": 100.0 * epoch,
                    "peak_memory_mb": 50.0 + (epoch == 2),
                },
            }
            for epoch in (1, 2, 3)
        ]
        about = {
            "best": {"epoch": 2, "valid_bleu_greedy": 1.0},
            "epochs": 3,
            "wall_seconds": 60.0 * seed,
            "code_version": "1",
            "libraries": {"torch": "2"},
            "precision": "float32",
            "threads": 1,
            "machine": {"processor": "p", "cores": 1, "device": "cpu"},
        }
        subject.write_training(folder, run, about, records)
    (row,) = subject.training_table(folders, tmp_path / "training")
    # An update: 1000 (2 e + seed - 0.5) / steps of the epoch, of 10, 30 and 50: the median.
    of_update = [
        sorted(1000 * (2 * e + seed - 0.5) / steps for e, steps in ((1, 10), (2, 30), (3, 50)))[1]
        for seed in (1, 2)
    ]
    expected = {
        "ess": [3.1, 3.2],
        "ess_fraction": [3.1 / 16, 3.2 / 16],
        "group": [16.0, 16.0],
        "weight_entropy": [1.5, 1.5],
        "gradient_norm": [6.0, 6.0],
        "reference_share": [0.25, 0.25],
        "epochs": [3, 3],
        "best_epoch": [2, 2],
        "wall_seconds": [60, 120],
        "peak_memory_mb": [51, 51],
        "target_tokens_per_second": [200, 200],
        "ms_per_update": of_update,
    }
    for column, name in COLUMNS.items():
        expected[column] = [score("alpha0.5", seed, name) for seed in (1, 2)]
    for column, values in expected.items():
        assert float(row[f"{column}_mean"]) == pytest.approx(mean(values)), column
        assert float(row[f"{column}_sd"]) == pytest.approx(stdev(values), abs=1e-9), column

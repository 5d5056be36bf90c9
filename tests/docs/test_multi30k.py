"""docs/results/multi30k.md: its numbers are those of the files that are kept beside it."""

import gzip
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from pages import Cells, tables
from scipy.stats import ttest_ind

from alpha_dimt.config import Experiment, RunConfig, load
from alpha_dimt.core.files import read_json, read_lines, sha256, write_lines
from alpha_dimt.data.tokenise import tokenise
from alpha_dimt.evaluation.metrics import multi_bleu
from alpha_dimt.evaluation.score_files import statistics_of
from alpha_dimt.evaluation.within_seed import compare, resample
from alpha_dimt.report.page import write_report
from alpha_dimt.tables.significance import write_significance
from alpha_dimt.tables.table import read_tables
from alpha_dimt.tables.table1 import write_table1
from alpha_dimt.tables.training import write_training_table
from alpha_dimt.tables.wording import p_text

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs/results"
STUDIES = ["multi30k", "multi30k-bpe", "multi30k-quirks"]
FORMATS = (".json", ".md")


@pytest.fixture(scope="module")
def page() -> str:
    return (RESULTS / "multi30k.md").read_text(encoding="utf-8")


def experiment(study: str) -> Experiment:
    return load(Experiment, ROOT / f"config/{study}.yaml")


def runs_of(study: str) -> list[Path]:
    """Return the folders of all runs of a configuration, in the order of its systems."""
    given = experiment(study)
    return [
        RESULTS / study / f"runs/{system}/seed{seed}"
        for system in given.systems
        for seed in given.seeds
    ]


@pytest.mark.parametrize("study", STUDIES)
def test_every_run_of_the_configuration_is_kept_whole(study: str) -> None:
    given, folders = experiment(study), runs_of(study)
    assert {path.parent for path in (RESULTS / study).glob("runs/*/*/run.json")} == set(folders)
    for folder in folders:
        config = load(RunConfig, folder / "config.json")
        assert config == given.run_config(config.system, config.seed)
        assert read_json(folder / "run.json")["run_key"] == config.fingerprint()
        kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert kept == {
            *("config.json", "run.json", "metrics.jsonl"),
            *(f"scores/{name}.json" for name in ("valid.greedy", "test.greedy", "test.beam")),
            *(f"hypotheses/{name}.txt" for name in ("test.greedy", "test.beam")),
        }


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize(
    ("name", "write"), [("table1", write_table1), ("training", write_training_table)]
)
def test_the_tables_are_made_from_the_kept_files(
    study: str, name: str, write: Callable[..., None], tmp_path: Path
) -> None:
    write(runs_of(study), out=tmp_path / name)
    for suffix in FORMATS:
        kept = RESULTS / study / f"tables/{name}{suffix}"
        assert (tmp_path / f"{name}{suffix}").read_bytes() == kept.read_bytes()


def reference(out: Path) -> Path:
    """Write the tokenised test set as upstream's file gives it."""
    folder = os.environ.get("ALPHA_DIMT_TEST_DATA")
    if not folder:
        pytest.skip("ALPHA_DIMT_TEST_DATA does not name a folder of real data")
    packed = Path(folder, "multi30k/test_2016_flickr.en.gz").read_bytes()
    lines = gzip.decompress(packed).decode().split("\n")[:-1]
    write_lines(out, tokenise(lines, "en", experiment("multi30k").preparation))
    return out


@pytest.mark.parametrize("study", STUDIES)
def test_significance_is_made_from_the_kept_translations(study: str, tmp_path: Path) -> None:
    test = reference(tmp_path / "test.en")
    for run in runs_of(study):
        for name in ("test.greedy", "test.beam"):
            scores = read_json(run / f"scores/{name}.json")
            assert scores["references"]["tokenised"]["sha256"] == sha256(test)
            assert scores["hypotheses"]["sha256"] == sha256(run / f"hypotheses/{name}.txt")
    # Scores that are not those of the translations are refused here.
    write_significance(runs_of(study), reference=test, out=tmp_path / "significance")
    for suffix in FORMATS:
        kept = RESULTS / study / f"tables/significance{suffix}"
        assert (tmp_path / f"significance{suffix}").read_bytes() == kept.read_bytes()


@pytest.mark.parametrize("study", STUDIES)
def test_the_report_is_made_from_the_kept_files(study: str, tmp_path: Path) -> None:
    folder = RESULTS / study
    out = tmp_path / "report.html"
    write_report(
        runs_of(study), tables=folder / "tables", examples=folder / "examples.json", out=out
    )
    text = out.read_text(encoding="utf-8")
    for run in runs_of(study):
        value = read_json(run / "scores/test.beam.json")["scores"]["multi_bleu"]["value"]
        assert f"{value:.2f}" in text


# ---------------------------------------------------------------------------------- the page


def section(page: str, title: str) -> str:
    [found] = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def kept(study: str, name: str, first: str) -> dict[tuple[str, ...], Cells]:
    """Return the rows of a kept table by what stands before the numbers."""
    text = (RESULTS / study / f"tables/{name}.md").read_text(encoding="utf-8")
    [rows] = tables(text, first)[:1]
    names = ("Source", "Scores", "System", "Difference of")
    return {tuple(row[key] for key in names if key in row): row for row in rows}


def assert_shown(shown: Sequence[Cells], made: dict[tuple[str, ...], Cells], *before: str) -> None:
    """Compare the rows of a table of the page with those that were made."""
    for row in shown:
        name = next(iter(row.values()))
        whole = made[(*before, name)]
        assert {header: whole[header] for header in row} == row


SECTIONS = {
    "Five systems, three seeds": "multi30k",
    "Words and word pieces": "multi30k-bpe",
    "The authors' quirks, one at a time": "multi30k-quirks",
}


@pytest.mark.parametrize("title", SECTIONS)
def test_the_page_shows_the_kept_tables(page: str, title: str) -> None:
    study, text = SECTIONS[title], section(page, title)
    source = f"this run ({study})"
    [scores] = tables(text, "System")[:1]
    assert_shown(scores, kept(study, "table1", "Source"), source)
    assert [row["System"] for row in scores] == list(experiment(study).systems)
    for other in tables(text, "System")[1:]:
        assert_shown(other, kept(study, "training", "Source"), source)


@pytest.mark.parametrize("title", list(SECTIONS)[:2])  # the third has one seed
def test_the_page_shows_every_comparison_over_seeds(page: str, title: str) -> None:
    study, text = SECTIONS[title], section(page, title)
    made = kept(study, "significance", "Scores")
    across, pooled, scatter = tables(text, "Scores")
    assert across == list(made.values())
    whole = (RESULTS / study / "tables/significance.md").read_text(encoding="utf-8")
    assert [across, pooled, scatter] == tables(whole, "Scores")[:3]
    flat = " ".join(text.split())
    for table in read_tables(RESULTS / study / "tables/significance.json")[:2]:
        assert table.note in flat


def test_the_page_shows_every_quirk_beside_the_default(page: str) -> None:
    text = (RESULTS / "multi30k-quirks/tables/significance.md").read_text(encoding="utf-8")
    within = tables(text, "Scores")[-1]
    beside = [row for row in within if row["Difference of"].endswith("− default")]
    assert len(beside) == 2 * (len(experiment("multi30k-quirks").systems) - 1)
    [shown] = tables(section(page, "The authors' quirks, one at a time"), "Scores")
    assert shown == beside


def test_the_page_names_the_code_of_every_run(page: str) -> None:
    versions = {
        read_json(run / "run.json")["code_version"] for study in STUDIES for run in runs_of(study)
    }
    assert versions
    for version in versions:
        assert version.split("+g")[1] in page


def test_only_likelihood_differs_over_seeds(page: str) -> None:
    """The page says so in words; if that changes, so must the words."""
    assert "none in BLEU, two in the negative log-likelihood of dev" in " ".join(page.split())
    bold = set()
    for study in STUDIES:
        [table1] = read_tables(RESULTS / study / "tables/table1.json")
        across, *_ = read_tables(RESULTS / study / "tables/significance.json")
        assert not table1.strong.any(), study
        significant = across.rows["Difference of"][across.strong.any(axis=1)]
        bold |= {(study, *row) for row in significant.items()}
    assert bold == {
        ("multi30k", "Dev (nats per token)", "alpha0.3 − ml"),
        ("multi30k", "Dev (nats per token)", "alpha0.7 − raml"),
    }


def over_seeds(study: str, table: int) -> dict[tuple[str, str], dict[str, str]]:
    """Return the rows of a table of significance.json by scores and difference."""
    made = read_tables(RESULTS / study / "tables/significance.json")[table]
    plain = made.rows.map(lambda text: text.replace("−", "-"))
    names = made.rows["Difference of"].items()
    return dict(zip(names, plain.to_dict("records"), strict=True))


def test_the_words_about_likelihood_are_the_tables(page: str) -> None:
    flat = " ".join(section(page, "Five systems, three seeds").split())
    dev, greedy, beam = "Dev (nats per token)", "Test (greedy)", "Test (beam 10)"
    paired, pooled = over_seeds("multi30k", 0), over_seeds("multi30k", 1)

    def value(row: dict[str, str], digits: int = 3) -> str:
        return f"{float(row['Difference'].split(' ± ')[0]):.{digits}f}"

    def ends(row: dict[str, str], digits: int = 3) -> str:
        low, high = (float(end) for end in row["95 % interval"].split(" to "))
        return f"{low:.{digits}f} to {high:.{digits}f}"

    slope = paired[dev, "slope over α"]
    assert f"{value(slope)} nats per token for each unit of alpha ({ends(slope)}" in flat
    assert f"p = {slope['p (t)']})" in flat
    pair = paired[dev, "alpha0.7 − raml"]
    assert f"differ by {value(pair)} nats ({ends(pair)}; p = {pair['p (Holm)']}, corrected)" in flat
    lucky = paired[dev, "alpha0.3 − ml"]
    said = (
        f"better than maximum likelihood by {value(lucky)[1:]} (p = {lucky['p (Holm)']}, corrected)"
    )
    assert said in flat
    assert f"its p is {float(pooled[dev, 'alpha0.3 − ml']['p']):.2f}" in flat
    corrected = {
        name: float(row["p (Holm)"].replace("< ", ""))
        for (group, name), row in pooled.items()
        if group == dev and name != "slope over α"
    }
    ends_of_alpha = [p for name, p in corrected.items() if "raml" in name or "alpha0.7" in name]
    assert len(ends_of_alpha) == 7
    assert f"(corrected p of at most {max(ends_of_alpha):.3f})" in flat
    assert f"alpha = 0.3 ({corrected['alpha0.5 − alpha0.3']:.3f})" in flat
    one, two = paired[beam, "slope over α"], paired[greedy, "slope over α"]
    assert f"{value(one, 2)} BLEU with beam 10 ({ends(one, 2)}), and {value(two, 2)} with " in flat
    assert f"({ends(two, 2)}, p = {float(two['p (t)']):.2f}" in flat
    least = min(
        float(row["p (Holm)"]) for (g, n), row in pooled.items() if g == beam and "slope" not in n
    )
    assert f"the smallest corrected p is then {least:.2f}" in flat
    highest = max(
        float(row["95 % interval"].split(" to ")[1])
        for table in (paired, pooled)
        for (group, name), row in table.items()
        if group == beam and name.endswith("− ml")
    )
    assert highest < 1


def scatter(study: str) -> dict[tuple[str, str], list[str]]:
    """Return the rows of the table of the scatter by scores and part."""
    rows = read_tables(RESULTS / study / "tables/significance.json")[2].rows
    texts = zip(rows.index, rows.to_numpy().tolist(), strict=True)
    return {(group, part): cells for group, (part, *cells) in texts}


def test_the_words_about_scatter_are_the_table(page: str) -> None:
    rows = scatter("multi30k")
    flat = " ".join(section(page, "Five systems, three seeds").split())
    part = "the sentences of test"
    _, sd, beam = rows["Test (beam 10)", part]
    _, _, greedy = rows["Test (greedy)", part]
    _, _, without = rows["Test (greedy) without 3 sentences", part]
    assert f"With beam 10, {beam} of the scatter comes from the 1,000 sentences" in flat
    assert f"by {sd} BLEU (standard deviation)" in flat
    assert f"With greedy search it is {greedy}, and {without} without" in flat
    between = rows["Test (beam 10)", "between seeds of a system"][1]
    low, high = between.split("(")[1].strip(")").split(" to ")
    assert f"the standard deviation between seeds is {low} to {high} (95 %)" in flat
    rest = (float(high) ** 2 - float(sd) ** 2) ** 0.5
    assert f"differ by up to about {rest:.1f}" in flat
    pieces = [
        share
        for (group, part), (_, _, share) in scatter("multi30k-bpe").items()
        if part == "the trainings: the rest" and "without" not in group
    ]
    flat = " ".join(section(page, "Words and word pieces").split())
    assert f"most of it comes from the trainings ({pieces[0]} and {pieces[1]})" in flat


def test_two_sentences_loop_in_the_third_seed(page: str, tmp_path: Path) -> None:
    references = read_lines(reference(tmp_path / "test.en"))
    ml, raml, alpha = (
        read_lines(RESULTS / f"multi30k/runs/{system}/seed3/hypotheses/test.greedy.txt")
        for system in ("ml", "raml", "alpha0.3")
    )
    others = [i for i, line in enumerate(ml) if len(line.split()) < 180]
    assert len(others) == 998

    def on_the_others(lines: list[str]) -> float:
        return multi_bleu([lines[i] for i in others], [references[i] for i in others]).value

    rest = on_the_others(ml)
    said = (
        f"{multi_bleu(ml, references).value:.2f} with them, {rest:.2f} on the other 998, where the "
        f"differences are {on_the_others(raml) - rest:.2f} and {on_the_others(alpha) - rest:.2f}"
    )
    assert said in " ".join(page.split())


def scored(study: str, system: str, seed: int, name: str) -> dict[str, Any]:
    """Return the BLEU of a run's translations, with what it is made of."""
    report = read_json(RESULTS / f"{study}/runs/{system}/seed{seed}/scores/{name}.json")
    bleu: dict[str, Any] = report["scores"]["multi_bleu"]
    return bleu


def test_words_and_word_pieces_are_compared_by_welchs_test(page: str) -> None:
    flat = " ".join(section(page, "Words and word pieces").split())
    for system in ("ml", "alpha0.5"):
        for name in ("test.greedy", "test.beam"):
            words, pieces = (
                [scored(study, system, seed, name)["value"] for seed in (1, 2, 3)]
                for study in ("multi30k", "multi30k-bpe")
            )
            welch = ttest_ind(pieces, words, equal_var=False)
            low, high = welch.confidence_interval()
            said = (
                f"{mean(pieces) - mean(words):+.2f} ({low:.2f} to {high:.2f}, "
                f"p = {welch.pvalue:.2f})"
            )
            assert said in flat


def bleu_of(study: str, system: str, seed: int) -> tuple[str, str]:
    """Return test BLEU by greedy and by beam search, as the page prints it."""
    greedy, beam = (
        scored(study, system, seed, name)["value"] for name in ("test.greedy", "test.beam")
    )
    return f"{greedy:.2f}", f"{beam:.2f}"


def test_the_default_of_the_quirks_is_a_training_over_again(page: str) -> None:
    first = RESULTS / "multi30k/runs/alpha0.5/seed1"
    again = RESULTS / "multi30k-quirks/runs/default/seed1"
    assert read_json(first / "run.json")["data"] == read_json(again / "run.json")["data"]
    configs = [read_json(run / "config.json") for run in (first, again)]
    for config in configs:
        del config["system"], config["data"]["corpus"]["name"]
    assert configs[0] == configs[1]
    one, two, three = (bleu_of("multi30k", "alpha0.5", seed) for seed in (1, 2, 3))
    here = bleu_of("multi30k-quirks", "default", 1)
    flat = " ".join(section(page, "The authors' quirks, one at a time").split())
    assert f"{here[0]} (greedy) and {here[1]} BLEU (beam 10)" in flat
    assert f"where that run had {one[0]} and {one[1]}" in flat
    assert f"had {two[0]} and {two[1]}, {three[0]} and {three[1]}" in flat


def test_one_sentence_of_the_default_loops(page: str, tmp_path: Path) -> None:
    references = read_lines(reference(tmp_path / "test.en"))
    systems = ("default", "edited-ends", "padded-mean", "two-candidates")
    default, *better = (
        read_lines(RESULTS / f"multi30k-quirks/runs/{system}/seed1/hypotheses/test.greedy.txt")
        for system in systems
    )
    others = [i for i, line in enumerate(default) if len(line.split()) < 180]
    assert len(others) == 999

    def on_the_others(lines: list[str]) -> float:
        return multi_bleu([lines[i] for i in others], [references[i] for i in others]).value

    gains = sorted(on_the_others(lines) - on_the_others(default) for lines in better)
    flat = " ".join(page.split())
    assert f"({gains[0]:.2f} to {gains[-1]:.2f} without the one sentence" in flat


def test_the_page_about_tests_has_the_figures_of_multi30k() -> None:
    flat = " ".join((ROOT / "docs/explanation/significance.md").read_text(encoding="utf-8").split())
    across, pooled, *_ = read_tables(RESULTS / "multi30k/tables/significance.json")
    note = pooled.note.replace("−", "-").replace("+", "")
    greedy, beam, dev = re.findall(r"\) (-?\d\.\d+) \((-?\d\.\d+ to \d\.\d+)\)[,.]", note)
    assert f"ρ is {greedy[0]} (greedy) and {beam[0]} (beam 10)" in flat
    assert greedy[1].startswith("-")
    assert beam[1].startswith("-")
    assert (
        f"ρ is {dev[0]} on Multi30k ({dev[1]}), and pairing makes the variance about 6 times"
        in flat
    )
    assert 1 / (1 - float(dev[0])) == pytest.approx(6, abs=0.5)
    whole, without, _ = re.findall(r"0\.3 BLEU would need (\d+) seeds", across.note)
    assert "In 3 of 1,000 sentences" in across.note
    assert f"three sentences of 1,000 raise the number of seeds from {without} to {whole}" in flat
    share = {
        study: scatter(study)["Test (beam 10)", "the sentences of test"][2]
        for study in ("multi30k", "multi30k-bpe")
    }
    assert f"account for {share['multi30k']} of the variance" in flat
    assert f"far below the others, for {share['multi30k-bpe']} (" in flat


def test_fixed_batches_beside_the_default(page: str) -> None:
    systems = ("fixed-batches", "reference", "default")
    fixed, whole, default = (
        [scored("multi30k-quirks", system, 1, name) for name in ("test.greedy", "test.beam")]
        for system in systems
    )
    shown = [
        " and ".join(
            f"{one['value'] - other['value']:+.2f}" for one, other in zip(own, default, strict=True)
        )
        for own in (fixed, whole)
    ]
    greedy, beam = ([own[i]["ratio"] for own in (fixed, whole, default)] for i in (0, 1))
    flat = " ".join(page.split())
    assert (
        f"`fixed-batches` has {fixed[0]['value']:.2f} (greedy) and {fixed[1]['value']:.2f} BLEU "
        f"(beam 10), {shown[0]} relative to `default`; `reference` has {whole[0]['value']:.2f} and "
        f"{whole[1]['value']:.2f}, {shown[1]}."
    ) in flat
    assert (
        f"{greedy[0]:.2f} times as long as the references with greedy search (`reference` "
        f"{greedy[1]:.2f}, `default` {greedy[2]:.2f}), and {beam[0]:.2f} times with beam 10 "
        f"({beam[1]:.2f} and {beam[2]:.2f})"
    ) in flat


def test_the_authors_beam_rule_beside_the_default(page: str, tmp_path: Path) -> None:
    test = reference(tmp_path / "test.en")
    text = section(page, "The authors' quirks, one at a time")
    [shown] = tables(text, "Run")
    made = []
    for system in ("fixed-batches", "reference"):
        folder = RESULTS / "multi30k-quirks"
        files = [
            folder / f"runs/{system}/seed1/hypotheses/test.beam.txt",
            folder / f"extended/{system}.test.beam.txt",
        ]
        found = compare(*resample([statistics_of(file, test) for file in files]))
        kept, extended = (
            multi_bleu(read_lines(file), read_lines(test)).brevity_penalty for file in files
        )
        report = read_json(folder / f"extended/{system}.test.beam.json")
        assert report["hypotheses"]["sha256"] == sha256(files[1])
        assert report["scores"]["multi_bleu"]["value"] == pytest.approx(found.scores[1])
        made.append(
            {
                "Run": system,
                "kept": f"{found.scores[0]:.2f}",
                "extended": f"{found.scores[1]:.2f}",
                "Difference": f"{found.value:+.2f}",
                "95 % interval": f"{found.low:+.2f} to {found.high:+.2f}",
                "p (randomisation)": p_text(found.p_randomisation),
                "BP kept": f"{kept:.3f}",
                "BP extended": f"{extended:.3f}",
            }
        )
    assert shown == made

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from finished_runs import SIGNATURE, SYSTEMS, make_run, make_study, make_tables

from alpha_dimt.config import Experiment, RunConfig, load, parse
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, write_json
from alpha_dimt.report.page import write_report
from alpha_dimt.tables.searches import write_searches_table

EXAMPLE: dict[str, Any] = {
    "line": 31,
    "source": ["ein", "hun@@", "d"],
    "source_text": "ein hund",
    "reference": "a dog &apos;s <b>",
    "translations": [
        {
            "system": system,
            "seed": 1,
            "text": "a cat",
            "tokens": ["a", "cat"],
            "attention": [[1.0, 0.0, 0.0], [0.1, 0.4, 0.5]],
        }
        for system in SYSTEMS
    ],
}

TESTS = ("Within a seed", "Across seeds")


class Page(HTMLParser):
    """The elements of a page, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._raw = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.text += data


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results/toy"


def written(results: Path, runs: list[Path], examples: Path | None = None) -> tuple[str, Page]:
    out = results / "report/index.html"
    write_report(runs, tables=results / "tables", examples=examples, out=out)
    text = out.read_text(encoding="utf-8")
    return text, Page(text)


def test_further_searches_have_a_table(results: Path) -> None:
    runs = make_study(results)
    _, page = written(results, runs)
    assert "BLEU by search" not in page.text
    for search in ("greedy", "beam"):
        write_json(results / f"decoding/{search}.json", {"beam": 1 if search == "greedy" else 10})
    write_searches_table(runs, ["greedy", "beam"], out=results / "tables/searches")
    _, page = written(results, runs)
    assert "BLEU by search" in page.text
    assert "BP (greedy)" in page.text


def test_a_table_of_searches_that_is_left_of_other_runs_is_not_shown(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = make_study(results)
    for search in ("greedy", "beam"):
        write_json(results / f"decoding/{search}.json", {"beam": 1 if search == "greedy" else 10})
    write_searches_table(runs, ["greedy", "beam"], out=results / "tables/searches")
    # A further seed, and no further search any more.
    runs.append(make_run(results, "ml", 3, 41.0))
    make_tables(results, runs)
    _, page = written(results, runs)
    assert "BP (greedy)" not in page.text
    assert not [a for _, a in page.elements if "searches" in (a.get("href") or "")]
    said = capsys.readouterr().err
    assert re.fullmatch(r"warning: .*tables/searches\.json was made from other runs .*\n", said)
    assert "make it again with `alpha-dimt searches-table`, or delete it" in said


def test_every_score_stands_with_its_file_rule_code_and_signature(results: Path) -> None:
    _, page = written(results, make_study(results))
    flat = re.sub(r"\s+", " ", page.text)
    for system in SYSTEMS:
        for seed in (1, 2):
            file = f"runs/{system}/seed{seed}/scores/test.greedy.json"
            assert file in flat
    row = (
        r"raml\s*2\s*BLEU test.greedy\s*40.60\s*runs/raml/seed2/scores/test.greedy.json\s*"
        rf"evaluate\s*0.1.0\+gabc\s*{re.escape(SIGNATURE)}"
    )
    assert re.search(row, page.text)


def test_nothing_is_fetched_and_every_picture_has_words(results: Path) -> None:
    text, page = written(results, make_study(results))
    loaded = [
        (tag, value)
        for tag, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "srcset") or (name == "href" and tag != "a")
    ]
    assert loaded == []
    assert "@import" not in text
    pictures = [a for _, a in page.elements if a.get("role") == "img"]
    assert len(pictures) == 7
    assert all(len(picture["aria-label"] or "") > 40 for picture in pictures)


def test_translations_are_shown_with_what_differs_and_as_text(results: Path) -> None:
    write_json(results / "examples.json", {"made_from": [], "examples": [EXAMPLE]})
    text, page = written(results, make_study(results), results / "examples.json")
    # All systems wrote the same: it stands once.
    assert text.count("<mark>cat</mark>") == 1
    assert "ml, raml, alpha0.5" in page.text
    assert "Sentence 31: all systems translate alike" in page.text
    # Moses' escapes are undone, and what looks like an element is text.
    assert "a dog 's <b>" in page.text
    assert "<b>" not in text
    [embedded] = re.findall(r'id="data">(.*)</script>', text)
    assert json.loads(embedded)["examples"] == [EXAMPLE]


@pytest.mark.parametrize("attention", [[], [[], []]])
def test_models_without_attention_show_none(results: Path, attention: list[list[float]]) -> None:
    blind = [one | {"attention": attention} for one in EXAMPLE["translations"]]
    document = {"made_from": [], "examples": [EXAMPLE | {"translations": blind}]}
    write_json(results / "examples.json", document)
    text, page = written(results, make_study(results), results / "examples.json")
    assert "No model of these runs has attention." in page.text
    assert 'id="attention"' not in text
    assert text.count("<mark>cat</mark>") == 1


def test_translations_without_tokens_say_nothing_about_attention(results: Path) -> None:
    empty = [one | {"tokens": [], "attention": []} for one in EXAMPLE["translations"]]
    document = {"made_from": [], "examples": [EXAMPLE | {"translations": empty}]}
    write_json(results / "examples.json", document)
    text, _ = written(results, make_study(results), results / "examples.json")
    assert 'id="attention"' in text


def test_without_examples_the_page_has_none(results: Path) -> None:
    text, page = written(results, make_study(results))
    assert "Sentence" not in page.text
    assert 'id="attention"' not in text


def test_methods_are_those_of_the_configuration(results: Path) -> None:
    _, page = written(results, make_study(results))
    text = re.sub(r"\s+", " ", page.text)
    assert "System alpha0.5: alpha-DiMT (Eq. 13 to 15); tau 3" in text
    assert "alpha 0.5. Candidates: 1 a source and epoch" in text
    assert "batches of 128 source sentences" in text
    assert "beam search of width 10, without length normalisation" in text
    assert "510,737 parameters" in text


def test_the_headline_is_the_best_mean_and_what_tests_say_of_it(results: Path) -> None:
    text, page = written(results, make_study(results))
    flat = " ".join(page.text.split())
    # 40.3 and 40.6, and two more a system and less for beam search.
    assert "alpha0.5 has the highest test BLEU: 40.45 with beam 10 (mean over 2 seeds" in flat
    assert "Next: raml, 39.45." in flat
    assert "With greedy search, alpha0.5 has the highest: 41.45" in flat
    # Differences that do not scatter have no t test.
    assert flat.count("No system is significantly better than every other one over 2 seeds.") == 1
    assert "The tests say the same." in flat
    assert text.index("the highest test BLEU") < text.index("<nav")


def test_one_seed_is_no_evidence(results: Path) -> None:
    runs = [run for run in make_study(results) if run.name == "seed1"]
    with pytest.raises(UserError, match=r"table1\.json: this table was made from other runs"):
        written(results, runs)
    make_tables(results, runs)
    text, page = written(results, runs)
    flat = " ".join(page.text.split())
    assert "One seed: differences between systems cannot be claimed" in flat
    assert "alpha0.5 has the highest test BLEU: 40.30 with beam 10 (one seed)." in flat
    assert "significantly better" not in flat
    within, across = (text.index(f'aria-label="{name}"') for name in TESTS)
    assert within < text.index("<summary>Across seeds") < across


def test_with_several_seeds_those_within_a_seed_are_folded(results: Path) -> None:
    text, _ = written(results, make_study(results))
    within, across = (text.index(f'aria-label="{name}"') for name in TESTS)
    assert across < text.index("<summary>Within each seed") < within


def test_within_one_seed_the_headline_counts_pairs_that_differ(results: Path) -> None:
    runs = [run for run in make_study(results) if run.name == "seed1"]
    make_tables(results, runs)
    path = results / "tables/significance.json"
    document = read_json(path)
    [*_, within] = document["tables"]
    groups = ["Test (greedy), seed 1"] + 3 * ["Test (beam 10), seed 1"]
    plain = within["rows"][0]["cells"]
    strong = [cell | {"bold": True} for cell in plain]
    within["rows"] = [
        {"group": group, "cells": cells}
        for group, cells in zip(groups, [strong, strong, strong, plain], strict=True)
    ]
    write_json(path, document)
    _, page = written(results, runs)
    assert "2 of 3 pairs differ significantly on the test sentences" in page.text


def test_own_rows_come_first_and_published_ones_of_another_corpus_are_folded(results: Path) -> None:
    text, _ = written(results, make_study(results))
    table1 = text[text.index('<section id="table1">') : text.index('<section id="scores">')]
    own, note, fold, published = (
        table1.index(part)
        for part in ("alpha0.5", "must not be compared", "<details><summary>Published", "AC+LL")
    )
    assert own < note < fold < published
    assert published < table1.index("</details>")


def test_on_the_papers_corpus_published_rows_stand_below_the_own_ones(results: Path) -> None:
    runs = make_study(results)
    paper = parse(Experiment, {"corpus": {"kind": "iwslt14"}, "systems": SYSTEMS}, "test")
    for run in runs:
        ours = load(RunConfig, run / "config.json")
        theirs = paper.run_config(ours.system, ours.seed)
        write_json(run / "config.json", theirs.model_dump(mode="json"))
        about = read_json(run / "run.json")
        write_json(run / "run.json", about | {"run_key": theirs.fingerprint()})
    make_tables(results, runs)
    text, _ = written(results, runs)
    table1 = text[text.index('<section id="table1">') : text.index('<section id="scores">')]
    assert table1.index("this run (iwslt14)") < table1.index("Koyamada et al. (2017), Table 1")
    assert "<details>" not in table1


def test_every_link_leads_to_a_file(results: Path) -> None:
    _, page = written(results, make_study(results))
    hrefs = [a["href"] or "" for tag, a in page.elements if tag == "a"]
    linked = {href for href in hrefs if not href.startswith("#")}
    assert {
        *("../tables/table1.csv", "../tables/table1.tex", "../tables/training.json"),
        *("../runs/raml/seed2/config.json", "../runs/raml/seed2/scores/test.beam.json"),
    } <= linked
    # The fixture has no CSV of significance.
    assert "../tables/significance.json" in linked
    assert "../tables/significance.csv" not in linked
    for href in linked:
        assert (results / "report" / unquote(href)).is_file(), href
    ids = {a["id"] for _, a in page.elements if a.get("id")}
    assert {href[1:] for href in hrefs if href.startswith("#")} <= ids


def test_runs_of_before_memory_was_measured(results: Path) -> None:
    runs = make_study(results)
    path = runs[0] / "metrics.jsonl"
    path.write_text(re.sub(r', "peak_memory_mb": [\d.]+', "", path.read_text()), encoding="utf-8")
    _, page = written(results, runs)
    assert "503" in page.text
    assert re.search(r"ml\s*1\s*40.30\s*39.30\s*38.30[\s\d.,]*–", page.text)


def test_the_same_runs_make_the_same_bytes(results: Path) -> None:
    runs = make_study(results)
    assert written(results, runs)[0] == written(results, runs)[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tables/table1.json", [{"title": "1"}], r"table1\.json: this is not a table of"),
        (
            "examples.json",
            {"made_from": [], "examples": [{"line": 1}]},
            r"examples\.json: this is not what `alpha-dimt examples`",
        ),
        ("examples.json", 3, r"examples\.json: this is not what `alpha-dimt examples`"),
    ],
)
def test_files_of_something_else(results: Path, name: str, content: object, message: str) -> None:
    runs = make_study(results)
    write_json(results / "examples.json", {"made_from": [], "examples": [EXAMPLE]})
    write_json(results / name, content)
    with pytest.raises(UserError, match=message):
        written(results, runs, results / "examples.json")
    assert not (results / "report").exists()


def test_examples_of_other_weights_are_refused(results: Path) -> None:
    runs = make_study(results)
    about = json.loads((runs[0] / "run.json").read_text(encoding="utf-8"))
    write_json(runs[0] / "run.json", about | {"files": {"weights": "new"}})
    for path in (runs[0] / "scores").glob("*.json"):
        report = json.loads(path.read_text(encoding="utf-8"))
        made = {
            "run_key": about["run_key"],
            "weights": "new",
            "decoding": json.loads((results / "decoding/beam.json").read_text(encoding="utf-8")),
            "hypotheses": report["hypotheses"]["sha256"],
        }
        write_json(path, report | {"translated": made})
    alone = [runs[0]]
    make_tables(results, alone)
    document = {"made_from": [["ml/seed1", "new"]], "examples": [EXAMPLE]}
    write_json(results / "examples.json", document)
    written(results, alone, results / "examples.json")
    for made_from in (["ml/seed1", "old"], ["raml/seed1", "new"]):
        write_json(results / "examples.json", document | {"made_from": [made_from]})
        with pytest.raises(UserError, match=r"examples\.json: its translations by .* are not of"):
            written(results, alone, results / "examples.json")


def test_no_epoch_no_report(results: Path) -> None:
    run = make_run(results, "ml", 1, 40.0)
    (run / "metrics.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="it holds no epoch"):
        write_report([run], tables=results, examples=None, out=results / "report.html")

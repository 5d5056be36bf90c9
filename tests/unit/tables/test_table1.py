import csv
import re
from html.parser import HTMLParser
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest
from scored_runs import edit, make_run
from small_disk import SmallDisk

from alpha_dimt.config import RunConfig, load
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json
from alpha_dimt.tables.table1 import read_published, write_table1

CONFIG = Path(__file__).parents[3] / "config"


def rows(out: Path) -> list[dict[str, str]]:
    with out.with_suffix(".csv").open(newline="") as file:
        return list(csv.DictReader(file))


def make_runs(root: Path, values: dict[str, tuple[float, ...]]) -> list[Path]:
    """Write the runs of each system, seeds from 1 on."""
    return [
        make_run(root, system, seed, bleu)
        for system, scores in values.items()
        for seed, bleu in enumerate(scores, start=1)
    ]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "tables" / "table1"


def test_a_full_disk_leaves_no_half_table(tmp_path: Path, small_disk: SmallDisk) -> None:
    runs = [make_run(tmp_path, "ml", 1, 61.234)]
    write_table1(runs, out=tmp_path / "whole/table1")
    disk = small_disk
    disk.fill(leave=4096)
    with pytest.raises(UserError, match=r"table1\.\w+: cannot be written \(No space left"):
        write_table1(runs, out=disk.folder / "table1")
    written = list(disk.folder.glob("[!.]*"))
    assert all(
        path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes() for path in written
    )
    assert len(written) < 4


def test_published_rows_are_the_papers() -> None:
    published = read_published()
    assert len(published) == 8
    [best] = published[published["alpha"] == "0.5"].to_dict("records")
    assert (best["dev_greedy"], best["test_greedy"], best["test_beam"]) == (
        *("29.91", "28.02", "28.49"),
    )
    assert published["source"].str.endswith("Koyamada et al. (2017), Table 1").all()


def test_one_seed_is_the_plain_value(tmp_path: Path, out: Path) -> None:
    runs = [make_run(tmp_path, system, 1, 61.234) for system in ("raml", "ml", "alpha0.5")]
    write_table1(runs, out=out)
    table = rows(out)
    assert [row["system"] for row in table[8:]] == ["raml", "ml", "alpha0.5"]
    assert all(row["source"] != "this run" for row in table[:8])
    raml, ml, alpha = table[8:]
    assert (raml["objective"], raml["alpha"], raml["tau"]) == ("raml", "0", "3.0")
    assert (ml["objective"], ml["alpha"], ml["tau"]) == ("ml", "", "")
    assert (alpha["objective"], alpha["alpha"]) == ("alpha", "0.5")
    assert (ml["n_seeds"], ml["seeds"], ml["dev_greedy_sd"]) == ("1", "1", "")
    scores = [float(ml[f"{column}_mean"]) for column in ("dev_greedy", "test_greedy", "test_beam")]
    assert scores == pytest.approx([61.234, 60.234, 59.234], rel=1e-12)
    assert (ml["beam"], ml["corpus"]) == ("10", "toy")
    assert ml["metric"] == "multi-bleu, tokenised lower-cased"
    text = out.with_suffix(".md").read_text()
    assert "| this run (toy) | ml | – | – | 1 | 61.23 | 60.23 | 59.23 |" in text
    assert "±" not in text
    assert "interval" not in text
    assert (ml["test_beam_low"], ml["test_beam_high"]) == ("", "")


def test_several_seeds_are_mean_and_sample_deviation(tmp_path: Path, out: Path) -> None:
    values = {3: 61.0, 1: 60.0, 2: 63.5}
    write_table1([make_run(tmp_path, "ml", seed, values[seed]) for seed in values], out=out)
    row = rows(out)[-1]
    assert (row["n_seeds"], row["seeds"]) == ("3", "1 2 3")
    assert float(row["dev_greedy_mean"]) == pytest.approx(61.5)
    assert float(row["dev_greedy_sd"]) == pytest.approx(stdev(values.values()))
    # Student's t with two degrees of freedom: 4.303 * 1.803 / sqrt(3) to both sides.
    assert float(row["dev_greedy_low"]) == pytest.approx(61.5 - 4.479, abs=0.001)
    assert float(row["dev_greedy_high"]) == pytest.approx(61.5 + 4.479, abs=0.001)
    text = out.with_suffix(".md").read_text()
    assert "| 1, 2, 3 | 61.50 ± 1.80 | 57.02 to 65.98 |" in text
    assert "| Dev (greedy) | 95 % interval | Test (greedy) |" in text
    assert r"61.50 $\pm$ 1.80" in out.with_suffix(".tex").read_text()
    assert "mean ± sample standard deviation" in out.with_suffix(".html").read_text()


def test_the_caption_says_which_weights_were_scored(tmp_path: Path, out: Path) -> None:
    def caption(*runs: Path) -> str:
        write_table1(runs, out=out)
        return out.with_suffix(".md").read_text().split("\n")[0]

    best = make_run(tmp_path, "ml", 1, 60.0)
    assert "of the checkpoint with the best greedy dev BLEU. Metric" in caption(best)
    mean, single = (
        make_run(tmp_path, system, 1, 40.0, "multi30k-transformer")
        for system in ("ml", "on_policy")
    )
    words = "the mean of the weights of 5 epochs with the best greedy dev BLEU"
    assert f"of {words}. Metric" in caption(mean)
    both = f"of the checkpoint with the best greedy dev BLEU or, where a system averages, {words}."
    assert both in caption(mean, single)


def test_runs_of_different_devices_are_said_to_be(tmp_path: Path, out: Path) -> None:
    runs = [make_run(tmp_path, system, 1, 60.0) for system in ("raml", "ml", "alpha0.5")]
    cpu, gpu = {"device": "cpu"}, {"device": "cuda", "gpu": "A100"}
    for run, machine in zip(runs, (cpu, gpu, cpu), strict=True):
        edit(run / "run.json", "machine", value=machine)
        edit(run / "run.json", "precision", value="bfloat16")
    write_table1(runs, out=out)
    expected = "not computed alike (A100 in bfloat16: 1 runs, cpu in bfloat16: 2 runs)"
    assert expected in out.with_suffix(".md").read_text()
    for run in runs:
        edit(run / "run.json", "machine", value={"device": "cpu"})
    write_table1(runs, out=out)
    assert "alike" not in out.with_suffix(".md").read_text()


def test_bold_is_who_is_significantly_better_than_every_other_one(
    tmp_path: Path, out: Path
) -> None:
    values = {
        "ml": (60.0, 61.0, 60.5, 60.2),
        "raml": (63.0, 64.1, 63.4, 63.2),
        "alpha0.5": (61.0, 62.1, 61.6, 61.1),
    }
    write_table1(make_runs(tmp_path, values), out=out)
    text = out.with_suffix(".md").read_text()
    assert re.findall(r"\*\*(.*?)\*\*", text) == ["62.42 ± 0.48", "61.42 ± 0.48"]  # test alone
    assert "No system is." not in text
    assert out.with_suffix(".tex").read_text().count(r"\textbf{62.42 $\pm$ 0.48}") == 1
    assert out.with_suffix(".html").read_text().count("<strong>") == 2


def test_nothing_is_bold_that_is_not_significant(tmp_path: Path, out: Path) -> None:
    values = {"ml": (60.0, 62.0, 61.0), "raml": (61.0, 62.1, 64.0)}
    write_table1(make_runs(tmp_path, values), out=out)
    text = out.with_suffix(".md").read_text()
    assert "**" not in text
    assert "No system is." in text


@pytest.mark.parametrize(("corpus", "warned"), [("config", True), ("iwslt14", False)])
def test_says_when_the_published_rows_cannot_be_compared(
    tmp_path: Path, out: Path, corpus: str, warned: bool
) -> None:
    write_table1([make_run(tmp_path, "ml", 1, 60, corpus)], out=out)
    for suffix in (".md", ".tex", ".html"):
        text = out.with_suffix(suffix).read_text()
        assert ("must not be compared" in text) is warned
        assert "multi-bleu, tokenised lower-cased" in text
        assert "27.50" in text  # as printed in the paper, not 27.5


def test_latex_is_ascii_with_the_same_number_of_cells_in_every_row(
    tmp_path: Path, out: Path
) -> None:
    write_table1([make_run(tmp_path, "ml", seed, 60) for seed in (1, 2)], out=out)
    text = out.with_suffix(".tex").read_text()
    assert text.isascii()
    body = re.findall(r"^(.*&.*) \\\\$", text, flags=re.MULTILINE)
    assert len(body) == 1 + 8 + 1
    # A rule and a name above each group: two of the papers, and ours.
    assert text.count("\\midrule\n\\multicolumn") == 3
    assert {line.count("&") for line in body} == {9}
    assert text.count("{") == text.count("}")
    assert not re.search(r"(?<!\\)[%#_]", text.split("\n", 1)[1].replace(r"\label", ""))


def test_html_is_well_formed_accessible_and_self_contained(tmp_path: Path, out: Path) -> None:
    write_table1([make_run(tmp_path, "ml", 1, 60)], out=out)
    text = out.with_suffix(".html").read_text()

    class Checker(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.scopes: list[str] = []
            self.seen: set[str] = set()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.add(tag)
            assert "src" not in dict(attrs)
            assert "href" not in dict(attrs)
            if tag == "th":
                self.scopes.append(dict(attrs)["scope"] or "")
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert {"caption", "main", "h1", "title"} <= checker.seen
    assert checker.scopes.count("row") == 9
    assert checker.scopes.count("rowgroup") == text.count("<tbody>") == 3
    assert checker.scopes.count("col") == 7
    assert "color-scheme: light dark" in text


def test_different_corpora_are_refused(tmp_path: Path, out: Path) -> None:
    runs = [make_run(tmp_path, "ml", 1, 60), make_run(tmp_path, "ml", 1, 60, "multi30k")]
    with pytest.raises(UserError, match=r"is of the corpus toy and .* of multi30k"):
        write_table1(runs, out=out)
    assert not out.parent.exists()


def test_different_references_are_refused(tmp_path: Path, out: Path) -> None:
    runs = [make_run(tmp_path, system, 1, 60) for system in ("ml", "raml")]
    scores = runs[1] / "scores" / "test.beam.json"
    edit(scores, "references", "tokenised", "sha256", value="other")
    with pytest.raises(UserError, match="different references"):
        write_table1(runs, out=out)


def test_one_system_with_different_settings_is_refused(tmp_path: Path, out: Path) -> None:
    runs = [make_run(tmp_path, "ml", seed, 60) for seed in (1, 2)]
    edit(runs[1] / "config.json", "training", "batch_size", value=7)
    with pytest.raises(UserError, match=r"run\.json belongs to another configuration"):
        write_table1(runs, out=out)
    key = load(RunConfig, runs[1] / "config.json").fingerprint()
    edit(runs[1] / "run.json", "run_key", value=key)
    with pytest.raises(UserError, match="the system ml with different settings"):
        write_table1(runs, out=out)


def note_translated(run: Path, **changes: Any) -> None:
    """Note in a run and its scores what made its translations."""
    key = read_json(run / "run.json")["run_key"]
    edit(run / "run.json", "files", value={"weights": "w" * 64})
    for path in (run / "scores").glob("*.json"):
        beam = path.stem.endswith(".beam")
        decoding = read_json(run.parents[2] / "decoding/beam.json") | {"beam": 10 if beam else 1}
        made = {
            "run_key": key,
            "weights": "w" * 64,
            "decoding": decoding,
            "hypotheses": read_json(path)["hypotheses"]["sha256"],
        }
        edit(path, "translated", value=made | changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"run_key": "0" * 16}, "not of translations by this run as it is now"),
        ({"weights": "v" * 64}, "not of translations by this run as it is now"),
        ({"hypotheses": "other"}, "not of translations by this run as it is now"),
        ({"decoding": {"beam": 3}}, r"test\.beam\.txt: the search was another than that of"),
    ],
)
def test_scores_are_of_the_run_as_it_is(
    tmp_path: Path, out: Path, change: dict[str, Any], message: str | None
) -> None:
    run = make_run(tmp_path, "ml", 1, 60)
    note_translated(run, **change)
    if message is None:
        write_table1([run], out=out)
        edit(run / "scores/test.beam.json", "translated", value=None)
        message = "not of translations by this run as it is now"
    with pytest.raises(UserError, match=message):
        write_table1([run], out=out)


def test_runs_of_other_data_or_other_searches_never_stand_together(
    tmp_path: Path, out: Path
) -> None:
    one, two = (make_run(tmp_path / name, "ml", i, 60) for i, name in enumerate("ab"))
    edit(two / "run.json", "data", "train.arrow", value="other")
    with pytest.raises(UserError, match="were trained on different data"):
        write_table1([one, two], out=out)
    edit(two / "run.json", "data", "train.arrow", value="ab")
    edit(two.parents[2] / "decoding/beam.json", "ended", value="extended")
    note_translated(one)
    note_translated(two)
    with pytest.raises(UserError, match="were translated by different searches"):
        write_table1([one, two], out=out)


def test_seeds_of_a_system_that_starts_from_another(tmp_path: Path, out: Path) -> None:
    """Each seed starts from the run of its own seed."""
    runs = [make_run(tmp_path, "mrt", seed, 60, "objectives") for seed in (1, 2)]
    write_table1(runs, out=out)
    assert rows(out)[-1]["seeds"] == "1 2"
    edit(runs[1] / "config.json", "start", "model", "hidden", value=256)
    key = load(RunConfig, runs[1] / "config.json").fingerprint()
    edit(runs[1] / "run.json", "run_key", value=key)
    with pytest.raises(UserError, match="the system mrt with different settings"):
        write_table1(runs, out=out)


def test_a_run_given_twice_is_refused(tmp_path: Path, out: Path) -> None:
    run = make_run(tmp_path, "ml", 1, 60)
    with pytest.raises(UserError, match="the same system and seed"):
        write_table1([run, run], out=out)


def test_a_missing_score_is_named(tmp_path: Path, out: Path) -> None:
    run = make_run(tmp_path, "ml", 1, 60)
    (run / "scores" / "test.beam.json").unlink()
    with pytest.raises(UserError, match=r"scores/test\.beam\.json: there is no such file"):
        write_table1([run], out=out)

"""CONTRIBUTING.md and docs/how-to/add_*.md: their examples work, and the files named exist."""

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from fenced import block

from alpha_dimt.config.corpora import FilesCorpus, TwoFiles
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_lines, write_lines
from alpha_dimt.data.corpora import write_raw

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/how-to/add_*.md"))]
PAGE = "".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Imports a program of the page by the name of its file."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def imported(name: str) -> ModuleType:
        (tmp_path / f"{name}.py").write_text(block(PAGE, f"python title={name}.py"))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return imported


def test_the_corpus_is_split_and_written(example, tmp_path: Path) -> None:
    sentences = example("sentences")
    table = tmp_path / "deu.txt"
    write_lines(table, (f"english {n}\tdeutsch {n}\tCC BY" for n in range(10)))
    splits = sentences.sides(table, every=5)
    assert splits["valid"] == (["deutsch 0", "deutsch 5"], ["english 0", "english 5"])
    assert splits["test"] == (["deutsch 1", "deutsch 6"], ["english 1", "english 6"])
    assert len(splits["train"][0]) == 6

    # What comes of it is what the next stage reads.
    files = {}
    for split, sides in splits.items():
        files[split] = TwoFiles(source=tmp_path / f"{split}.de", target=tmp_path / f"{split}.en")
        write_lines(files[split].source, sides[0])
        write_lines(files[split].target, sides[1])
    corpus = FilesCorpus(kind="files", name="sentences", **files)
    write_raw(corpus, mirrors=(), cache=tmp_path, out=tmp_path / "raw")
    assert read_lines(tmp_path / "raw/test.en") == ["english 1", "english 6"]

    table.write_text("one\ttwo\tthree\nfour\tfive\n")
    with pytest.raises(UserError, match=r"deu\.txt:2: .* this one has 2 columns"):
        sentences.sides(table, every=5)


def test_the_proposal_passes_its_own_test(example) -> None:
    example("swap")
    tests = example("test_swap")
    found = [getattr(tests, name) for name in dir(tests) if name.startswith("test_")]
    assert len(found) == 2
    for test in found:
        test()


NAMED = sorted(
    set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", PAGE))
    | {"CHANGELOG.md", "CITATION.cff", "Makefile"}
)


@pytest.mark.parametrize("path", NAMED)
def test_what_is_named_exists(path: str) -> None:
    assert path in PAGE
    assert (ROOT / path).exists() or path.startswith(".venv/")


def test_names_in_the_code_are_those_of_today() -> None:
    for name, path in re.findall(r"`(\w+)` in\s+`([\w/.]+\.py)`", PAGE):
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")), name

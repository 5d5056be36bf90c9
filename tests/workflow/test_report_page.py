"""The report of a finished workflow, opened from disk in a real browser without a network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import picture

pytestmark = pytest.mark.slow

SYSTEMS = ["ml", "raml", "alpha0.3", "alpha0.5", "alpha0.7"]
CHARTS = ["scores", "alpha", "learning_curves", "nll", "ess", "entropy", "lengths"]
Opened = Callable[..., Any]


@pytest.fixture
def opened(chromium: Any, finished: Any) -> Any:
    """Open the page in a window; afterwards nothing was asked of a network, nothing failed."""
    contexts, wrong = [], []

    def open_page(width: int = 1280, height: int = 900, scheme: str = "light") -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith(("file:", "data:", "blob:"))
                else wrong.append(asked.url)
            ),
        )
        page.goto((finished.folder / "results/toy/report/index.html").as_uri())
        for chart in CHARTS:
            page.locator(f"#chart-{chart} svg.marks").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def test_the_page_is_whole(opened: Opened, tmp_path: Path) -> None:
    page = opened()
    page.screenshot(path=picture("report", tmp_path), full_page=True)
    headings = page.locator("h2").all_inner_texts()
    assert headings[:3] == ["Table 1", "Scores", "Learning curves"]
    assert headings[-4:] == ["Translations", "Significance", "Methods", "Provenance"]
    assert page.locator("#runs-table tbody tr th").all_inner_texts() == SYSTEMS
    assert "Koyamada et al. (2017), Table 1" in page.locator("main").inner_text()


def test_a_click_sorts_and_words_filter(opened: Opened) -> None:
    page = opened()
    header = page.locator("#runs-table thead th", has_text="System")
    header.click()
    names = page.locator("#runs-table tbody tr:visible th")
    assert names.all_inner_texts() in (sorted(SYSTEMS), sorted(SYSTEMS, reverse=True))
    page.locator("input[data-filters=runs-table]").fill("ALPHA0.5")
    assert names.all_inner_texts() == ["alpha0.5"]
    page.locator("input[data-filters=provenance-table]").fill("raml beam evaluate")
    rows = page.locator("#provenance-table tbody tr:visible")
    assert rows.count() == 2  # BLEU and brevity penalty
    assert "runs/raml/seed1/scores/test.beam.json" in rows.first.inner_text()


def test_attention_of_the_chosen_translation(opened: Opened) -> None:
    page = opened()
    names = page.locator("#attention thead th")
    first = names.all_inner_texts()
    assert first == page.evaluate("data.examples[0].source")
    page.locator("#attention-sentence").select_option("1")
    page.locator("#attention-system").select_option("alpha0.7")
    assert names.all_inner_texts() == page.evaluate("data.examples[1].source") != first
    label = page.locator("#attention").get_attribute("aria-label")
    assert label.startswith("Attention of alpha0.7 in sentence ")
    size = page.evaluate("data.examples[1].translations[4].tokens.length")
    assert page.locator("#attention tbody tr").count() == size


def test_a_mark_says_its_figures(opened: Opened) -> None:
    page = opened()
    mark = page.locator("#chart-scores svg .mark-symbol.role-mark path").last
    mark.hover()
    tip = page.locator("#vg-tooltip-element")
    tip.wait_for()
    assert "bleu" in tip.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(opened: Opened, scheme: str, tmp_path: Path) -> None:
    page = opened(width=390, height=844, scheme=scheme)
    page.screenshot(path=picture(f"report-phone-{scheme}", tmp_path), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    paper, ink = page.evaluate(
        "(({backgroundColor, color}) => [backgroundColor, color])(getComputedStyle(document.body))"
    )
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    # Charts write in the colour of the page.
    label = page.locator("#chart-nll svg text").first
    assert label.evaluate("element => getComputedStyle(element).fill") == ink


def test_on_paper_everything_is_unfolded(opened: Opened) -> None:
    page = opened()
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.get_by_text("Significant within a seed says").is_visible()

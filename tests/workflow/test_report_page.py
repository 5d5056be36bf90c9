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


def index(finished: Any) -> Path:
    return Path(finished.folder / "results/toy/report/index.html")


def overlaps(page: Any, one: str, other: str) -> bool:
    """Whether two elements cover the same part of the window."""
    a, b = (page.locator(selector).bounding_box() for selector in (one, other))
    return bool(
        a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    )


def background(page: Any) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def cut(page: Any) -> list[str]:
    """Return the names of the tables that are wider than their place."""
    return list(
        page.evaluate(
            """[...document.querySelectorAll(".scroll[aria-label]")]
               .filter((box) => box.scrollWidth > box.clientWidth)
               .map((box) => box.ariaLabel)"""
        )
    )


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
        page.goto(index(finished).as_uri())
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
    assert headings[-4:] == ["Significance", "Methods", "Files", "Provenance"]
    assert page.locator("#runs-table tbody tr th").all_inner_texts() == SYSTEMS
    assert "One seed" in page.locator("header").inner_text()
    published = page.get_by_text("Koyamada et al. (2017), Table 1", exact=True)
    assert not published.is_visible()
    page.get_by_text("Published rows, on IWSLT'14").click()
    assert published.is_visible()


def test_contents_stay_beside_the_page_and_mark_what_is_read(opened: Opened) -> None:
    page = opened()
    page.locator("nav a", has_text="Methods").click()
    marked = page.locator("nav [aria-current]")
    marked.wait_for()
    assert marked.all_inner_texts() == ["Methods"]
    assert page.locator("nav").bounding_box()["y"] == 0
    assert not overlaps(page, "nav", "main")


def test_words_find_sentences(opened: Opened) -> None:
    page = opened()
    sentences = page.locator("#sentences > .sentence:visible")
    count = sentences.count()
    wanted = page.evaluate("data.examples.at(-1)")
    page.locator("input[data-filters=sentences]").fill(wanted["reference"].upper())
    found = sentences.all_inner_texts()
    assert 0 < len(found) < count
    assert all(wanted["reference"].split()[0] in text for text in found)
    assert page.locator("#sentences-found").inner_text() == f"{len(found)} of {count}"
    page.locator("input[data-filters=sentences]").fill("no sentence has this")
    assert sentences.count() == 0
    page.locator("input[data-filters=sentences]").fill("")
    assert sentences.count() == count


def test_every_file_that_is_linked_is_there(opened: Opened, finished: Any) -> None:
    page = opened()
    hrefs = page.locator("a[href]").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
    files = {href for href in hrefs if not href.startswith("#")}
    assert {"../tables/table1.csv", "../runs/alpha0.7/seed1/config.json"} <= files
    assert [href for href in files if not (index(finished).parent / href).is_file()] == []


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
    assert (background(page) == "rgb(255, 255, 255)") == (scheme == "light")
    # Charts write in the colour of the page.
    ink = page.evaluate("getComputedStyle(document.body).color")
    label = page.locator("#chart-nll svg text").first
    assert label.evaluate("element => getComputedStyle(element).fill") == ink


def test_a_phone_shows_system_and_scores(opened: Opened) -> None:
    page = opened(width=390, height=844)
    row = page.locator("#table1 tbody tr").first
    # The system and all three scores are in the window.
    for cell in row.locator("th, td").all()[:4]:
        box = cell.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    assert not overlaps(page, "nav", "main")
    # The system stays while the rest scrolls.
    runs = page.locator(".scroll:has(#runs-table)")
    runs.evaluate("box => { box.scrollLeft = 300; }")
    assert page.locator("#runs-table tbody th").first.bounding_box()["x"] == pytest.approx(16)
    # The contents scroll away.
    page.evaluate("scrollTo(0, 3000)")
    assert page.locator("nav").bounding_box()["y"] < 0


def test_no_table_is_cut_on_a_desk(opened: Opened) -> None:
    page = opened(width=1440)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert cut(page) == []


def test_charts_have_the_colours_of_their_paper(opened: Opened) -> None:
    page = opened(scheme="dark")
    line = page.locator("#chart-nll svg .mark-line path").last
    palettes = page.evaluate("data.palettes")
    last = SYSTEMS.index("alpha0.7")
    assert line.get_attribute("stroke") == palettes["dark"][last]
    page.emulate_media(color_scheme="light")
    page.locator(f"#chart-nll svg path[stroke='{palettes['light'][last]}']").last.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_everything_is_unfolded_and_nothing_is_cut(
    opened: Opened, scheme: str, tmp_path: Path
) -> None:
    page = opened(scheme=scheme)
    folded = page.locator("main details:not([open], .vega-embed details)")
    count = folded.count()
    assert count > 5
    # Asked as the browser lays out the paper, A4 in landscape format.
    page.evaluate(
        """addEventListener("beforeprint", () => {
             window.foldedOnPaper = document.querySelectorAll(
               "main details:not([open], .vega-embed details)").length;
           })"""
    )
    page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert page.evaluate("foldedOnPaper") == 0
    assert folded.count() == count
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    # The paper is white whatever the reader's setting is.
    assert background(page) == "rgb(255, 255, 255)"
    assert page.locator("#chart-nll svg .mark-line path").last.get_attribute(
        "stroke"
    ) == page.evaluate(f"data.palettes.light[{SYSTEMS.index('alpha0.7')}]")
    page.set_viewport_size({"width": 1046, "height": 703})  # A4 without its margins
    assert not page.locator("nav").is_visible()
    assert page.get_by_text("Significant within a seed says").is_visible()
    assert cut(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 1046

"""The site (`make docs`): whole, without a broken link, and nothing in it needs the network."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from inspect import isclass, isfunction
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import pytest

from alpha_dimt import library, objectives, results
from alpha_dimt.config import proposals

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("material") is None or find_spec("mkdocstrings") is None,
        reason="MkDocs is not installed: pip install -e '.[docs]'",
    ),
]

# Attributes that make a browser load what they name.
LOADED = {("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src"), ("link", "href")}


class Html(HTMLParser):
    """What a page links to, what it loads, and where it can be linked to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.navigation: list[str] = []
        self.loaded: list[str] = []
        self.anchors = {""}
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
            if "md-nav__link" in values.get("class", "").split():
                self.navigation.append(values["href"])
        self.loaded += [value for name, value in values.items() if (tag, name) in LOADED]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    unreachable = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, **unreachable, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Html]:
    return {file: Html(file) for file in site.rglob("*.html")}


def test_every_page_is_in_the_navigation(site: Path, pages: dict[Path, Html]) -> None:
    docs = ROOT / "docs"
    found = [file for kind in ("md", "ipynb") for file in docs.rglob(f"*.{kind}")]
    written = {file.relative_to(docs) for file in found if file.parent.name != "tables"}
    expected = {str(file.with_suffix(".html")) for file in written - {Path("README.md")}}
    expected |= {
        "index.html",
        "project/index.html",
        "project/CONTRIBUTING.html",
        "project/CHANGELOG.html",
        "project/benchmarks.html",
        "reference/keys.html",
        "reference/api/alpha_dimt.library.html",
        "reference/api/alpha_dimt.objectives.html",
        "reference/api/alpha_dimt.config.proposals.html",
        "reference/api/alpha_dimt.results.html",
    }
    listed = {urlsplit(link).path for link in pages[site / "index.html"].navigation} - {""}
    assert {name.replace("./", "index.html") for name in listed} - {"."} == expected


def test_every_link_within_the_site_leads_somewhere(site: Path, pages: dict[Path, Html]) -> None:
    # The page for addresses that do not exist can be shown at any address.
    addressed = {page: html for page, html in pages.items() if page.name != "404.html"}
    broken = [
        f"{page.relative_to(site)}: {link}"
        for page, html in addressed.items()
        for link in html.links + html.loaded
        if not leads_somewhere(urlsplit(link), page, pages)
    ]
    assert broken == []


def leads_somewhere(link: SplitResult, page: Path, pages: dict[Path, Html]) -> bool:
    if link.scheme:
        return True
    target = (page.parent / unquote(link.path)).resolve() if link.path else page
    if target in pages:
        return unquote(link.fragment) in pages[target].anchors
    return target.is_file()


def test_nothing_is_loaded_from_the_network(site: Path, pages: dict[Path, Html]) -> None:
    loaded = [link for html in pages.values() for link in html.loaded]
    for sheet in site.rglob("*.css"):
        rules = sheet.read_text(encoding="utf-8")
        loaded += re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")]+)", rules)
    assert [link for link in loaded if re.match(r"(https?:)?//", link)] == []


@pytest.mark.parametrize("module", [library, objectives, proposals, results])
def test_the_api_has_every_public_class_and_function(
    pages: dict[Path, Html], site: Path, module: ModuleType
) -> None:
    own = [name for name, value in vars(module).items() if is_of(module, value)]
    names = getattr(module, "__all__", own)
    public = [name for name in names if isclass(value := vars(module)[name]) or isfunction(value)]
    assert public
    anchors = pages[site / f"reference/api/{module.__name__}.html"].anchors
    assert [name for name in public if f"{module.__name__}.{name}" not in anchors] == []


def is_of(module: ModuleType, value: object) -> bool:
    name = getattr(value, "__name__", "_")
    return getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")


def test_a_file_that_a_page_links_to_is_shown(site: Path, pages: dict[Path, Html]) -> None:
    shown = site / "files/workflow/profiles/slurm/config.yaml.html"
    links = pages[site / "how-to/cluster.html"].links
    assert "../files/workflow/profiles/slurm/config.yaml.html" in links
    source = (ROOT / "workflow/profiles/slurm/config.yaml").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", shown.read_text(encoding="utf-8"))
    assert source.splitlines()[0] in text


def test_code_has_the_name_of_its_file(site: Path) -> None:
    page = (site / "tutorials/own_text.html").read_text(encoding="utf-8")
    assert '<span class="filename">mine.yaml</span>' in page


def test_the_search_works_from_disk_and_without_network(site: Path, chromium: Any) -> None:
    page = chromium.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("RAML's own distribution", delay=20)
    found = page.locator(".md-search-result__link[href*='alpha_dimt.config.proposals']")
    found.first.wait_for(state="attached", timeout=60_000)
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []

"""A real browser: Debian's Chromium, driven by Playwright."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@contextmanager
def started() -> Iterator[Any]:
    """A browser; without one the test is skipped with a message."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
    )
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


def picture(name: str, otherwise: Path) -> Path:
    """Return the path of a screenshot, in the folder ALPHA_DIMT_SCREENSHOTS or another one."""
    folder = Path(os.environ.get("ALPHA_DIMT_SCREENSHOTS", otherwise))
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.png"

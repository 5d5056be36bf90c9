"""Take report.png, the picture in the README: a report on a desk, and on a phone in the dark.

    python docs/figures/report.py REPORT.html

REPORT.html is what `alpha-dimt report` wrote; docs/results/multi30k.md has the command. Needs
Debian's Chromium and Playwright.
"""

import sys
from base64 import b64encode
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "/usr/bin/chromium"
HEIGHT, GAP = 1000, 20
DESK, PHONE = 1180, 390
PAGE = """<body style="margin:0;display:flex;gap:{gap}px">
<img src="data:image/png;base64,{desk}"><img src="data:image/png;base64,{phone}"></body>"""


def look(browser: Browser, report: Path, *, width: int, scheme: str, at: str) -> str:
    """Return a screenshot in base64.

    Args:
        browser: that opens the report.
        report: the page.
        width: of the window, pixels.
        scheme: light or dark.
        at: the element at the top.
    """
    page = browser.new_page(
        viewport={"width": width, "height": HEIGHT},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page.goto(report.absolute().as_uri())
    page.wait_for_selector(".chart svg, .chart canvas")
    page.locator(at).evaluate("element => element.scrollIntoView()")
    page.wait_for_timeout(1000)
    return b64encode(page.screenshot()).decode()


def main() -> None:
    """Take both pictures and put them side by side."""
    report = Path(sys.argv[1])
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        desk = look(browser, report, width=DESK, scheme="light", at="#scores")
        phone = look(browser, report, width=PHONE, scheme="dark", at="#curves")
        page = browser.new_page(viewport={"width": DESK + GAP + PHONE, "height": HEIGHT})
        page.set_content(PAGE.format(gap=GAP, desk=desk, phone=phone))
        page.screenshot(path=Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()

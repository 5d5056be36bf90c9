"""What is seen on the page stands out from its paper by the contrasts of WCAG 2.2."""

import re
from importlib import resources

import pytest

from alpha_dimt.report.colours import DARK, GREY, LIGHT

CSS = (resources.files("alpha_dimt.report") / "page.css").read_text("utf-8")
LIGHT_CSS, DARK_CSS = (
    dict(re.findall(r"--(\w+): (#\w{6});", part))
    for part in CSS.partition("prefers-color-scheme: dark")[::2]
)


def luminance(colour: str) -> float:
    values = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return sum(share * v for share, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize(("palette", "css"), [(LIGHT, LIGHT_CSS), (DARK, DARK_CSS)])
def test_marks_of_charts_stand_out(palette: list[str], css: dict[str, str]) -> None:
    assert {colour: contrast(colour, css["paper"]) >= 3 for colour in [*palette, GREY]} == (
        dict.fromkeys([*palette, GREY], True)
    )


@pytest.mark.parametrize("css", [LIGHT_CSS, DARK_CSS])
def test_text_can_be_read(css: dict[str, str]) -> None:
    for text in ("ink", "soft", "accent"):
        for ground in ("paper", "tint"):
            assert contrast(css[text], css[ground]) >= 4.5
    assert contrast(css["ink"], css["differs"]) >= 4.5
    assert contrast(css["edge"], css["tint"]) >= 3

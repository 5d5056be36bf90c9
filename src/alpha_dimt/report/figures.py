"""The charts as files, for papers, READMEs and trackers."""

from collections.abc import Sequence
from pathlib import Path

import vl_convert

from alpha_dimt.core.files import write_text
from alpha_dimt.report.charts import Chart, all_charts
from alpha_dimt.report.study import read_study

WIDTH = 560
FIGURES = ("scores", "learning_curves")
"""Those that every study has, and that stand alone."""


def write_figures(runs: Sequence[Path], *, out: Path) -> None:
    """Write {out}/{name}.svg of the charts that stand alone.

    Raises:
        UserError: a folder is not a finished, scored run, or the runs do not fit together.
    """
    charts = all_charts(read_study(runs))
    for name in FIGURES:
        write_text(out / f"{name}.svg", svg(charts[name]))


def svg(chart: Chart) -> str:
    """Return a chart on white paper."""
    plain = chart.properties(width=WIDTH).to_dict()
    plain["config"] |= {"background": "white", "font": "sans-serif"}
    return str(vl_convert.vegalite_to_svg(plain))

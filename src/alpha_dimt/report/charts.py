"""The figures of the report, as Vega-Lite charts: interactive in the page, SVG elsewhere.

Text has the colour of the text around the chart. Systems and searches have the colours of a
palette, which the page swaps in dark mode. Every chart has its figures in words as its
description.
"""

from typing import Any

import altair as alt
import pandas as pd

from alpha_dimt.config import RunConfig
from alpha_dimt.config.base import fingerprint
from alpha_dimt.config.objectives import OffPolicyConfig
from alpha_dimt.report.colours import GREY, LIGHT
from alpha_dimt.report.study import Study, published_curves
from alpha_dimt.results import rows_of
from alpha_dimt.tables.summary import STATISTICS
from alpha_dimt.tables.wording import interval_text

HEIGHT = 300
"""At least, in pixels."""
SYSTEM_HEIGHT = 26
"""Of a system that has a place of its own on the axis."""
LEGEND_COLUMNS, LEGEND_HEIGHT = 3, 18
TICKS = 12
"""At most, of epochs."""
FONT = "system-ui, sans-serif"
ASIDE = 0.008
"""Half of what stands between the points of greedy and beam search at one alpha."""

Chart = alt.LayerChart | alt.FacetChart

SEARCHES = ["greedy", "beam"]


def all_charts(study: Study) -> dict[str, Chart]:
    """Return every chart that this study has the figures for, by its name."""
    charts: dict[str, Chart | None] = {
        "scores": scores(study),
        "alpha": bleu_against_alpha(study),
        "learning_curves": learning_curves(study),
        "nll": of_every_epoch(
            study, "valid_nll_per_token", "Validation NLL a token (nats)", lowest=True
        ),
        "ess": of_every_epoch(study, "ess_fraction", "ESS, share of the group"),
        "entropy": of_every_epoch(study, "weight_entropy", "Weight entropy (nats)"),
        "lengths": lengths(study),
    }
    return {name: chart for name, chart in charts.items() if chart is not None}


def _finished(chart: Chart, description: str, height: int = HEIGHT) -> Chart:
    """Return a chart with its description, as wide as its place, in the colours of its place."""
    finished: Chart = (
        chart.properties(
            width="container",
            height=height,
            description=description,
            autosize=alt.AutoSizeParams(type="fit", contains="padding"),
        )
        .configure(background="transparent", font=FONT, range=alt.RangeConfig(category=LIGHT))
        .configure_axis(
            labelColor="currentColor",
            titleColor="currentColor",
            domainColor=GREY,
            tickColor=GREY,
            gridColor=GREY,
            gridOpacity=0.25,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
        )
        .configure_legend(
            labelColor="currentColor",
            titleColor="currentColor",
            labelFontSize=12,
            orient="top",
            columns=LEGEND_COLUMNS,
            symbolOpacity=1,
            symbolStrokeWidth=3,
        )
        .configure_view(stroke=None)
    )
    return finished


def _colour(study: Study) -> alt.Color:
    names = study.systems
    few = len(names) <= len(LIGHT)
    return alt.Color(
        "system:N",
        title=None,
        sort=names,
        scale=alt.Scale(domain=names) if few else alt.Scale(domain=names, scheme="tableau20"),
    )


def _with_legend(study: Study) -> int:
    """Return the height of a chart whose legend names every system."""
    lines = -(-len(study.systems) // LEGEND_COLUMNS)
    return HEIGHT + LEGEND_HEIGHT * max(0, lines - 2)


def _with_rows(study: Study) -> int:
    """Return the height of a chart with a row for every system."""
    return max(HEIGHT, SYSTEM_HEIGHT * len(study.systems))


def _values(rows: pd.DataFrame) -> alt.Data:
    return alt.Data(values=rows.to_dict("records"))  # type: ignore[no-untyped-call]


# ----------------------------------------------------------------------------------- epochs


def of_every_epoch(study: Study, name: str, title: str, *, lowest: bool = False) -> Chart | None:
    """Return a metric against the epoch; None if no system has it.

    Args:
        study: the runs.
        name: of the metric.
        title: of its axis.
        lowest: whether the best value is the lowest; for the description.
    """
    if study.mean_series(name).empty:
        return None
    return _finished(
        alt.layer(*_epoch_layers(study, name, title)),
        _epochs_said(study, name, title, lowest),
        _with_legend(study),
    )


def _epoch_layers(study: Study, name: str, title: str) -> list[alt.Chart]:
    """Return the seeds of each system as thin lines and their mean as a thick one."""
    chosen = alt.selection_point(name="chosen", fields=["system"], bind="legend")
    shown = alt.condition(chosen, alt.value(1.0), alt.value(0.1))
    faint = alt.condition(chosen, alt.value(0.6), alt.value(0.05))
    x = _epoch_axis(study)
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False))
    tooltip = ["system:N", "seeds:N", "epoch:Q", alt.Tooltip("value:Q", format=".3f")]
    means = study.mean_series(name)
    # Seeds without a common epoch have no mean, and are not shown at all.
    thin = study.series(name).merge(means[["system"]].drop_duplicates())
    thick = means.merge(study.seeds.rename("seeds"), on="system")
    colour = _colour(study)
    return [
        alt.Chart(_values(thin))
        .mark_line(strokeWidth=1)
        .encode(x=x, y=y, color=colour, opacity=faint, detail="seed:N"),
        alt.Chart(_values(thick))
        .mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=30))
        .encode(x=x, y=y, color=colour, opacity=shown, tooltip=tooltip)
        .add_params(chosen),
    ]


def last_epoch(study: Study) -> int:
    """Return the last epoch of all runs."""
    return int(study.frames.epochs["epoch"].max())


def _epoch_axis(study: Study) -> alt.X:
    last = last_epoch(study)
    ticks = list(range(0, last + 1, -(-last // TICKS))) if last > TICKS else [*range(1, last + 1)]
    return alt.X("epoch:Q", title="Epoch", axis=alt.Axis(values=ticks, format="d"))


def _epochs_said(study: Study, name: str, title: str, lowest: bool) -> str:
    values = study.mean_series(name).groupby("system", observed=True)["value"]
    ends = values.agg(["last", "min" if lowest else "max"])
    said = "; ".join(
        f"{system}: last {last:.2f}, best {best:.2f}" for system, last, best in ends.itertuples()
    )
    return f"{title} against the epoch, mean over seeds. {said}."


def learning_curves(study: Study) -> Chart:
    """Return greedy dev BLEU against the epoch, the authors' curves as thin lines behind."""
    name, title = "valid_bleu_greedy", "Dev BLEU (greedy)"
    curves = published_curves()
    curves["published"] = curves.pop("run") + ", authors, IWSLT'14"
    behind = (
        alt.Chart(_values(curves[curves["epoch"] <= last_epoch(study)]))
        .mark_line(strokeWidth=1, strokeDash=[4, 3], color=GREY)
        .encode(
            x=_epoch_axis(study),
            y=alt.Y("value:Q", title=title),
            detail="published:N",
            tooltip=["published:N", "epoch:Q", alt.Tooltip("value:Q", format=".2f")],
        )
    )
    description = (
        f"{_epochs_said(study, name, title, lowest=False)} Grey dashed lines: the authors' five "
        "runs on IWSLT'14 de-en, another corpus, for the shape alone."
    )
    layers = alt.layer(behind, *_epoch_layers(study, name, title))
    return _finished(layers, description, _with_legend(study))


# ------------------------------------------------------------------------------------ scores


def scores(study: Study) -> Chart:
    """Return test BLEU of every system: each run a small point, the mean and its 95 % interval."""
    runs = study.tested.rename(columns={"value": "bleu"})[["system", "search", "seed", "bleu"]]
    means = intervals(study)
    bleu = alt.X("bleu:Q", title="Test BLEU", scale=alt.Scale(zero=False))
    place: dict[str, Any] = {
        "y": alt.Y("system:N", title=None, sort=study.systems),
        "yOffset": alt.YOffset("search:N"),
        "color": _search_colour(),
    }
    summary = alt.Chart(_values(means)).encode(**place, tooltip=_interval_tooltip())
    layers = [
        summary.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title="Test BLEU"), x2="high:Q"),
        alt.Chart(_values(runs))
        .mark_point(size=25, opacity=1, strokeWidth=1.5)
        .encode(
            x=bleu,
            **place,
            tooltip=["system:N", "search:N", "seed:Q", alt.Tooltip("bleu:Q", format=".2f")],
        ),
        summary.mark_point(size=80, filled=True, opacity=1, shape="diamond").encode(x=bleu),
    ]
    return _finished(
        alt.layer(*layers),
        f"Test BLEU, mean over seeds and 95 % interval. {_said(means)}.",
        _with_rows(study),
    )


def _interval_tooltip() -> list[Any]:
    return [
        *("system:N", "search:N", alt.Tooltip("bleu:Q", format=".2f")),
        *(alt.Tooltip("low:Q", format=".2f"), alt.Tooltip("high:Q", format=".2f"), "seeds:N"),
    ]


def bleu_against_alpha(study: Study) -> Chart | None:
    """Return test BLEU against alpha with 95 % intervals; None if no system has an alpha.

    ML, which has none, is a line.
    """
    systems = study.frames.runs.groupby("system", observed=True)[["objective", "alpha"]].first()
    systems["alpha"] = pd.to_numeric(systems["alpha"], errors="coerce")
    systems["family"] = list(map(_but_alpha, study.configs))
    systems["off_policy"] = [isinstance(one.objective, OffPolicyConfig) for one in study.configs]
    shown = systems[systems["off_policy"] & systems["alpha"].notna()]
    points = intervals(study).merge(shown[["alpha", "family"]], on="system")
    if points.empty:
        return None
    points["place"] = points["alpha"] + points["search"].map({"greedy": -ASIDE, "beam": ASIDE})
    lines = intervals(study).merge(systems.loc[systems["objective"] == "ml", []], on="system")
    base = alt.Chart(_values(points)).encode(
        x=alt.X("place:Q", title="α", scale=alt.Scale(domain=[-0.05, 1.05], nice=False)),
        color=_search_colour(),
        tooltip=[alt.Tooltip("alpha:Q"), *_interval_tooltip()],
    )
    y = alt.Y("bleu:Q", title="Test BLEU", scale=alt.Scale(zero=False))
    layers: list[alt.Chart] = [
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title="Test BLEU"), y2="high:Q"),
        base.mark_line(strokeWidth=1.5, opacity=0.8).encode(y=y, detail="family:N"),
        base.mark_point(size=70, filled=True, opacity=1).encode(y=y),
    ]
    if not lines.empty:
        layers.append(
            alt.Chart(_values(lines))
            .mark_rule(strokeDash=[6, 4], strokeWidth=2)
            .encode(
                y=alt.Y("bleu:Q"),
                color=_search_colour(),
                tooltip=["system:N", "search:N", alt.Tooltip("bleu:Q", format=".2f")],
            )
        )
    return _finished(
        alt.layer(*layers),
        "Test BLEU against alpha; dashed lines are maximum likelihood. "
        f"{_said(pd.concat([points, lines]))}.",
    )


def _but_alpha(config: RunConfig) -> str:
    """Return what systems have in common that differ in alpha alone, RAML being alpha = 0."""
    plain = config.model_copy(update={"system": "-", "seed": 0}).model_dump(mode="json")
    for key in ("objective", "alpha", "weights"):
        plain["objective"].pop(key, None)
    return fingerprint(plain)


def _search_colour() -> alt.Color:
    return alt.Color("search:N", title=None, scale=alt.Scale(domain=SEARCHES))


def intervals(study: Study) -> pd.DataFrame:
    """Return system, search, mean test BLEU (bleu), the ends of its 95 % interval, and the seeds.

    Of one seed the ends are the value itself.
    """
    of_each = study.tested.groupby(["system", "search"], observed=True, sort=False)["value"]
    means = of_each.agg(list(STATISTICS.values())).set_axis(list(STATISTICS), axis="columns")
    means = means.rename(columns={"mean": "bleu"})[["bleu", "low", "high"]]
    means = means.assign(**{end: means[end].fillna(means["bleu"]) for end in ("low", "high")})
    return means.reset_index().merge(study.seeds.rename("seeds"), on="system")


def _said(means: pd.DataFrame) -> str:
    return "; ".join(
        f"{one.system}, {one.search}: {one.bleu:.2f}"
        + (f" ({interval_text(one.low, one.high)})" if one.low < one.high else "")
        for one in rows_of(means)
    )


def lengths(study: Study) -> Chart:
    """Return length ratio and brevity penalty of the test translations, a point a run."""
    names = {"length_ratio": "ratio", "brevity_penalty": "penalty"}
    rows = study.tested[["system", "seed", "search", *names]].rename(columns=names)
    points = (
        alt.Chart(_values(rows))
        .mark_point(size=70, filled=True, opacity=0.85)
        .encode(
            x=alt.X("ratio:Q", title="Length ratio, test", scale=alt.Scale(zero=False)),
            y=alt.Y("system:N", title=None, sort=study.systems),
            yOffset="search:N",
            color=_search_colour(),
            tooltip=[
                *("system:N", "seed:Q", "search:N", alt.Tooltip("ratio:Q", format=".3f")),
                alt.Tooltip("penalty:Q", format=".3f"),
            ],
        )
    )
    line = (
        alt.Chart(_values(pd.DataFrame({"one": [1.0]})))
        .mark_rule(color=GREY, strokeDash=[4, 3], strokeWidth=1.5)
        .encode(x="one:Q")
    )
    means = rows.groupby(["system", "search"], observed=True, sort=False)[
        ["ratio", "penalty"]
    ].mean()
    said = "; ".join(
        f"{one.system}, {one.search}: ratio {one.ratio:.3f}, penalty {one.penalty:.3f}"
        for one in rows_of(means.reset_index())
    )
    return _finished(
        alt.layer(line, points),
        f"Length of the test translations over that of the references. Means: {said}.",
        _with_rows(study),
    )

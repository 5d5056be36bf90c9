"""The page: one file that opens from disk, without a network."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from html import unescape
from importlib import resources
from pathlib import Path
from typing import Any

import vl_convert
from altair import SCHEMA_VERSION
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from alpha_dimt.core.files import finite_json, write_text
from alpha_dimt.report.charts import all_charts
from alpha_dimt.report.colours import DARK, LIGHT
from alpha_dimt.report.examples import by_difference
from alpha_dimt.report.headline import headline
from alpha_dimt.report.links import run_files, table_files
from alpha_dimt.report.methods_section import methods
from alpha_dimt.report.provenance import Value, circumstances, provenance
from alpha_dimt.report.shown_tables import chosen, laid_out, own_first, own_rows, unbroken
from alpha_dimt.report.study import Study, read_study
from alpha_dimt.results import rows_of
from alpha_dimt.runs.read import Run, made_from_runs
from alpha_dimt.runs.translations import read_examples
from alpha_dimt.tables.summary import RUN, bleu_by_run
from alpha_dimt.tables.table import MadeFrom, Table, is_made_from, read_tables, section
from alpha_dimt.tables.training import figures_of

PAPERS_CORPUS = "iwslt14"
"""The kind of corpus whose runs may be compared with the published rows."""
RUN_COLUMNS = {
    "system": ("System", ""),
    "seed": ("Seed", "d"),
    "dev_greedy": ("Dev greedy", ".2f"),
    "test_greedy": ("Test greedy", ".2f"),
    "test_beam": ("Test beam", ".2f"),
    "penalty_greedy": ("BP greedy", ".3f"),
    "penalty_beam": ("BP beam", ".3f"),
    "best_epoch": ("Best epoch", "d"),
    "epochs": ("Epochs", "d"),
    "minutes": ("Minutes", ".1f"),
    "target_tokens_per_second": ("Tokens/s", ",.0f"),
    "peak_memory_mb": ("Memory (MB)", ",.0f"),
}
"""The table of every run: headers, and how numbers are shown."""


def write_report(runs: Sequence[Path], *, tables: Path, examples: Path | None, out: Path) -> None:
    """Write the page.

    Args:
        runs: folders of finished, scored runs on one corpus.
        tables: folder of table1.json, training.json and significance.json, and of searches.json
            where the experiment has further searches; one that is left of other runs is not shown.
        examples: what `alpha-dimt examples` wrote; None: no translations are shown.
        out: HTML file.

    Raises:
        UserError: a file is missing, or is not what the commands write.
    """
    study = read_study(runs)
    made_from = made_from_runs(study.runs)
    [table1] = read_tables(tables / "table1.json", made_from)
    [training] = read_tables(tables / "training.json", made_from)
    searches = further_searches(tables / "searches.json", made_from)
    across, pooled, scatter, within = read_tables(tables / "significance.json", made_from)
    given = read_examples(examples, weights_of(study.runs)) if examples else []
    shown = by_difference(given)
    written = [one for example in given for one in example.translations if one.tokens]
    charts = {name: chart.to_dict() for name, chart in all_charts(study).items()}
    corpus = study.runs[0].config.data.corpus
    ended = study.frames.runs["ended"].max()
    environment = Environment(
        loader=PackageLoader("alpha_dimt.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["unescape"] = unescape  # of the tokeniser's &quot; and &apos;
    embedded = {
        "charts": charts,
        "palettes": {"light": LIGHT, "dark": DARK},
        "examples": [asdict(one.example) for one in shown],
    }
    page = environment.get_template("page.html.jinja").render(
        title=f"α-DiMT on {study.corpus}",
        headline=headline(study, within),
        summary=summary(study),
        styles=Markup(_own("page.css") + _own("vendor/sortable-base.min.css")),
        script=Markup(_own("page.js")),
        sortable=Markup(_own("vendor/sortable.auto.min.js")),
        bundle=Markup(_bundle()),
        data=_embedded(embedded),
        charts=charts,
        table1=table1,
        published_apart=corpus.kind != PAPERS_CORPUS,
        all_rows=laid_out(own_first(table1)),
        own_rows=laid_out(chosen(table1, own_rows(table1))),
        published_rows=laid_out(chosen(table1, ~own_rows(table1))),
        training=_section(training),
        searches=[_section(table) for table in searches],
        across=_section(across),
        pooled=_section(pooled),
        scatter=_section(scatter),
        within=_section(within),
        run_headers=[header for header, _ in RUN_COLUMNS.values()],
        run_rows=run_rows(study),
        examples=shown,
        # A translation without tokens says nothing about its model.
        attends=not written or any(any(one.attention) for one in written),
        beam=study.search.beam,
        source_language=corpus.source,
        target_language=corpus.target,
        methods=methods(study),
        table_files=[
            files
            for stem, files in table_files(tables, out.parent)
            if searches or stem != "searches"
        ],
        run_files=list(run_files(study, out.parent)),
        provenance=provenance(study, out.parent),
        circumstances=circumstances(study),
        corpus=study.corpus,
        ended=f"The last of these runs ended on {ended:%d %B %Y, %H:%M} UTC.",
    )
    write_text(out, page)


def further_searches(path: Path, made_from: MadeFrom) -> list[Table]:
    """Return the tables of the searches beyond those of Table 1; none if they are of other runs.

    Such a file stays when the configuration has no further searches any more.
    """
    if not path.exists():
        return []
    if not is_made_from(path, made_from):
        print(
            f"warning: {path} was made from other runs or other scores and is left out of the "
            "report; make it again with `alpha-dimt searches-table`, or delete it",
            file=sys.stderr,
        )
        return []
    return read_tables(path)


def weights_of(runs: Sequence[Run]) -> dict[str, str | None]:
    """Return the SHA-256 of the weights of each run; None of runs of before it was noted."""
    return {run.name: run.about.get("files", {}).get("weights") for run in runs}


def summary(study: Study) -> str:
    """Return in a sentence what was run."""
    counts = study.frames.runs["system"].value_counts()
    few, many = counts.min(), counts.max()
    sizes = study.runs[0].sizes
    return (
        f"Systems: {', '.join(study.systems)}. "
        f"Seeds of each: {many if few == many else f'{few} to {many}'}. "
        f"{sizes['valid.greedy']:,} dev and {sizes['test.greedy']:,} test sentences."
    )


def run_rows(study: Study) -> list[list[Value]]:
    """Return the row of each run, see RUN_COLUMNS."""
    frames = study.frames
    penalties = study.tested.pivot(index=RUN, columns="search", values="brevity_penalty")
    figures = figures_of(frames.runs, frames.epochs).join(bleu_by_run(frames.scores))
    figures = figures.join(penalties.add_prefix("penalty_")).reset_index()
    figures["minutes"] = figures["wall_seconds"] / 60
    forms = [form for _, form in RUN_COLUMNS.values()]
    return [
        [Value.of(value, form) for value, form in zip(row, forms, strict=True)]
        for row in rows_of(figures[list(RUN_COLUMNS)])
    ]


def _section(table: Table) -> Markup:
    return Markup(section(unbroken(table)))


def _own(name: str) -> str:
    return (resources.files("alpha_dimt.report") / name).read_text("utf-8")


@cache
def _bundle() -> str:
    """Return Vega-Embed with what it needs, as one script."""
    version = ".".join(SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    # Its types ask for a snippet; without one it is all of Vega-Embed.
    script: str = vl_convert.javascript_bundle(vl_version=version)  # type: ignore[call-arg]
    return script.replace("</script", "<\\/script")


def _embedded(document: Any) -> Markup:
    """Return JSON that can stand in a script element."""
    return Markup(finite_json(document).replace("<", "\\u003c"))

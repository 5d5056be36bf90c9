"""The page: one file that opens from disk, without a network."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from html import unescape
from importlib import resources
from pathlib import Path
from statistics import median
from typing import Any

import vl_convert
from altair import SCHEMA_VERSION
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from alpha_dimt.core.files import finite_json, write_text
from alpha_dimt.evaluation.across_seeds import best_system
from alpha_dimt.report.charts import all_charts
from alpha_dimt.report.differences import differences
from alpha_dimt.report.methods_section import methods
from alpha_dimt.report.provenance import Value, circumstances, provenance
from alpha_dimt.report.study import Study, read_study
from alpha_dimt.runs.paths import COLUMNS
from alpha_dimt.runs.read import TESTED, Training, made_from_runs, scores_by_seed
from alpha_dimt.runs.translations import read_examples
from alpha_dimt.tables.table import MISSING, read_tables, section
from alpha_dimt.tables.table1 import beam_header

RUN_HEADERS = (
    *("System", "Seed", "Dev greedy", "Test greedy", "Test beam", "BP greedy", "BP beam"),
    *("Best epoch", "Epochs", "Minutes", "Tokens/s", "Memory (MB)"),
)


def write_report(runs: Sequence[Path], *, tables: Path, examples: Path | None, out: Path) -> None:
    """Write the page.

    Args:
        runs: folders of finished, scored runs on one corpus.
        tables: folder of table1.json, training.json and significance.json.
        examples: what `alpha-dimt examples` wrote; None: no translations are shown.
        out: HTML file.

    Raises:
        UserError: a file is missing, or is not what the commands write.
    """
    study = read_study(runs)
    made_from = made_from_runs([training.run for training in study.trainings])
    [table1] = read_tables(tables / "table1.json", made_from)
    [training] = read_tables(tables / "training.json", made_from)
    across, pooled, scatter, within = read_tables(tables / "significance.json", made_from)
    shown = read_examples(examples, weights_of(study.trainings)) if examples else []
    charts = {name: chart.to_dict() for name, chart in all_charts(study).items()}
    corpus = study.trainings[0].config.data.corpus
    environment = Environment(
        loader=PackageLoader("alpha_dimt.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["unescape"] = unescape  # of the tokeniser's &quot; and &apos;
    page = environment.get_template("page.html.jinja").render(
        title=f"α-DiMT on {study.corpus}",
        summary=summary(study),
        verdicts=verdicts(study),
        styles=Markup(_own("page.css") + _own("vendor/sortable-base.min.css")),
        script=Markup(_own("page.js")),
        sortable=Markup(_own("vendor/sortable.auto.min.js")),
        bundle=Markup(_bundle()),
        data=_embedded({"charts": charts, "examples": [asdict(example) for example in shown]}),
        charts=charts,
        table1=Markup(section(table1)),
        training=Markup(section(training)),
        across=Markup(section(across)),
        pooled=Markup(section(pooled)),
        scatter=Markup(section(scatter)),
        within=Markup(section(within)),
        run_headers=RUN_HEADERS,
        run_rows=[run_row(training) for training in study.trainings],
        examples=shown,
        differences=differences,
        beam=study.search.beam,
        source_language=corpus.source,
        target_language=corpus.target,
        methods=methods(study),
        provenance=provenance(study, out.parent),
        circumstances=circumstances(study),
        ended=f"The last of these runs ended on {last_end(study):%d %B %Y, %H:%M} UTC.",
    )
    write_text(out, page)


def weights_of(trainings: Sequence[Training]) -> dict[str, str | None]:
    """Return the SHA-256 of the weights of each run; None of runs of before it was noted."""
    return {
        training.run.name: training.about.get("files", {}).get("weights") for training in trainings
    }


def summary(study: Study) -> str:
    """Return in a sentence what was run."""
    counts = {len(trainings) for trainings in study.systems.values()}
    seeds = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{max(counts)}"
    dev, test = study.trainings[0].run.sizes
    return (
        f"Systems: {', '.join(study.systems)}. Seeds of each: {seeds}. "
        f"{dev:,} dev and {test:,} test sentences."
    )


def verdicts(study: Study) -> list[str]:
    """Return in words which system is best over seeds, if any is."""
    systems = [[training.run for training in same] for same in study.systems.values()]
    if all(len(same) == 1 for same in systems):
        return [
            "One seed of each: nothing here is evidence about other trainings of these systems."
        ]
    said = []
    for column in TESTED:
        header = beam_header(study.search.beam) if column == "test_beam" else "Test (greedy)"
        best = best_system(scores_by_seed(systems, column))
        said.append(
            f"{header}: {best} is better than every other system over the seeds (paired t tests, "
            "Holm-corrected, 5 %)."
            if best
            else f"{header}: no system is shown to be better than every other over the seeds "
            "(paired t tests, Holm-corrected, 5 %)."
        )
    return said


def run_row(training: Training) -> list[Value]:
    """Return the row of a run, see RUN_HEADERS."""
    about = training.about
    speed = median(record["timing"]["target_tokens_per_second"] for record in training.epochs)
    memory = training.peak_memory_mb()
    numbers: list[tuple[float | None, str]] = [
        (training.seed, "d"),
        *((training.run.scores[column], ".2f") for column in COLUMNS),
        *((training.run.bleu[column].brevity_penalty, ".3f") for column in TESTED),
        (about["best"]["epoch"], "d"),
        (about["epochs"], "d"),
        (about["wall_seconds"] / 60, ".1f"),
        (speed, ",.0f"),
        (memory, ",.0f"),
    ]
    return [
        Value(training.system, training.system),
        *(
            Value(MISSING, "") if number is None else Value(format(number, form), str(number))
            for number, form in numbers
        ),
    ]


def last_end(study: Study) -> datetime:
    """Return when the last run ended."""
    return datetime.fromtimestamp(
        max(training.about["ended_ms"] for training in study.trainings) / 1000, UTC
    )


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

"""The table of searches: greedy and beam search beside what `decoding` asks for beyond them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from alpha_dimt.config import load
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json
from alpha_dimt.results import run_frame
from alpha_dimt.runs.paths import search_config_of
from alpha_dimt.runs.read import BLEU, Run, check_scored, made_from_runs, read_runs
from alpha_dimt.tables.summary import HEADERS, RUN, published_weights, summarise, texts_of
from alpha_dimt.tables.table import Table, write_tables

FIGURES = {"bleu": ".2f", "brevity_penalty": ".3f", "length_bonus": ".2f"}
"""Of each search, and their formats."""


def write_searches_table(folders: Sequence[Path], searches: Sequence[str], *, out: Path) -> None:
    """Write BLEU on test by search as {out}.csv, .json, .md, .tex and .html.

    Args:
        folders: of finished runs on one corpus, any number of seeds a system.
        searches: the names of the searches, which all runs have made.
        out: path without suffix.

    Raises:
        UserError: a folder is not a finished, scored run, or the runs do not fit together.
    """
    runs = read_runs(folders)
    configs = {name: load(Decoding, search_config_of(folders[0], name)) for name in searches}
    figures = pd.DataFrame([_figures_of(run, searches) for run in runs]).set_index(RUN)
    systems = summarise(run_frame(runs), figures)
    first = runs[0]
    statistics = [f"{figure}_{name}" for figure in figures for name in ("mean", "sd")]
    numbers = systems[[*HEADERS, *statistics, "corpus"]]
    write_tables(
        out,
        [searches_table(systems, configs, runs)],
        numbers=numbers.assign(metric=first.definition, signature=first.signature),
        made_from=made_from_runs(runs),
    )


def _figures_of(run: Run, searches: Sequence[str]) -> dict[str, Any]:
    """Return system, seed, and the figures of each search of a run."""
    found: dict[str, Any] = {"system": run.config.system, "seed": run.config.seed}
    for search in searches:
        name = f"test.{search}"
        path = run.folder / "scores" / f"{name}.json"
        report = read_json(path)
        check_scored(run.folder, name, run.about, report)
        try:
            score, made = report["scores"][BLEU], report.get("translated") or {}
            found[f"{search}_bleu"] = float(score["value"])
            found[f"{search}_brevity_penalty"] = float(score["brevity_penalty"])
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{path}: this is not what `alpha-dimt evaluate` writes; score the run again"
            ) from error
        if "length_bonus" in made:
            found[f"{search}_length_bonus"] = float(made["length_bonus"])
    return found


def searches_table(
    systems: pd.DataFrame, configs: dict[str, Decoding], runs: Sequence[Run]
) -> Table:
    """Return the table for a person: mean and deviation of several seeds.

    Args:
        systems: one row each, with the statistics of the figures of each search.
        configs: the searches by name.
        runs: the runs, for what they have in common.
    """
    first = runs[0]
    forms, headers = {}, dict(HEADERS)
    for search, config in configs.items():
        for figure, form in FIGURES.items():
            name = f"{search}_{figure}"
            if f"{name}_mean" in systems:
                forms[name] = form
                headers[name] = _header(config, figure)
    caption = (
        f"BLEU on the test set of {first.config.data.corpus.name} ({first.definition}, sacreBLEU "
        f"{first.signature}) of {published_weights(runs)}, by search, and the brevity penalty (BP)."
    )
    if (systems["n_seeds"] > 1).any():
        caption += " Of several seeds: mean ± sample standard deviation."
    notes = []
    if any(config.length_bonus == "tuned" for config in configs.values()):
        notes.append(
            "The length bonus, in nats a token, is the one with the best BLEU on dev, for each run."
        )
    if any(config.temperatures for config in configs.values()):
        notes.append(
            "Drawn translations are one sample a sentence from p^(1 / temperature): a model whose "
            "samples gain more than its greedy translations has become more peaked, as maximum "
            "likelihood is at a lower temperature."
        )
    return Table(
        title="Searches",
        label="searches",
        caption=caption,
        grouped_by="Source",
        rows=texts_of(systems, forms).rename(columns=headers),
        note=" ".join(notes),
    )


def _header(config: Decoding, figure: str) -> str:
    if figure == "length_bonus":
        return "Length bonus"
    if config.temperatures:
        search = f"Drawn, temperature {config.temperatures[0]:g}"
    elif config.length_bonus == "tuned":
        search = f"Beam {config.beam}, tuned bonus"
    else:
        search = "Greedy" if config.beam == 1 else f"Beam {config.beam}"
    return search if figure == "bleu" else f"BP ({search[0].lower()}{search[1:]})"

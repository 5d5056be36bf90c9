"""All that is tested on one column of scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from alpha_dimt.config import RunConfig
from alpha_dimt.config.objectives import OffPolicyConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import sha256
from alpha_dimt.evaluation.across_seeds import WANTED, Sensitivity, sensitivity
from alpha_dimt.evaluation.pooled import SeedCorrelation, seed_correlation
from alpha_dimt.evaluation.scatter import Scatter, runaways, scatter
from alpha_dimt.evaluation.score_files import statistics_of
from alpha_dimt.evaluation.within_seed import resample
from alpha_dimt.results import score_frame
from alpha_dimt.runs.paths import COLUMNS
from alpha_dimt.runs.read import Run
from alpha_dimt.tables.significance.rows import (
    BY_SEED,
    FIELDS,
    WITHIN_SYSTEMS,
    Row,
    across_rows,
    within_rows,
)
from alpha_dimt.tables.summary import LIKELIHOOD, bleu_by_run, by_system, likelihood_by_run


@dataclass(frozen=True)
class Spread:
    """How BLEU scatters over seeds.

    Attributes:
        sentences: of the test set that were scored.
        sensitivity: what the experiment can find; None of one seed or system.
        scatter: what the scatter is made of; None of one seed.
    """

    sentences: int
    sensitivity: Sensitivity | None
    scatter: Scatter | None


@dataclass(frozen=True)
class Column:
    """All comparisons on one column of scores.

    Attributes:
        scored: split and search, as in the names of files, or the metric of `metrics.jsonl`.
        header: what the tables call it.
        digits: decimals that are shown.
        variance: of the pooled test that is shown in full.
        tests: all of them, with values by FIELDS.
        alpha: of the systems that differ in nothing else.
        correlation: of two systems of one seed.
        spread: how BLEU scatters; None of likelihood.
        spread_without: the same without sentences in which a translation runs away; None where
            none does.
    """

    scored: str
    header: str
    digits: int
    variance: str
    tests: list[Row]
    alpha: dict[str, float]
    correlation: SeedCorrelation | None
    spread: Spread | None = None
    spread_without: Spread | None = None


def compare_bleu(runs: Sequence[Run], column: str, reference: Path, header: str) -> Column:
    """Compare all systems on one column of BLEU.

    Args:
        runs: of all systems.
        column: one of COLUMNS.
        reference: the tokenised test set, target side.
        header: what the tables call it.

    Raises:
        UserError: hypotheses or reference are not those that were scored.
    """
    name = COLUMNS[column]
    for run in runs:
        if run.references[name] != sha256(reference):
            raise UserError(
                f"{run.folder}: scores/{name}.json was made with another reference than "
                f"{reference}; score the run again"
            )
    bleu = bleu_by_run(score_frame(runs))[column]
    statistics = [
        statistics_of(run.folder / "hypotheses" / f"{name}.txt", reference) for run in runs
    ]
    resampled = resample(statistics)
    for run, known, again in zip(runs, bleu, resampled, strict=True):
        if abs(again.score - known) > 1e-6:
            raise UserError(
                f"{run.folder}: BLEU of hypotheses/{name}.txt against {reference} is "
                f"{again.score:.2f}, but scores/{name}.json says {known:.2f}; score the run again"
            )
    spread_without = None
    if (away := runaways(statistics)).any():
        kept = [of_run[~away] for of_run in statistics]
        spread_without = _spread(pd.Series(resample(kept), bleu.index), len(kept[0]))
    models = pd.Series(resampled, bleu.index)
    within = (
        row
        for seed in sorted(set(bleu.index.get_level_values("seed")))
        for row in within_rows(seed, models.xs(seed, level="seed"))
    )
    scores, alpha = by_system(bleu), alphas(runs)
    return Column(
        scored=name,
        header=header,
        digits=2,
        variance=WITHIN_SYSTEMS,
        tests=[*across_rows(scores, alpha), *within],
        alpha=alpha,
        correlation=seed_correlation(scores),
        spread=_spread(models, len(away)),
        spread_without=spread_without,
    )


def compare_likelihood(runs: Sequence[Run]) -> Column:
    """Compare the negative log-likelihood of dev of the weights that are scored.

    Raises:
        UserError: a run has no likelihood of its best epoch, or of its averaged weights.
    """
    found = likelihood_by_run(runs)
    for run, value in zip(runs, found, strict=True):
        if math.isnan(value):
            file, weights = "metrics.jsonl", f"epoch {run.about['best']['epoch']}, the best one"
            if run.config.training.average:
                file, weights = "run.json", "the averaged weights"
            raise UserError(
                f"{run.folder}/{file}: there is no {LIKELIHOOD} of {weights}; train the run again"
            )
    scores, alpha = by_system(found), alphas(runs)
    return Column(
        scored=LIKELIHOOD,
        header="Dev (nats per token)",
        digits=4,
        variance=BY_SEED,
        tests=list(across_rows(scores, alpha)),
        alpha=alpha,
        correlation=seed_correlation(scores),
    )


def tests_frame(columns: Sequence[Column], about: Run) -> pd.DataFrame:
    """Return one row a test, with the columns of FIELDS; what a test does not say is missing.

    Args:
        columns: in their order.
        about: run, for what all have in common.
    """
    rows = []
    for column in columns:
        bleu = column.spread is not None
        shared = {
            "scored": column.scored,
            "metric": about.definition if bleu else "negative log-likelihood, nats per token",
            "signature": about.signature if bleu else "",
            "corpus": about.config.data.corpus.name,
        }
        rows += [shared | row for row in column.tests]
    texts = dict.fromkeys(("seeds", "system_a", "system_b", "test"), object)
    return pd.DataFrame(rows, columns=FIELDS).astype({"df": "Int64", **texts})


def alphas(runs: Sequence[Run]) -> dict[str, float]:
    """Return alpha of the systems that differ in nothing else; RAML is alpha = 0.

    Nothing unless there are three values at least: two are a pair, which is tested anyway. Nothing
    either if systems with an alpha differ in something else too.
    """
    found: dict[str, float] = {}
    others = []
    configs: dict[str, RunConfig] = {}
    for run in runs:
        configs.setdefault(run.config.system, run.config)
    for config in configs.values():
        objective = config.objective
        alpha = objective.hyperparameters(None).get("alpha")
        if not isinstance(objective, OffPolicyConfig) or not isinstance(alpha, float | int):
            continue
        found[config.system] = float(alpha)
        rest = config.model_dump(mode="json", exclude={"system", "seed"})
        for key in ("objective", "alpha"):
            rest["objective"].pop(key, None)
        # RAML's other way, without weights, is another method.
        if rest["objective"].pop("weights", "importance") != "importance":
            return {}
        others.append(rest)
    alike = all(other == others[0] for other in others)
    return found if alike and len(set(found.values())) > 2 else {}


def _spread(models: pd.Series, sentences: int) -> Spread:
    scores = models.map(lambda model: model.score)
    of_systems = [list(of_system) for _, of_system in models.groupby("system", observed=True)]
    return Spread(sentences, sensitivity(by_system(scores), WANTED), scatter(of_systems))

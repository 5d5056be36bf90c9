"""All that is tested on one column of scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from alpha_dimt.config.objectives import OffPolicyConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import sha256
from alpha_dimt.evaluation.across_seeds import (
    AcrossSeeds,
    Scores,
    Sensitivity,
    compare_pairs,
    sensitivity,
)
from alpha_dimt.evaluation.pooled import (
    Pooled,
    SeedCorrelation,
    Slope,
    pooled_pairs,
    seed_correlation,
    slope,
)
from alpha_dimt.evaluation.scatter import Scatter, runaways, scatter
from alpha_dimt.evaluation.score_files import statistics_of
from alpha_dimt.evaluation.within_seed import (
    Difference,
    Floats,
    Resampled,
    compare,
    holm,
    resample,
)
from alpha_dimt.runs.paths import COLUMNS
from alpha_dimt.runs.read import Run, read_training, scores_by_seed

WANTED = 0.3
"""BLEU; a difference that would matter: the paper's gain of alpha = 0.5 over ML is 0.23."""

LIKELIHOOD = "valid_nll_per_token"


@dataclass(frozen=True)
class WithinSeed:
    """One pair of one seed on one column of scores.

    Attributes:
        seed: the seed of both.
        pair: the systems' names.
        difference: the second less the first.
        p_holm: p of approximate randomisation, corrected for the pairs of this seed and column.
    """

    seed: int
    pair: tuple[str, str]
    difference: Difference
    p_holm: float


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
class OverSeeds:
    """Tests over seeds on one column of scores.

    Attributes:
        pairs: paired seed by seed.
        pooled: the same pairs against the variance within systems.
        pooled_by_seed: the same against the residual variance.
        slope: over alpha; None where no systems differ in alpha alone.
        correlation: of two systems of one seed.
    """

    pairs: list[AcrossSeeds]
    pooled: dict[tuple[str, str], Pooled]
    pooled_by_seed: dict[tuple[str, str], Pooled]
    slope: Slope | None
    correlation: SeedCorrelation | None


@dataclass(frozen=True)
class Column:
    """All comparisons on one column of scores.

    Attributes:
        scored: split and search, as in the names of files, or the metric of `metrics.jsonl`.
        header: what the tables call it.
        digits: decimals that are shown.
        by_seed: whether the pooled test that is shown in full takes off what a seed does to all.
        over: tests over seeds.
        within: pairs of each seed; none of likelihood.
        spread: how BLEU scatters; None of likelihood.
        spread_without: the same without sentences in which a translation runs away; None where
            none does.
    """

    scored: str
    header: str
    digits: int
    by_seed: bool
    over: OverSeeds
    within: list[WithinSeed]
    spread: Spread | None
    spread_without: Spread | None


def compare_column(
    systems: Sequence[Sequence[Run]],
    column: str,
    reference: Path,
    header: str,
) -> Column:
    """Compare all systems on one column of BLEU.

    Raises:
        UserError: hypotheses or reference are not those that were scored.
    """
    scored = COLUMNS[column]
    flat = [run for runs in systems for run in runs]
    for run in flat:
        if run.references[column] != sha256(reference):
            raise UserError(
                f"{run.folder}: scores/{scored}.json was made with another reference than "
                f"{reference}; score the run again"
            )
    statistics = [
        statistics_of(run.folder / "hypotheses" / f"{scored}.txt", reference) for run in flat
    ]
    resampled = resample(statistics)
    for run, again in zip(flat, resampled, strict=True):
        if abs(again.score - run.scores[column]) > 1e-6:
            raise UserError(
                f"{run.folder}: BLEU of hypotheses/{scored}.txt against {reference} is "
                f"{again.score:.2f}, but scores/{scored}.json says {run.scores[column]:.2f}; "
                "score the run again"
            )
    away = runaways(statistics)
    return Column(
        scored=scored,
        header=header,
        digits=2,
        by_seed=False,
        over=_over_seeds(systems, scores_by_seed(systems, column)),
        within=_within_seeds(flat, resampled),
        spread=_spread(systems, resampled, len(away)),
        spread_without=_spread_of(systems, statistics, ~away) if away.any() else None,
    )


def compare_likelihood(systems: Sequence[Sequence[Run]]) -> Column:
    """Compare the negative log-likelihood of dev of the checkpoint that is scored.

    Raises:
        UserError: a run has no likelihood of its best epoch.
    """
    scores = {
        runs[0].config.system: {run.config.seed: _likelihood(run) for run in runs}
        for runs in systems
    }
    return Column(
        scored=LIKELIHOOD,
        header="Dev (nats per token)",
        digits=4,
        by_seed=True,
        over=_over_seeds(systems, scores),
        within=[],
        spread=None,
        spread_without=None,
    )


def _likelihood(run: Run) -> float:
    training = read_training(run)
    epoch = training.about["best"]["epoch"]
    series = training.series(LIKELIHOOD)
    if epoch not in series:
        raise UserError(
            f"{run.folder}/metrics.jsonl: there is no {LIKELIHOOD} of epoch {epoch}, the best one; "
            "train the run again"
        )
    return series[epoch]


def _over_seeds(systems: Sequence[Sequence[Run]], scores: Scores) -> OverSeeds:
    alpha = alphas(systems)
    return OverSeeds(
        pairs=compare_pairs(scores),
        pooled=pooled_pairs(scores, by_seed=False),
        pooled_by_seed=pooled_pairs(scores, by_seed=True),
        slope=slope(scores, alpha) if alpha else None,
        correlation=seed_correlation(scores),
    )


def alphas(systems: Sequence[Sequence[Run]]) -> dict[str, float]:
    """Return alpha of the systems that differ in nothing else; RAML is alpha = 0.

    Nothing unless there are three values at least: two are a pair, which is tested anyway. Nothing
    either if systems with an alpha differ in something else too.
    """
    found: dict[str, float] = {}
    others = []
    for runs in systems:
        config = runs[0].config
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


def _within_seeds(runs: Sequence[Run], resampled: Sequence[Resampled]) -> list[WithinSeed]:
    found = []
    for seed in sorted({run.config.seed for run in runs}):
        of_seed = [
            (run.config.system, again)
            for run, again in zip(runs, resampled, strict=True)
            if run.config.seed == seed
        ]
        pairs = [
            ((first, second), compare(a, b)) for (first, a), (second, b) in combinations(of_seed, 2)
        ]
        corrected = holm([difference.p_randomisation for _, difference in pairs])
        found += [
            WithinSeed(seed, pair, difference, p)
            for (pair, difference), p in zip(pairs, corrected, strict=True)
        ]
    return found


def _spread_of(
    systems: Sequence[Sequence[Run]], statistics: Sequence[Floats], kept: npt.NDArray[np.bool_]
) -> Spread:
    resampled = resample([of_run[kept] for of_run in statistics])
    return _spread(systems, resampled, int(kept.sum()))


def _spread(
    systems: Sequence[Sequence[Run]], resampled: Sequence[Resampled], sentences: int
) -> Spread:
    models = iter(resampled)
    by_system = [[next(models) for _ in runs] for runs in systems]
    scores = {
        runs[0].config.system: {
            run.config.seed: model.score for run, model in zip(runs, of_system, strict=True)
        }
        for runs, of_system in zip(systems, by_system, strict=True)
    }
    return Spread(sentences, sensitivity(scores, WANTED), scatter(by_system))

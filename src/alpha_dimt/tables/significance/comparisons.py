"""All that is tested on one column of scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from alpha_dimt.config import RunConfig
from alpha_dimt.config.objectives import OffPolicyConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import sha256
from alpha_dimt.evaluation.across_seeds import (
    WANTED,
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
    compare,
    holm,
    resample,
)
from alpha_dimt.results import epoch_frame, run_frame, score_frame
from alpha_dimt.runs.paths import COLUMNS
from alpha_dimt.runs.read import Run
from alpha_dimt.tables.summary import RUN, bleu_by_run, by_system

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
    away = runaways(statistics)
    models = pd.Series(resampled, bleu.index)
    return Column(
        scored=name,
        header=header,
        digits=2,
        by_seed=False,
        over=_over_seeds(runs, by_system(bleu)),
        within=_within_seeds(models),
        spread=_spread(models, len(away)),
        spread_without=_spread_without(models, statistics, ~away) if away.any() else None,
    )


def compare_likelihood(runs: Sequence[Run]) -> Column:
    """Compare the negative log-likelihood of dev of the checkpoint that is scored.

    Raises:
        UserError: a run has no likelihood of its best epoch.
    """
    epochs = epoch_frame(runs).reindex(columns=[*RUN, "epoch", LIKELIHOOD])
    best = run_frame(runs)[[*RUN, "folder", "best_epoch"]].rename(columns={"best_epoch": "epoch"})
    found = best.merge(epochs, how="left", on=[*RUN, "epoch"])
    if (lacking := found[found[LIKELIHOOD].isna()]).size:
        run = lacking.iloc[0]
        raise UserError(
            f"{run['folder']}/metrics.jsonl: there is no {LIKELIHOOD} of epoch {run['epoch']}, the "
            "best one; train the run again"
        )
    return Column(
        scored=LIKELIHOOD,
        header="Dev (nats per token)",
        digits=4,
        by_seed=True,
        over=_over_seeds(runs, by_system(found.set_index(RUN)[LIKELIHOOD])),
        within=[],
        spread=None,
        spread_without=None,
    )


def _over_seeds(runs: Sequence[Run], scores: Scores) -> OverSeeds:
    alpha = alphas(runs)
    return OverSeeds(
        pairs=compare_pairs(scores),
        pooled=pooled_pairs(scores, by_seed=False),
        pooled_by_seed=pooled_pairs(scores, by_seed=True),
        slope=slope(scores, alpha) if alpha else None,
        correlation=seed_correlation(scores),
    )


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


def _within_seeds(models: pd.Series) -> list[WithinSeed]:
    """Compare all pairs of each seed.

    Args:
        models: resampled scores by system and seed.
    """
    found = []
    for seed in sorted(set(models.index.get_level_values("seed"))):
        systems = models.xs(seed, level="seed")
        pairs = list(combinations(systems.index, 2))
        differences = [compare(systems[first], systems[second]) for first, second in pairs]
        corrected = holm([difference.p_randomisation for difference in differences])
        found += [WithinSeed(seed, *one) for one in zip(pairs, differences, corrected, strict=True)]
    return found


def _spread_without(
    models: pd.Series, statistics: Sequence[Floats], kept: npt.NDArray[np.bool_]
) -> Spread:
    resampled = resample([of_run[kept] for of_run in statistics])
    return _spread(pd.Series(resampled, models.index), int(kept.sum()))


def _spread(models: pd.Series, sentences: int) -> Spread:
    scores = models.map(lambda model: model.score)
    of_systems = [list(of_system) for _, of_system in models.groupby("system", observed=True)]
    return Spread(sentences, sensitivity(by_system(scores), WANTED), scatter(of_systems))

"""What the page says first: which system scores highest, and what the tests show of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from statistics import mean

from alpha_dimt.evaluation.across_seeds import (
    AcrossSeeds,
    Scores,
    best_system,
    compare_pairs,
    interval,
    significant,
)
from alpha_dimt.report.study import Study
from alpha_dimt.tables.summary import bleu_by_run, by_system
from alpha_dimt.tables.table import Table
from alpha_dimt.tables.wording import bleu_headers, interval_text


@dataclass(frozen=True)
class Leader:
    """The system with the highest mean of one column of test BLEU.

    Attributes:
        search: such as "beam 10".
        systems: its name, or the names of several that share it.
        has: "has" or "share".
        bleu: the mean.
        over: which seeds it is of, and its 95 % interval where there is one.
        runner_up: the next system with its mean; empty where there is none.
        verdict: what the tests over seeds show, in sentences; empty where there are no such tests.
    """

    search: str
    systems: str
    has: str
    bleu: str
    over: str
    runner_up: str
    verdict: list[str]


@dataclass(frozen=True)
class Headline:
    """What the page says first.

    Attributes:
        leaders: of beam search, then of greedy search.
        one_seed: whether each of several systems has one seed: no test over seeds is possible.
        differing: pairs of trained models that differ significantly on the test sentences, with
            beam search; of one seed each.
        pairs: that were compared for that.
    """

    leaders: list[Leader]
    one_seed: bool
    differing: int
    pairs: int


def headline(study: Study, within: Table) -> Headline:
    """Return what the page says first.

    Args:
        study: the runs.
        within: the comparisons within each seed, as the page shows them.
    """
    bleu = bleu_by_run(study.frames.scores)
    beam = study.search.beam
    one_seed = 1 < len(study.systems) == len(study.runs)
    searches = {"test_beam": f"beam {beam}", "test_greedy": "greedy search"}
    of_beam = within.rows.index.str.startswith(f"{bleu_headers(beam)['test_beam']}, seed ")
    return Headline(
        leaders=[
            leader(by_system(bleu[column]), search, tested=not one_seed)
            for column, search in searches.items()
        ],
        one_seed=one_seed,
        differing=int(within.strong[of_beam].any(axis=1).sum()),
        pairs=int(of_beam.sum()),
    )


def leader(scores: Scores, search: str, *, tested: bool) -> Leader:
    """Return the system with the highest mean.

    Args:
        scores: test BLEU by system and seed.
        search: that made the translations.
        tested: whether there are tests over seeds.
    """
    means = {system: mean(values.values()) for system, values in scores.items()}
    top = max(means.values())
    first = [system for system, value in means.items() if value == top]
    rest = {system: value for system, value in means.items() if value != top}
    second = max(rest, key=rest.__getitem__, default=None)
    return Leader(
        search=search,
        systems=listed(first),
        has="has" if len(first) == 1 else "share",
        bleu=f"{top:.2f}",
        over=_over(scores, first),
        runner_up=f"{second}, {rest[second]:.2f}" if second else "",
        verdict=verdict(scores) if tested else [],
    )


def _over(scores: Scores, systems: Sequence[str]) -> str:
    counts = {len(scores[system]) for system in systems}
    few, many = min(counts), max(counts)
    if many == 1:
        return "one seed"
    said = f"mean over {many if few == many else f'{few} to {many}'} seeds"
    ends = interval(list(scores[systems[0]].values())) if len(systems) == 1 else None
    return said if ends is None else f"{said}, 95 % interval {interval_text(*ends)}"


def verdict(scores: Scores) -> list[str]:
    """Return in sentences what the paired t tests over seeds show, and what they do not.

    Args:
        scores: by system and seed; some system has several.
    """
    if len(scores) == 1:
        return ["One system: there is nothing to compare it with."]
    pairs, count = compare_pairs(scores), comb(len(scores), 2)
    shared = {len(pair.seeds) for pair in pairs}
    over = f"over {shared.pop()} seeds" if len(shared) == 1 else "over the seeds that a pair shares"
    best = best_system(scores)
    said = [
        f"{best} is significantly better than every other system {over}."
        if best
        else f"No system is significantly better than every other one {over}."
    ]
    won = wins(pairs)
    shown = sum(map(len, won.values()))
    if won and not best:
        said.append(
            f"Shown: {'; '.join(f'{a} is better than {listed(b)}' for a, b in won.items())}."
        )
    if count == 1 and not shown:
        said.append("Not shown: a difference between the two; they may still differ.")
    elif shown < count:
        which = f"the other {count - shown} of {count}" if shown else f"any of the {count}"
        said.append(f"Not shown: a difference in {which} pairs of systems; they may still differ.")
    untested = count - sum(pair.p_t is not None for pair in pairs)
    if untested:
        said.append(
            f"Pairs without a test: {untested} of {count} (too few seeds in common, or differences "
            "that do not scatter)."
        )
    return said


def wins(pairs: Sequence[AcrossSeeds]) -> Mapping[str, list[str]]:
    """Return which systems each one is significantly better than."""
    found: dict[str, list[str]] = {}
    for pair in filter(significant, pairs):
        first, second = pair.pair
        better, worse = (second, first) if pair.value > 0 else (first, second)
        found.setdefault(better, []).append(worse)
    return found


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last

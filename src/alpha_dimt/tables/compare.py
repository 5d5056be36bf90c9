"""Two runs, two systems or two files of hypotheses: which is better, and how sure is that?"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from alpha_dimt.config import RunConfig, load
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import finite_json, read_json, read_lines, sha256
from alpha_dimt.evaluation.across_seeds import (
    WANTED,
    AcrossSeeds,
    Sensitivity,
    compare_pairs,
    least_sign_flip,
    sensitivity,
)
from alpha_dimt.evaluation.metrics import multi_bleu
from alpha_dimt.evaluation.score_files import statistics_of
from alpha_dimt.evaluation.within_seed import (
    LEVEL,
    RESAMPLES,
    SEED,
    TRIALS,
    Difference,
    compare,
    resample,
)
from alpha_dimt.runs.paths import reference_of
from alpha_dimt.tables.wording import interval_text, p_in_words, sensitivity_text

PERCENT = f"{100 * LEVEL:g} %"


@dataclass(frozen=True)
class Side:
    """One of the two things that are compared.

    Attributes:
        name: what is printed.
        hypotheses: files by seed; a single run or file stands under None.
        reference: the tokenised test set of its results folder; None for a file.
    """

    name: str
    hypotheses: dict[int | None, Path]
    reference: Path | None


@dataclass(frozen=True)
class Found:
    """What a comparison found.

    Attributes:
        names: of both.
        reference: the file.
        sentences: N.
        definition: of the scores.
        signature: of sacreBLEU.
        by_seed: the difference on the test set; a single pair stands under None.
        across: the difference over several seeds.
        sensitivity: what so many seeds can find.
    """

    names: tuple[str, str]
    reference: Path
    sentences: int
    definition: str
    signature: str
    by_seed: dict[int | None, Difference]
    across: AcrossSeeds | None
    sensitivity: Sensitivity | None


def print_comparison(
    first: Path, second: Path, *, reference: Path | None, search: str, as_json: bool
) -> None:
    """Print how the second differs from the first on the test set; see `find`."""
    found = find(open_side(first, search), open_side(second, search), reference)
    print(json_text(found) if as_json else "\n".join(in_words(found)))


def open_side(path: Path, search: str) -> Side:
    """Return the hypotheses of a run's folder, of a system's folder (seed1, seed2 ...) or a file.

    Raises:
        UserError: the path is none of the three.
    """
    if path.is_file():
        return Side(str(path), {None: path}, None)
    hypotheses = Path("hypotheses", f"test.{search}.txt")
    if (path / "config.json").exists():
        config = load(RunConfig, path / "config.json")
        name = f"{config.system} seed {config.seed}"
        return Side(name, {None: path / hypotheses}, reference_of(path, config.data.corpus.target))
    runs = {folder: load(RunConfig, folder / "config.json") for folder in _runs_below(path)}
    if not runs:
        raise UserError(
            f"{path}: this is neither a run's folder (with config.json), nor a system's (with "
            "seed1, seed2 ...), nor a file of hypotheses"
        )
    by_seed: dict[int | None, Path] = {
        config.seed: folder / hypotheses for folder, config in runs.items()
    }
    folder, config = next(iter(runs.items()))
    return Side(config.system, by_seed, reference_of(folder, config.data.corpus.target))


def _runs_below(path: Path) -> list[Path]:
    return sorted(config.parent for config in path.glob("*/config.json"))


def find(first: Side, second: Side, reference: Path | None) -> Found:
    """Compare two sides on the test set, each seed by itself and over their common seeds.

    Args:
        first: what is compared with.
        second: what is looked at.
        reference: tokenised; None: that of the runs' results folder.

    Raises:
        UserError: nothing says what the reference is, the two bring different ones or one that a
            run was not scored with, they have no seed in common, or a file is missing or has
            another number of lines than the reference.
    """
    if reference is None and _differ(first.reference, second.reference):
        raise UserError(
            f"{first.name} and {second.name} have different references ({first.reference}, "
            f"{second.reference}): give the one that both are translations of by --reference"
        )
    given = reference is not None
    reference = reference or first.reference or second.reference
    if reference is None:
        raise UserError(f"{first.name} is a file: give the tokenised reference by --reference")
    if not reference.is_file():
        raise UserError(f"{reference}: there is no such file; give the reference by --reference")
    common = [seed for seed in first.hypotheses if seed in second.hypotheses]
    if not common:
        raise UserError(
            f"{first.name} and {second.name} have no seed in common: give two systems that have, "
            "or two runs or files"
        )
    for side in (first, second):
        if not given and side.reference is not None:
            for seed in common:
                check_scored(side.hypotheses[seed], reference)
    by_seed = {
        seed: compare(
            *resample([statistics_of(side.hypotheses[seed], reference) for side in (first, second)])
        )
        for seed in common
    }
    references = read_lines(reference)
    names = first.name, second.name
    if names[0] == names[1]:
        names = f"{names[0]} (first)", f"{names[1]} (second)"
    across = None
    spread = None
    if common != [None]:
        scores = {
            name: {seed: found.scores[i] for seed, found in by_seed.items() if seed is not None}
            for i, name in enumerate(names)
        }
        [across] = compare_pairs(scores)
        spread = sensitivity(scores, WANTED)
    definition = multi_bleu(references, references)
    return Found(
        names=names,
        reference=reference,
        sentences=len(references),
        definition=definition.definition,
        signature=definition.signature,
        by_seed=by_seed,
        across=across,
        sensitivity=spread,
    )


def check_scored(hypotheses: Path, reference: Path) -> None:
    """Check that a run's translations and the reference found for them are those of its scores.

    Raises:
        UserError: the run is not scored, or one of both has changed since.
    """
    scores = hypotheses.parents[1] / "scores" / f"{hypotheses.stem}.json"
    report = read_json(scores)
    try:
        scored = report["hypotheses"]["sha256"], report["references"]["tokenised"]["sha256"]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{scores}: this is not what `alpha-dimt evaluate` writes; score the run again"
        ) from error
    for path, known in zip((hypotheses, reference), scored, strict=True):
        if not path.is_file() or sha256(path) != known:
            raise UserError(
                f"{path}: this is not the file that {scores} was made from; score the run again, "
                "or give the reference to compare with by --reference"
            )


def _differ(first: Path | None, second: Path | None) -> bool:
    """Return whether both sides bring a reference, and not the same one."""
    both = [path for path in (first, second) if path and path.is_file()]
    return len({sha256(path) for path in both}) > 1


def json_text(found: Found) -> str:
    """Return all numbers as JSON."""
    document = {
        **asdict(found),
        "reference": str(found.reference),
        "by_seed": [{"seed": seed, **asdict(one)} for seed, one in found.by_seed.items()],
        "tests": {"resamples": RESAMPLES, "trials": TRIALS, "seed": SEED, "level": LEVEL},
    }
    return finite_json(document, indent=2)


def in_words(found: Found) -> Iterable[str]:
    """Yield the lines of a comparison for a person."""
    first, second = found.names
    for seed, one in found.by_seed.items():
        where = "" if seed is None else f"seed {seed}: "
        yield (
            f"{where}{second} {one.scores[1]:.2f}, {first} {one.scores[0]:.2f}: "
            f"difference {one.value:+.2f} BLEU, 95 % interval "
            f"{interval_text(one.low, one.high, '+.2f')}"
        )
        yield (
            f"  paired bootstrap {p_in_words(one.p_bootstrap)}, approximate randomisation "
            f"{p_in_words(one.p_randomisation)} (two-sided; {RESAMPLES:,} resamples, "
            f"{TRIALS:,} trials; sacreBLEU's bootstrap prints {p_in_words(one.p_sacrebleu)})"
        )
        yield f"  {verdict(one, found.names, found.sentences)}"
    if found.across is None:
        yield "  This says nothing about other trainings: compare systems over several seeds."
    else:
        yield from _across_in_words(found.across, found.sensitivity)
    yield f"definition: {found.definition}; {found.signature}; against {found.reference}"


def verdict(difference: Difference, names: tuple[str, str], sentences: int) -> str:
    """Return in words what approximate randomisation says of one pair."""
    if difference.p_randomisation < LEVEL:
        better = names[difference.value > 0]
        return (
            f"Significant at {PERCENT}: {better} is better; the choice of these {sentences:,} "
            "sentences does not explain it."
        )
    return f"Not significant at {PERCENT}: {sentences:,} other sentences might reverse the result."


def _across_in_words(across: AcrossSeeds, spread: Sensitivity | None) -> Iterable[str]:
    count = len(across.seeds)
    sd, ends, p_t, p_flip = across.sd, across.interval, across.p_t, across.p_flip
    if sd is None or ends is None or p_t is None or p_flip is None:
        yield f"over {count} seed{'s' * (count > 1)}: {across.value:+.2f} BLEU"
        yield f"  {sensitivity_text(spread)}"
        return
    yield (
        f"over {count} seeds: mean difference {across.value:+.2f} ± {sd:.2f} BLEU, 95 % "
        f"interval {interval_text(*ends, '+.2f')}"
    )
    yield (
        f"  paired t test {p_in_words(p_t)}, sign-flip test "
        f"{p_in_words(p_flip)} (the smallest possible with {count} seeds: "
        f"{least_sign_flip(count):.2g})"
    )
    if p_t < LEVEL:
        better = across.pair[across.value > 0]
        yield (
            f"  Significant at {PERCENT}: {better} is better; the choice of these seeds does not "
            "explain it."
        )
    else:
        yield f"  Not significant at {PERCENT}: other seeds might reverse the result."
    yield f"  {sensitivity_text(spread)}"

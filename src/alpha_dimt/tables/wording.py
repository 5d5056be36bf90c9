"""Numbers as tables and sentences show them; nothing here loads a library."""

import math

from alpha_dimt.evaluation.across_seeds import POWER, Sensitivity

OURS = "this run"
LARGEST = 100
"""BLEU; no difference is larger."""

MINUS = str.maketrans("-", "−")


def bleu_headers(beam: int | None) -> dict[str, str]:
    """Return the headers of the columns of BLEU by their names."""
    return {
        "dev_greedy": "Dev (greedy)",
        "test_greedy": "Test (greedy)",
        "test_beam": f"Test (beam {beam})" if beam else "Test (beam)",
    }


def number(value: float, form: str) -> str:
    """Return a number by a format; nothing where it is missing (NaN)."""
    return "" if math.isnan(value) else format(value, form)


def with_sd(text: str, sd: float, form: str) -> str:
    """Return a number with its deviation; without it where it is missing (NaN)."""
    return text if math.isnan(sd) else f"{text} ± {sd:{form}}"


def mean_sd(mean: float, sd: float, form: str = ".2f") -> str:
    """Return a mean with its deviation; nothing where there is no mean (NaN)."""
    return with_sd(number(mean, form), sd, form)


def interval_text(low: float, high: float, form: str = ".2f") -> str:
    """Return "low to high"; nothing where there is none (NaN)."""
    return "" if math.isnan(low) else f"{low:{form}} to {high:{form}}"


def signed(value: float, digits: int = 2) -> str:
    """Return a difference with its sign."""
    return f"{value:+.{digits}f}".translate(MINUS)


def signed_interval(low: float, high: float, digits: int = 2) -> str:
    """Return the ends of an interval of a difference, each with its sign."""
    return interval_text(low, high, f"+.{digits}f").translate(MINUS)


def p_text(p: float) -> str:
    """Return a p-value with three decimals; nothing where there is none (NaN)."""
    return "< 0.001" if p < 0.0005 else number(p, ".3f")


def p_in_words(p: float) -> str:
    """Return a p-value as it stands in a sentence."""
    return f"p {p_text(p)}" if p < 0.0005 else f"p = {p_text(p)}"


def seeds_wanted(found: Sensitivity) -> str:
    """Return how many seeds a difference of interest would need."""
    fewest, most = found.seeds_interval
    return f"{found.seeds_wanted:,} seeds ({fewest:,} to {most:,})"


def sensitivity_text(found: Sensitivity | None) -> str:
    """Return what the experiment could find."""
    if found is None:
        return (
            "nothing more can be said about other trainings: a minimal detectable difference takes "
            "two seeds that all systems have, with differences that scatter."
        )
    corrected = ""
    if found.detectable_corrected > LARGEST:
        corrected = ", and none at the strictest level of the correction"
    elif found.detectable_corrected > found.detectable:
        corrected = (
            f", of {found.detectable_corrected:.2f} at the strictest level of the correction"
        )
    return (
        f"between two systems of one seed the difference scatters by {found.sd:.2f} BLEU "
        f"(standard deviation, 95 % interval {interval_text(*found.sd_interval)}). {found.seeds} "
        f"seeds find a true difference of {found.detectable:.2f} BLEU with a probability of "
        f"{100 * POWER:g} % in one comparison{corrected}; {found.wanted:g} BLEU would need "
        f"{seeds_wanted(found)}."
    )

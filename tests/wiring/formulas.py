"""The equations in plain Python, independent of the package."""

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from configured import WORD_BY_WORD

Floats = npt.NDArray[np.float64]
Result = tuple[float, Floats]
"""Loss, and its gradient with respect to log p [B, K]."""


# ------------------------------------------------------------------------------ objectives


def value_at(schedule: Any, epoch: int, decays: int) -> float:
    """Return alpha or tau in an epoch (from 1) after some decays of the learning rate."""
    if not isinstance(schedule, dict):
        return float(schedule)
    start, end = schedule["start"], schedule["end"]
    if schedule["kind"] == "linear":
        if epoch >= schedule["epochs"]:
            return float(end)
        return float(start + (end - start) * (epoch - 1) / (schedule["epochs"] - 1))
    steps = {"on_decay": decays, "increase": epoch - 1}[schedule["kind"]]
    moved = start + steps * schedule["step"]
    return float(min(moved, end) if end > start else max(moved, end))


def softmax(rows: Floats) -> Floats:
    odds: Floats = np.exp(rows - rows.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def likelihood(figures: dict[str, Floats], smoothing: float = 0.0) -> Result:
    log_p = figures["log_p"]
    value = -(1 - smoothing) * log_p.mean()
    if smoothing:
        value -= smoothing * figures["mean_log_p"].mean()
    return float(value), np.full(log_p.shape, -(1 - smoothing) / log_p.size)


def off_policy(figures: dict[str, Floats], options: dict[str, Any], alpha: float) -> Result:
    log_p, tau = figures["log_p"], options["tau_now"]
    lengths = figures["lengths"]
    divisor = {
        "sum": np.ones_like(log_p),
        "mean": np.maximum(lengths, 1),
        "padded_mean": np.full(log_p.shape, lengths.max()),
    }[options["log_p"]]
    log_w = alpha * log_p / divisor + (1 - alpha) * figures["reward"] / tau
    if options["log_q0"]:
        log_w = log_w - figures["log_q0"]
    if options["normalise"] == "source":
        weights, groups = softmax(log_w), len(log_w)
    else:
        weights, groups = softmax(log_w.reshape(1, -1)).reshape(log_w.shape), 1
    return float(-(weights * log_p).sum() / groups), -weights / groups


def reinforce(log_p: Floats, values: Floats) -> Result:
    k = values.shape[1]
    advantage = values.copy()
    if k > 1:
        for i in range(k):
            advantage[:, i] -= np.delete(values, i, axis=1).mean(axis=1)
    return float(-(advantage * log_p).mean()), -advantage / log_p.size


def on_policy_alpha(figures: dict[str, Floats], alpha: float, tau: float) -> Result:
    log_p = figures["log_p"]
    log_ratio = figures["reward"] / tau - log_p
    shift = log_ratio.max(axis=1, keepdims=True)
    log_ratio -= shift + np.log(np.exp(log_ratio - shift).mean(axis=1, keepdims=True))
    if alpha == 1:
        return reinforce(log_p, tau * log_ratio)
    return reinforce(log_p, tau * (np.exp((1 - alpha) * log_ratio) - 1) / (1 - alpha))


def minimum_risk(figures: dict[str, Floats], sharpness: float) -> Result:
    log_p, reward = figures["log_p"], figures["reward"]
    q = np.exp(sharpness * log_p) * figures["distinct"]
    q = q / q.sum(axis=1, keepdims=True)
    risk = (q * reward).sum(axis=1, keepdims=True)
    return float(-risk.mean()), -sharpness * q * (reward - risk) / len(log_p)


def mixed(
    figures: dict[str, Floats], ml_weight: float, other_weight: float, other: Any, shared: bool
) -> Result:
    """Mix the likelihood of candidate 0 with an objective on the others, or on all of them."""
    log_p = figures["log_p"]
    first = 0 if shared else 1
    rest, rest_gradient = other({name: value[:, first:] for name, value in figures.items()})
    gradient = np.zeros_like(log_p)
    gradient[:, 0] -= ml_weight / len(log_p)
    gradient[:, first:] += other_weight * rest_gradient
    return float(-ml_weight * log_p[:, 0].mean() + other_weight * rest), gradient


def loss(options: dict[str, Any], figures: dict[str, Floats], epoch: int, decays: int) -> Result:
    """Return the loss of a system and its gradient.

    Args:
        options: complete options of the system.
        figures: [B, K] fields of the candidates by name.
        epoch: epoch, counted from 1.
        decays: number of decays of the learning rate.
    """
    kind = options["objective"]
    log_p, reward = figures["log_p"], figures["reward"]
    tau = value_at(options.get("tau", 1), epoch, decays)
    if kind in ("ml", "scheduled_sampling"):
        return likelihood(figures, options.get("label_smoothing", 0.0))
    if kind == "raml" and options["weights"] == "uniform":
        return likelihood(figures)
    if kind in ("raml", "alpha"):
        alpha = 0.0 if kind == "raml" else value_at(options["alpha"], epoch, decays)
        return off_policy(figures, {**options, "tau_now": tau}, alpha)
    if kind == "alpha_on_policy":
        return on_policy_alpha(figures, value_at(options["alpha"], epoch, decays), tau)
    if kind == "alpha_beam":
        weighting = {"normalise": "source", "log_p": "sum", "log_q0": False, "tau_now": tau}
        alpha = value_at(options["alpha"], epoch, decays)
        return off_policy(figures, {**options, **weighting}, alpha)
    if kind == "policy_gradient":
        return reinforce(log_p, reward - tau * log_p)
    if kind == "f_divergence":
        return reinforce(log_p, divergence_weights(options["divergence"], log_p, reward / tau))
    if kind == "mrt":
        return minimum_risk(figures, options["sharpness"])
    if kind == "gnmt_mixture":
        return mixed(
            figures,
            options["ml_weight"],
            1.0,
            lambda rest: reinforce(rest["log_p"], rest["reward"]),
            shared=False,
        )
    if kind == "custom":
        # `subject.scaled` is scale * mean((power - log_p) * log_p), with the first part constant.
        scale, power = options["options"]["scale"], options["options"]["power"]
        gradient = scale * (power - log_p) / log_p.size
        return float((gradient * log_p).sum()), gradient
    weight, other = options["ml_weight"], options["other"]
    return mixed(
        figures,
        weight,
        1 - weight,
        lambda rest: loss(other, rest, epoch, decays),
        shared=sources(other)["reference"],
    )


def divergence_weights(name: str, log_p: Floats, log_odds: Floats) -> Floats:
    """Return minus the derivative of f at p / q, with q proportional to exp(log_odds)."""
    ratio = np.exp(log_odds - log_p)  # q / p but for Z
    q_over_p = ratio / ratio.mean(axis=1, keepdims=True)
    if name == "chi_square":
        return (q_over_p**2 - 1) / 2
    if name == "reverse_chi_square":
        return 1 - 1 / q_over_p
    if name == "jensen_shannon":
        return np.log((1 + q_over_p) / 2)
    if name == "total_variation":
        return np.sign(q_over_p - 1) / 2
    at_least = (q_over_p[:, None, :] >= q_over_p[:, :, None]).mean(axis=2)
    return 1 / at_least / (1 / at_least).mean(axis=1, keepdims=True)


def sources(options: dict[str, Any]) -> dict[str, Any]:
    """Return where the candidates of a system come from, and how they are used."""
    kind = options["objective"]
    found: dict[str, Any] = {
        "reference": False,
        "proposal": False,
        "samples": 0,
        "epsilon": None,
        "reward": None,
        "gold_decay": None,
        "chunk": None,
        "mean_log_p": False,
    }
    if kind == "ml":
        found |= {"reference": True, "mean_log_p": options.get("label_smoothing", 0) > 0}
    elif kind == "scheduled_sampling":
        found |= {"reference": True, "gold_decay": options["k"]}
    elif kind == "raml" and options["weights"] == "uniform":
        found |= {"proposal": True}
    elif kind in ("raml", "alpha"):
        found |= {"proposal": True, "samples": options["samples"], "chunk": options["chunk"]}
    elif kind in ("alpha_on_policy", "alpha_beam", "policy_gradient", "f_divergence"):
        found |= {"samples": options["samples"], "reward": options["reward"]}
        found |= {"epsilon": options.get("epsilon")}
    elif kind in ("mrt", "gnmt_mixture", *WORD_BY_WORD):
        found |= {"reference": True, "epsilon": 0.0 if options.get("beam") else None}
        found |= {"samples": options["samples"], "reward": options["reward"]}
    elif kind == "custom":
        if options["candidates"] == "model":
            found |= {"samples": options["samples"], "reward": options["reward"]}
        else:
            found[options["candidates"]] = True
    else:
        found = sources(options["other"]) | {"reference": True}
    return found


# ---------------------------------------------------------------------------------- rewards


def hamming(a: Sequence[Any], b: Sequence[Any]) -> float:
    same = sum(x == y for x, y in zip(a, b, strict=False))
    return float(same - max(len(a), len(b)))


def edit_distance(a: Sequence[Any], b: Sequence[Any]) -> float:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return -float(row[-1])


def ngrams(tokens: Sequence[Any], n: int) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def sentence_bleu(a: Sequence[Any], b: Sequence[Any]) -> float:
    """Return BLEU with sacreBLEU's smoothing and effective order."""
    logs, missing, matched = [], 0, 0
    for n in range(1, 5):
        total = len(a) - n + 1
        if total <= 0:
            break
        hits = (ngrams(a, n) & ngrams(b, n)).total()
        matched += hits
        missing += not hits
        logs.append(math.log((hits or 0.5**missing) / total))
    if not matched:
        return 0.0
    return math.exp(min(0.0, 1 - len(b) / len(a)) + sum(logs) / len(logs))


def gleu(a: Sequence[Any], b: Sequence[Any]) -> float:
    hits = sum((ngrams(a, n) & ngrams(b, n)).total() for n in range(1, 5))
    totals = [sum(max(0, len(x) - n + 1) for n in range(1, 5)) for x in (a, b)]
    return hits / max(totals)


REWARDS = {
    "hamming": hamming,
    "edit_distance": edit_distance,
    "bleu": sentence_bleu,
    "gleu": gleu,
    "constant": lambda a, b: 1.0,
}
BEST_REWARD = {"hamming": 0.0, "edit_distance": 0.0, "bleu": 1.0, "gleu": 1.0, "constant": 1.0}


# ------------------------------------------------------------------------------- evaluation


def corpus_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Return BLEU of tokenised text as multi-bleu.perl defines it, a percentage."""
    hits, totals = [0] * 4, [0] * 4
    lengths = [0, 0]
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        a, b = hypothesis.split(" "), reference.split(" ")
        a = [] if hypothesis == "" else a
        lengths[0] += len(a)
        lengths[1] += len(b)
        for n in range(1, 5):
            hits[n - 1] += (ngrams(a, n) & ngrams(b, n)).total()
            totals[n - 1] += max(0, len(a) - n + 1)
    if 0 in hits:
        return 0.0
    precision = math.fsum(math.log(h / t) for h, t in zip(hits, totals, strict=True)) / 4
    return 100 * math.exp(precision + min(0.0, 1 - lengths[1] / lengths[0]))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the corrected p-values in the order given, from the definition of the procedure."""
    m = len(p_values)
    order = sorted(range(m), key=lambda i: p_values[i])
    corrected = [0.0] * m
    for rank, i in enumerate(order):
        steps = [(m - before) * p_values[j] for before, j in enumerate(order[: rank + 1])]
        corrected[i] = min(1.0, max(steps))
    return corrected


# -------------------------------------------------------------------------------- proposals


def uniform_edit(
    reference: Sequence[int], candidate: Sequence[int], fraction: float, words: int
) -> float:
    """Return log q0 of a candidate by replacements: ordinary words, uniform substitutes."""
    m = len(reference)
    most = math.floor(fraction * m + 1e-9)
    edits = sum(x != y for x, y in zip(reference, candidate, strict=True))
    if edits > most:
        return -math.inf
    return -math.log(most + 1) - math.log(math.comb(m, edits)) - edits * math.log(words - 1)


def edit_transducer(
    reference: Sequence[int],
    candidate: Sequence[int],
    *,
    insert: float,
    delete: float,
    substitute: float,
    words: int,
) -> float:
    """Return q0 of a candidate by insertions, deletions and substitutions: all paths to it."""

    @cache
    def rest(i: int, j: int) -> float:
        """Return the probability of the rest of the candidate, in front of word i."""
        total = insert / words * rest(i, j + 1) if j < len(candidate) else 0.0
        if i == len(reference):
            return total + (1 - insert) * (j == len(candidate))
        passed = delete * rest(i + 1, j)
        if j < len(candidate):
            same = candidate[j] == reference[i]
            emitted = 1 - delete - substitute if same else substitute / (words - 1)
            passed += emitted * rest(i + 1, j + 1)
        return total + (1 - insert) * passed

    return rest(0, 0)

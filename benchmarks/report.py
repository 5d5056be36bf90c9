"""Turn measurements into summary.json and benchmarks.md."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpha_dimt.core.files import write_json, write_text
from benchmarks.contenders import Measured
from benchmarks.corpus import real_lengths
from benchmarks.scaling import Point
from benchmarks.sizes import Sizes

TITLES = {
    "ml": "alpha-dimt, maximum likelihood",
    "raml": "alpha-dimt, RAML",
    "alpha_k1": "alpha-dimt, alpha = 0.5, K = 1",
    "alpha_k4": "alpha-dimt, alpha = 0.5, K = 4",
    "plain_fp32": "plain PyTorch, fp32",
    "plain_bf16": "plain PyTorch, bf16 autocast",
    "peer_joeynmt": "JoeyNMT 2.3.0, fp32",
    "peer_opennmt": "OpenNMT-py 3.5.1, fp32",
}

# Pairs of IWSLT'14 de-en as prepared for the paper, and the epochs of its five runs according to
# its authors' logs (published with their code): ml, raml, alpha = 0.3, 0.5, 0.7.
TRAIN_PAIRS, VALID_PAIRS = 153_326, 6_969
EPOCHS = {"ml": 23, "raml": 29, "alpha_k1": 31 + 26 + 30}
PUBLISHED_HOURS = 43.6


@dataclass(frozen=True)
class Results:
    """All measurements of one run; the keys of training and decoding name contenders.

    Attributes:
        sizes: sizes of the model, the data and the rounds.
        machine: processor, cores, instructions, PyTorch, dtype of the matrix products.
        training: rounds of training (tokens), and of matrix products (GFLOP/s).
        repeated: rounds of training that repeat a few batches (tokens).
        flop: operations of a round of training, for each of our systems.
        decoding: rounds of search (sentences) and of scoring (tokens).
        stages: rounds of encoding and BPE (lines) and augmentation (candidates).
        startup: start-up times in seconds.
        curves: points for each scaled quantity.
    """

    sizes: Sizes
    machine: Mapping[str, str]
    training: Mapping[str, Measured]
    repeated: Mapping[str, Measured]
    flop: Mapping[str, float]
    decoding: Mapping[str, Measured]
    stages: Mapping[str, Measured]
    startup: Mapping[str, float]
    curves: Mapping[str, Sequence[Point]]


def summary(results: Results) -> dict[str, float]:
    """Return every number by its name."""
    training, decoding, stages = results.training, results.decoding, results.stages
    low = results.machine["dtype"] == "bfloat16"
    peak = training["gemm_bf16" if low else "gemm_fp32"].amount
    figures = {
        "gemm_peak_gflop_s": peak,
        "gemm_fp32_gflop_s": training["gemm_fp32"].amount,
        "gemm_bf16_gflop_s": training["gemm_bf16"].amount,
    }
    for name in TITLES:
        if name not in training:
            continue
        key = f"train_{name}" if name in results.flop else name
        figures[f"{key}_tok_s"] = training[name].rate
        figures[f"{key}_peak_rss_mb"] = training[name].peak_rss_mb
        if name in results.flop:
            gflop_s = results.flop[name] / training[name].seconds / 1e9
            figures[f"{key}_share_of_peak"] = gflop_s / peak
    for prefix, rounds in (("", training), ("few_batches_", results.repeated)):
        ml = rounds["ml"].rate
        figures[f"{prefix}ml_over_plain_fp32"] = ml / rounds["plain_fp32"].rate
        if "plain_bf16" in rounds:
            figures[f"{prefix}ml_over_plain_bf16"] = ml / rounds["plain_bf16"].rate
        peers = [measured.rate for name, measured in rounds.items() if name.startswith("peer_")]
        if peers:
            figures[f"{prefix}ml_over_best_peer"] = ml / max(peers)
    figures |= {f"few_batches_{name}_tok_s": one.rate for name, one in results.repeated.items()}
    # The paper's systems have one candidate; K = 4 has a number of its own.
    figures["peak_rss_mb"] = max(training[name].peak_rss_mb for name in EPOCHS)
    for name, measured in decoding.items():
        contender, _, search = name.rpartition("_")
        if contender == "ours":
            figures[f"{search}_sent_s"] = measured.rate
        elif contender:
            figures[f"{name}_sent_s"] = measured.rate
    figures["score_tok_s"] = decoding["score"].rate
    figures |= {
        "encode_lines_s": stages["encode"].rate,
        "bpe_learn_lines_s": stages["bpe_learn"].rate,
        "bpe_lines_s": stages["bpe_apply"].rate,
        "augment_cand_s": stages["draw"].rate,
        "augment_file_cand_s": stages["augment"].rate,
    }
    return {**figures, **results.startup, **projection(results)}


def projection(results: Results) -> dict[str, float]:
    """Project the measured rates to the paper's Table 1 on IWSLT'14."""
    length = results.training["ml"].amount / (results.sizes.updates * results.sizes.batch)
    validation = VALID_PAIRS / results.decoding["ours_greedy"].rate
    validation += VALID_PAIRS * length / results.decoding["score"].rate
    epochs = {
        name: TRAIN_PAIRS * length / results.training[name].rate + validation for name in EPOCHS
    }
    hours = sum(count * epochs[name] for name, count in EPOCHS.items()) / 3600
    return {
        "epoch_ml_s": epochs["ml"],
        "validation_s": validation,
        "validation_share": validation / epochs["ml"],
        "projected_table1_hours": hours,
    }


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are right-aligned numbers."""
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def markdown(results: Results) -> str:
    """Return the report."""
    figures, sizes, machine = summary(results), results.sizes, results.machine
    parts = [
        "# Benchmarks",
        f"Made by `make bench` on {machine['processor']}, {machine['cores']} cores "
        f"({machine['instructions']}), with PyTorch {machine['torch']} and {sizes.threads} "
        f"threads; this project multiplied in {machine['dtype']}. Everything was measured in "
        f"one run: the contenders took turns, and each figure is the median of {sizes.repeats} "
        f"rounds after one to warm up ({sizes.warm_up * sizes.updates} updates in training); the "
        "spread is the largest minus the smallest rate, relative to the median. "
        "Each contender is a process of its own. How: `benchmarks/README.md`.",
        "## Training",
        f"{sizes.source_words:,} source and {sizes.target_words:,} target words, {sizes.units} "
        f"units, batches of {sizes.batch} sentences as training deals them, lengths "
        + ("of" if real_lengths() else "drawn from a distribution fitted to")
        + f" IWSLT'14 de-en; {sizes.updates} different batches a round. Tokens are those predicted "
        f"(</s> included, padding not), of all K candidates. The second column is of rounds that "
        f"repeat {sizes.few} batches, which favours whatever keeps arrays in the cache and kernels "
        "by size.",
        training_table(results, figures),
        f"Peak of matrix products in the same run: {figures['gemm_bf16_gflop_s']:,.0f} GFLOP/s in "
        f"bf16, {figures['gemm_fp32_gflop_s']:,.0f} in fp32. The share is of the peak in "
        f"{machine['dtype']}, by the model's operations without padding (`benchmarks/flops.py`).",
        "## Decoding",
        f"Every sentence takes {sizes.steps} steps (</s> cannot win). Sorted by length; batches as "
        f"configured by default here, {sizes.decode_batch} sentences for the peers.",
        decoding_table(results),
        f"An epoch of maximum likelihood on IWSLT'14 ({TRAIN_PAIRS:,} pairs) would take "
        f"{figures['epoch_ml_s']:,.0f} s, of which validation (greedy search and likelihood on "
        f"{VALID_PAIRS:,} pairs) {figures['validation_s']:.0f} s: "
        f"{100 * figures['validation_share']:.1f} %. The five systems of Table 1 with the epochs "
        f"of the authors' runs: {figures['projected_table1_hours']:.1f} hours on this machine "
        f"(published: {PUBLISHED_HOURS} GPU-hours).",
        "## Before training, on one core",
        table(
            ["stage", "a second"],
            [
                ["candidates drawn, with reward and log q0", f"{figures['augment_cand_s']:,.0f}"],
                [
                    "candidates, `alpha-dimt augment` as a whole",
                    f"{figures['augment_file_cand_s']:,.0f}",
                ],
                ["lines encoded to Arrow", f"{figures['encode_lines_s']:,.0f}"],
                ["lines cut by BPE", f"{figures['bpe_lines_s']:,.0f}"],
                [
                    f"lines learned {sizes.operations:,} merges from",
                    f"{figures['bpe_learn_lines_s']:,.0f}",
                ],
            ],
        ),
        "## Start-up",
        table(
            ["process", "seconds"],
            [
                ["Python, doing nothing", f"{figures['python_startup_s']:.3f}"],
                ["`import alpha_dimt`", f"{figures['import_s']:.3f}"],
                ["`alpha-dimt --help`", f"{figures['cli_startup_s']:.3f}"],
                ["what `alpha-dimt table` loads", f"{figures['table_startup_s']:.3f}"],
            ],
        ),
        "## As sizes grow",
        "Maximum likelihood at the sizes above but for one; K grows with alpha = 0.5.",
        *(f"![{name}](benchmarks/{name}.svg)" for name in results.curves),
    ]
    return "\n\n".join(parts) + "\n"


def training_table(results: Results, figures: Mapping[str, float]) -> str:
    """Return one row a contender."""
    base = results.training["plain_fp32"].rate
    rows = []
    for name, title in TITLES.items():
        if name in results.training:
            measured = results.training[name]
            share = figures.get(f"train_{name}_share_of_peak")
            repeated = results.repeated.get(name)
            rows.append(
                [
                    title,
                    f"{measured.rate:,.0f}",
                    "" if repeated is None else f"{repeated.rate:,.0f}",
                    f"{measured.rate / base:.2f}",
                    f"{100 * measured.spread:.0f} %",
                    "" if share is None else f"{100 * share:.0f} %",
                    f"{measured.peak_rss_mb:,.0f}",
                ]
            )
    few = f"over {results.sizes.few} batches"
    headers = [
        "",
        "target tokens/s",
        few,
        "x plain fp32",
        "spread",
        "share of peak",
        "peak memory, MB",
    ]
    return table(headers, rows)


def decoding_table(results: Results) -> str:
    """Return one row a contender."""
    titles = {"ours": "alpha-dimt"} | {
        name: title for name, title in TITLES.items() if name.startswith("peer_")
    }
    rows = [
        [title, *(f"{results.decoding[f'{name}_{search}'].rate:,.1f}" for search in SEARCHES)]
        for name, title in titles.items()
        if f"{name}_greedy" in results.decoding
    ]
    return table(["", "greedy, sentences/s", "beam 10, sentences/s"], rows)


SEARCHES = ("greedy", "beam10")


def write(results: Results, out: Path) -> None:
    """Write summary.json and benchmarks.md."""
    rounded = {name: float(f"{value:.6g}") for name, value in summary(results).items()}
    write_json(out / "summary.json", rounded)
    write_text(out / "benchmarks.md", markdown(results))

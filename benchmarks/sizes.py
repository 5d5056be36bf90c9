"""Sizes of a benchmark: those of the paper, or tiny ones to run the whole harness in a test."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """The sizes that a measurement depends on.

    Attributes:
        source_words: source vocabulary size, specials included.
        target_words: target vocabulary size, specials included.
        units: embedding size and hidden size of the decoder; each encoder direction has half.
        batch: source sentences per update.
        threads: CPU threads of training and decoding.
        pairs: sentence pairs to make batches from.
        updates: updates in one timed round of training, each on another batch; the batches are the
            same in every round.
        few: updates in a round that repeats few batches, which a cache can hold.
        warm_up: rounds of training before the timed ones.
        repeats: timed rounds of each contender.
        decode_batch: sentences that the peers decode at once.
        steps: target tokens of every decoded sentence.
        greedy: sentences in one round of greedy search.
        beam: sentences in one round of beam search.
        rows: references to draw candidates for.
        slices: slices of candidates written to one file.
        lines: lines of text to encode and to segment into subwords.
        operations: merges of BPE.
        gemm_seconds: time for each shape of matrix product in one round.
    """

    source_words: int
    target_words: int
    units: int
    batch: int
    threads: int
    pairs: int
    updates: int
    few: int
    warm_up: int
    repeats: int
    decode_batch: int
    steps: int
    greedy: int
    beam: int
    rows: int
    slices: int
    lines: int
    operations: int
    gemm_seconds: float


PAPER = Sizes(
    source_words=32_013,
    target_words=22_826,
    units=256,
    batch=128,
    threads=2,
    pairs=12_800,  # the pool that training sorts by length
    updates=16,
    few=4,
    warm_up=2,
    repeats=3,
    decode_batch=50,
    steps=24,
    greedy=1_000,
    beam=100,
    rows=153_326,  # the pairs of IWSLT'14
    slices=30,
    lines=20_000,
    operations=2_000,
    gemm_seconds=0.3,
)

QUICK = Sizes(
    source_words=120,
    target_words=100,
    units=16,
    batch=8,
    threads=1,
    pairs=160,
    updates=2,
    few=1,
    warm_up=2,
    repeats=2,
    decode_batch=5,
    steps=4,
    greedy=10,
    beam=5,
    rows=500,
    slices=2,
    lines=100,
    operations=20,
    gemm_seconds=0.01,
)


@dataclass(frozen=True)
class Axis:
    """One quantity to scale while the others stay fixed.

    Attributes:
        name: name of the quantity.
        values: values to measure.
    """

    name: str
    values: tuple[int, ...]


PAPER_AXES = (
    Axis("vocabulary", (4_000, 8_000, 16_000, 32_000, 64_000)),
    Axis("batch", (16, 32, 64, 128, 256)),
    Axis("candidates", (1, 2, 4, 8)),
    Axis("beam", (1, 2, 5, 10, 20)),
)

QUICK_AXES = (
    Axis("vocabulary", (50,)),
    Axis("batch", (4,)),
    Axis("candidates", (2,)),
    Axis("beam", (1, 2)),
)

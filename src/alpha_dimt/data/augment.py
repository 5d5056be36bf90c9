"""Draw the candidates of a corpus once, for every epoch and every alpha."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from alpha_dimt.config import AugmentConfig, Proposal
from alpha_dimt.data.encoded import read_pairs
from alpha_dimt.files import atomic_path
from alpha_dimt.proposals import uniform_edit
from alpha_dimt.ragged import Ragged
from alpha_dimt.rewards import negative_hamming
from alpha_dimt.vocab import Vocab

SCHEMA = pa.schema(
    {
        "positions": pa.list_(pa.int16()),
        "tokens": pa.list_(pa.int32()),
        "reward": pa.float32(),
        "log_q0": pa.float64(),
    }
)


def draw_slice(
    targets: Ragged, proposal: Proposal, *, vocab_size: int, seed: int, index: int
) -> pa.RecordBatch:
    """Return slice `index`: K rows for each target, target by target.

    Each slice has a random stream of its own, so any of them can be drawn alone.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, index]))
    rows = np.repeat(np.arange(len(targets)), proposal.candidates)
    entries, _ = targets.entries(rows)
    repeated = Ragged(
        targets.values[entries], np.concatenate(([0], np.cumsum(targets.lengths[rows])))
    )
    edits = uniform_edit(
        repeated,
        vocab_size=vocab_size,
        max_edit_fraction=proposal.max_edit_fraction,
        reference_quirks=proposal.reference_quirks,
        rng=rng,
    )
    offsets = pa.array(edits.positions.offsets, pa.int32())
    return pa.record_batch(
        [
            pa.ListArray.from_arrays(offsets, pa.array(edits.positions.values, pa.int16())),
            pa.ListArray.from_arrays(offsets, pa.array(edits.tokens.values, pa.int32())),
            pa.array(negative_hamming(edits), pa.float32()),
            pa.array(edits.log_q0, pa.float64()),
        ],
        schema=SCHEMA,
    )


def augment_corpus(config: AugmentConfig, *, encoded: Path, out: Path) -> None:
    """Write an Arrow file with one record batch a slice."""
    targets = read_pairs(encoded, "train").target
    vocab = Vocab.load(encoded / f"vocab.{config.data.corpus.target}.txt")
    proposal = config.proposal
    with (
        atomic_path(out) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, SCHEMA) as writer,
    ):
        for index in range(proposal.slices):
            writer.write_batch(
                draw_slice(targets, proposal, vocab_size=len(vocab), seed=config.seed, index=index)
            )

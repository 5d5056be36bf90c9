"""Draw the candidates of a corpus once, for every epoch and every alpha."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from alpha_dimt.config import AugmentConfig
from alpha_dimt.config.proposals import Proposal
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import atomic_path, sha256
from alpha_dimt.core.progress import bar
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import SPECIALS, Vocab
from alpha_dimt.data.encoded import CONFIG, REFERENCES, read_pairs
from alpha_dimt.data.manifest import check_prepared
from alpha_dimt.proposals import Block, Edits, Words, build, frame
from alpha_dimt.rewards import reward_of_edits

_COLUMNS = pa.schema(
    {
        "positions": pa.list_(pa.int16()),
        "tokens": pa.list_(pa.int32()),
        "insert_positions": pa.list_(pa.int16()),
        "insert_tokens": pa.list_(pa.int32()),
        "reward": pa.float32(),
        "log_q0": pa.float64(),
    }
)


def draw_slice(
    targets: Ragged, proposal: Proposal, *, vocab_size: int, seed: int, index: int
) -> pa.RecordBatch:
    """Return slice `index`: K candidates for each target, target by target.

    Each slice has its own random stream, so any of them can be drawn alone. Substitutes by
    frequency follow the frequencies in `targets`; blocks are drawn again for each slice, and the K
    candidates of a target share its block.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, index]))
    section = proposal.distribution
    words = Words(
        vocab_size=vocab_size,
        counts=np.bincount(targets.values, minlength=vocab_size),
        block=Block.deal(targets, rng) if section.needs_blocks() else None,
    )
    rows = np.repeat(np.arange(len(targets)), proposal.candidates)
    repeated = targets if proposal.candidates == 1 else targets.take(rows)
    distribution = build(section, words)
    edits = distribution.for_rows(rows).draw(repeated, rng)
    if proposal.include_reference:
        first = np.arange(len(rows)) % proposal.candidates == 0
        log_q0 = edits.log_q0.copy()
        log_q0[first] = distribution.log_prob(targets, frame(targets))
        edits = replace(edits.undone(first), log_q0=log_q0)
    return _record_batch(edits, reward_of_edits(proposal.reward, edits, repeated))


def _record_batch(edits: Edits, reward: np.typing.NDArray[np.float64]) -> pa.RecordBatch:
    """Return edits and rewards as Arrow columns."""

    def lists(rows: Ragged, kind: pa.DataType) -> pa.ListArray:
        return pa.ListArray.from_arrays(
            pa.array(rows.offsets, pa.int32()), pa.array(rows.values, kind)
        )

    return pa.record_batch(
        [
            lists(edits.positions, pa.int16()),
            lists(edits.tokens, pa.int32()),
            lists(edits.insert_positions, pa.int16()),
            lists(edits.insert_tokens, pa.int32()),
            pa.array(reward, pa.float32()),
            pa.array(edits.log_q0, pa.float64()),
        ],
        schema=_COLUMNS,
    )


def write_slices(
    path: Path, targets: Ragged, config: AugmentConfig, slices: Iterable[pa.RecordBatch]
) -> None:
    """Write slices with the digest of their references and the fingerprint of their configuration.

    A training with other references or another configuration refuses them.
    """
    schema = _COLUMNS.with_metadata({REFERENCES: targets.digest(), CONFIG: config.fingerprint()})
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, schema) as writer,
    ):
        for batch in slices:
            writer.write_batch(batch)


def augment_corpus(config: AugmentConfig, *, encoded: Path, out: Path) -> None:
    """Write an Arrow file with one record batch per slice.

    Raises:
        UserError: the encoded corpus is not the one that the configuration describes, or its target
            vocabulary has fewer than two words.
    """
    train = encoded / "train.arrow"
    check_prepared(encoded, config.data, {train.name: sha256(train)})
    targets = read_pairs(encoded, "train").target
    vocab = encoded / f"vocab.{config.data.corpus.target}.txt"
    words = len(Vocab.load(vocab))
    if words < len(SPECIALS) + 2:
        raise UserError(
            f"{vocab}: a proposal replaces words by others, but this vocabulary has only one; "
            "lower preparation.vocabulary.min_frequency or give more text"
        )
    slices = config.proposal.slices
    with bar(slices, "drawing candidates", "slices") as shown:

        def drawn() -> Iterator[pa.RecordBatch]:
            for index in range(slices):
                yield draw_slice(
                    targets, config.proposal, vocab_size=words, seed=config.seed, index=index
                )
                shown.update()  # once the slice is written

        write_slices(out, targets, config, drawn())

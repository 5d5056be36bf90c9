"""Read encoded corpora and candidates (Arrow IPC files), memory-mapped."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alpha_dimt.errors import UserError
from alpha_dimt.proposals import Edits
from alpha_dimt.ragged import Ragged


@dataclass(frozen=True)
class Pairs:
    """An encoded split: N sentence pairs.

    Attributes:
        source: N rows of source ids, without <s> and </s>.
        target: N rows of target ids, without <s> and </s>.
        source_text: N segmented source sentences, tokens joined by spaces.
        target_text: N segmented target sentences.
    """

    source: Ragged
    target: Ragged
    source_text: list[str]
    target_text: list[str]

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True)
class Candidates:
    """One slice of an augmented corpus: K candidates for each of N sources, source by source.

    Attributes:
        edits: N * K candidates with their log q0.
        reward: [N * K].
    """

    edits: Edits
    reward: npt.NDArray[np.float32]


def ragged_column(column: pa.ListArray) -> Ragged:
    """Return an Arrow list column as two arrays, without a copy where Arrow allows it."""
    offsets = column.offsets.to_numpy()
    values = column.values.to_numpy()[offsets[0] : offsets[-1]]
    return Ragged(values, (offsets - offsets[0]).astype(np.int64))


def open_arrow(path: Path, made_by: str) -> pa.RecordBatchFileReader:
    """Open an Arrow IPC file, memory-mapped.

    Raises:
        UserError: there is no such file, or it is not an Arrow file.
    """
    try:
        return pa.ipc.open_file(pa.memory_map(str(path)))
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: there is no such file; `alpha-dimt {made_by}` makes it"
        ) from error
    except pa.ArrowInvalid as error:
        raise UserError(
            f"{path}: this is not an Arrow file ({error}); delete it and run "
            f"`alpha-dimt {made_by}` again"
        ) from error


def read_pairs(folder: Path, split: str) -> Pairs:
    """Read one split that `alpha-dimt encode` wrote."""
    table = open_arrow(folder / f"{split}.arrow", "encode").read_all().combine_chunks()
    return Pairs(
        source=ragged_column(table["source"].combine_chunks()),
        target=ragged_column(table["target"].combine_chunks()),
        source_text=table["source_text"].to_pylist(),
        target_text=table["target_text"].to_pylist(),
    )


class AugmentedCorpus:
    """A file of candidates; each record batch is one slice."""

    def __init__(self, path: Path) -> None:
        """Open what `alpha-dimt augment` wrote."""
        self._reader = open_arrow(path, "augment")

    def __len__(self) -> int:
        return int(self._reader.num_record_batches)

    def __getitem__(self, index: int) -> Candidates:
        batch = self._reader.get_batch(index)
        return Candidates(
            edits=Edits(
                positions=ragged_column(batch.column("positions")),
                tokens=ragged_column(batch.column("tokens")),
                insert_positions=ragged_column(batch.column("insert_positions")),
                insert_tokens=ragged_column(batch.column("insert_tokens")),
                log_q0=batch.column("log_q0").to_numpy(),
            ),
            reward=batch.column("reward").to_numpy(),
        )

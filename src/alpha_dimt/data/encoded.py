"""Read encoded corpora and candidates (Arrow IPC files), memory-mapped and checked.

A file with the right name may belong to another corpus, or be truncated or damaged. Training on it
would give meaningless results, so every column is checked before use.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alpha_dimt.config import AugmentConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.core.vocabulary import Vocab
from alpha_dimt.proposals import Edits
from alpha_dimt.proposals.edits import DELETED

# Columns that `encode` and `augment` write; positions may be of any integer type.
PAIRS = ("source", "target", "source_text", "target_text")
EDITS = ("positions", "tokens", "insert_positions", "insert_tokens", "reward", "log_q0")
REFERENCES = "references"
"""Metadata key of a candidate file: `Ragged.digest` of the references that were edited."""
CONFIG = "config"
"""Metadata key of a candidate file: fingerprint of the configuration that it was drawn with."""

# Number of sentences that are encoded again to check that the vocabulary is the right one.
_SAMPLE = 1000


@dataclass(frozen=True)
class Pairs:
    """An encoded split: N sentence pairs.

    Attributes:
        source: N rows of source ids, excluding <s> and </s>.
        target: N rows of target ids, excluding <s> and </s>.
        source_text: N segmented source sentences, tokens joined by spaces.
        target_text: N segmented target sentences.
    """

    source: Ragged
    target: Ragged
    source_text: list[str]
    target_text: list[str]

    def __len__(self) -> int:
        return len(self.source)

    def check_vocabularies(self, path: Path, *, source: Vocab, target: Vocab) -> None:
        """Check that the vocabularies map the texts to these ids.

        Args:
            path: path of the file, for the error.
            source: source vocabulary.
            target: target vocabulary.

        Raises:
            UserError: an id is outside the vocabulary, or one of the first sentences has wrong ids.
        """
        sides = (
            ("source", self.source, self.source_text, source),
            ("target", self.target, self.target_text, target),
        )
        for side, ids, texts, vocab in sides:
            fits = ids.values.max(initial=0) < len(vocab) and all(
                vocab.encode(text.split(" ")) == ids.row(row).tolist()
                for row, text in enumerate(texts[:_SAMPLE])
            )
            if not fits:
                raise UserError(
                    f"{path}: the {side} ids do not match the vocabulary beside it; "
                    "run `alpha-dimt encode` again"
                )


@dataclass(frozen=True)
class Candidates:
    """One slice of an augmented corpus: K candidates for each of N sources, source by source.

    Attributes:
        edits: N * K candidates with their log q0.
        reward: [N * K] reward of each candidate.
    """

    edits: Edits
    reward: npt.NDArray[np.float32]


def ragged_column(column: pa.ListArray) -> Ragged:
    """Return an Arrow list column as a `Ragged`, without a copy if Arrow allows it."""
    offsets = column.offsets.to_numpy()
    values = column.values.to_numpy()[offsets[0] : offsets[-1]]
    return Ragged(values, (offsets - offsets[0]).astype(np.int64))


@contextmanager
def _arrow_errors(path: Path, made_by: str) -> Iterator[None]:
    """Turn Arrow's errors about an unusable file into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: there is no such file; `alpha-dimt {made_by}` makes it"
        ) from error
    # Inconsistent metadata also raises SystemError or UnicodeDecodeError (a ValueError).
    except (pa.ArrowException, OSError, ValueError, KeyError, SystemError) as error:
        raise UserError(
            f"{path}: this is not what `alpha-dimt {made_by}` writes "
            f"({' '.join(str(error).split()) or type(error).__name__}); "
            f"delete it and run `alpha-dimt {made_by}` again"
        ) from error


def _checked(batch: pa.RecordBatch, columns: tuple[str, ...]) -> pa.RecordBatch:
    """Return a record batch after checking that its columns are present, valid and without nulls.

    Raises:
        ValueError: they are not.
    """
    if tuple(batch.schema.names) != columns:
        raise ValueError(f"its columns are {', '.join(batch.schema.names)}")
    batch.validate(full=True)
    for name, column in zip(columns, batch.columns, strict=True):
        lists, inner = pa.types.is_list(column.type), column.type
        if lists:
            inner, entries = column.type.value_type, column.values
            if entries.null_count:
                raise ValueError(f"{name} has nulls")
        text, real = name.endswith("_text"), name in ("reward", "log_q0")
        right = (
            pa.types.is_string(inner)
            if text
            else pa.types.is_floating(inner)
            if real
            else lists and pa.types.is_integer(inner)
        )
        if not right:
            raise ValueError(f"{name} is {column.type}")
        if column.null_count:
            raise ValueError(f"{name} has nulls")
    return batch


def read_pairs(folder: Path, split: str) -> Pairs:
    """Read one split that `alpha-dimt encode` wrote.

    Raises:
        UserError: there is no such file, or it is not what `encode` writes.
    """
    path = folder / f"{split}.arrow"
    with _arrow_errors(path, "encode"):
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all().combine_chunks()
        batches = table.to_batches()
        if len(batches) != 1:
            raise ValueError("it holds no sentences")
        batch = _checked(batches[0], PAIRS)
        for side in ("source", "target"):
            ids, text = batch.column(side), batch.column(f"{side}_text")
            tokens = pc.add(pc.count_substring(text, " "), 1)
            if not pc.all(pc.equal(pc.list_value_length(ids), tokens)).as_py():
                raise ValueError(f"{side} and {side}_text differ in numbers of tokens")
            if pc.min(ids.flatten()).as_py() < 0:
                raise ValueError(f"{side} has negative ids")
        return Pairs(
            source=ragged_column(batch.column("source")),
            target=ragged_column(batch.column("target")),
            source_text=batch.column("source_text").to_pylist(),
            target_text=batch.column("target_text").to_pylist(),
        )


class AugmentedCorpus:
    """A candidate file for a corpus; each record batch is one slice."""

    def __init__(self, path: Path, *, targets: Ragged, words: int, config: AugmentConfig) -> None:
        """Open a file that `alpha-dimt augment` wrote.

        Args:
            path: path of the file.
            targets: the N references that the candidates are edits of.
            words: target vocabulary size.
            config: configuration that the candidates must have been drawn with.

        Raises:
            UserError: the file does not exist or is not an Arrow file, holds no slices, or its
                candidates belong to other references or another proposal.
        """
        self._path, self._targets, self._words = path, targets, words
        self._each = config.proposal.candidates
        with _arrow_errors(path, "augment"):
            self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
            if not self._reader.num_record_batches:
                raise ValueError("it holds no candidates")
            metadata = self._reader.schema.metadata or {}
            if metadata.get(REFERENCES.encode()) != targets.digest().encode():
                raise ValueError("its candidates are edits of other references")
            if metadata.get(CONFIG.encode()) != config.fingerprint().encode():
                raise ValueError("its candidates were drawn with another configuration")

    def __len__(self) -> int:
        return int(self._reader.num_record_batches)

    def __getitem__(self, index: int) -> Candidates:
        """Return one slice.

        Raises:
            UserError: the slice is damaged, or its candidates cannot be edits of these references.
        """
        with _arrow_errors(self._path, "augment"):
            batch = _checked(self._reader.get_batch(index), EDITS)
            edits = Edits(
                positions=ragged_column(batch.column("positions")),
                tokens=ragged_column(batch.column("tokens")),
                insert_positions=ragged_column(batch.column("insert_positions")),
                insert_tokens=ragged_column(batch.column("insert_tokens")),
                log_q0=batch.column("log_q0").to_numpy(),
            )
            reward = batch.column("reward").to_numpy()
            self._check(edits, reward)
        return Candidates(edits=edits, reward=reward)

    def _check(self, edits: Edits, reward: npt.NDArray[np.float32]) -> None:
        """Check that candidates can be edits of these references; raise ValueError if not."""
        if len(edits) != self._each * len(self._targets):
            raise ValueError(
                f"it has {len(edits):,} candidates a slice, but {len(self._targets):,} references "
                f"with {self._each} each need {self._each * len(self._targets):,}"
            )
        ends = np.repeat(self._targets.lengths, self._each) + 2
        for positions, tokens, least in (
            (edits.positions, edits.tokens, DELETED),
            (edits.insert_positions, edits.insert_tokens, 0),
        ):
            if not np.array_equal(positions.offsets, tokens.offsets):
                raise ValueError("its positions and tokens differ in number")
            if not _within(positions.values, 0, ends[positions.owner]):
                raise ValueError("its edits are outside the sentences")
            if not _within(tokens.values, least, self._words):
                raise ValueError("its tokens are not in the vocabulary")
        if not (np.isfinite(reward).all() and np.isfinite(edits.log_q0).all()):
            raise ValueError("a reward or log q0 is not finite")


def _within(values: npt.NDArray[np.integer], least: int, end: int | Ints) -> bool:
    return bool(((values >= least) & (values < end)).all())

"""The contract of a translation model: what training and search need of it.

Shapes: B sources, K candidates of each, R = B * K rows, S source steps, T target steps, N predicted
tokens of all rows, V vocabulary size.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from alpha_dimt.kernels import WordScores, Workspace


@dataclass(frozen=True)
class TokenLogProbs:
    """log p of every predicted token, packed, with gradient.

    Attributes:
        log_p: [N].
        row: [N] the row of each token.
        step: [N] the step of each token, from 0.
        rows: R.
        steps: T.
        mean: returns the mean over the vocabulary of log p at every token [N], with gradient, for
            label smoothing; None if the model does not offer it.
    """

    log_p: Tensor
    row: Tensor
    step: Tensor
    rows: int
    steps: int
    mean: Callable[[], Tensor] | None = None

    def per_row(self) -> Tensor:
        """Return log p(y|x) of every row, the sum over its tokens [R]."""
        return self.per_chunk(self.steps)[0]

    def per_chunk(self, size: int) -> Tensor:
        """Return the sums over chunks of `size` steps of every row [C, R]."""
        chunks = -(-self.steps // size)
        if self.log_p.is_cuda:
            # By place, then over steps: the order of sums by `index_add` is not fixed on a GPU.
            table = self.log_p.new_zeros(chunks * size * self.rows)
            table = table.index_copy(0, self.step * self.rows + self.row, self.log_p)
            return table.view(chunks, size, self.rows).sum(dim=1)
        flat = self.log_p.new_zeros(chunks * self.rows)
        flat = flat.index_add(0, self.step // size * self.rows + self.row, self.log_p)
        return flat.view(chunks, self.rows)

    def padded(self) -> tuple[Tensor, Tensor]:
        """Return log p of every token [R, T], 0 at padding, and whether it is a token [R, T]."""
        place = (self.row, self.step)
        log_p = self.log_p.new_zeros(self.rows, self.steps).index_put(place, self.log_p)
        real = torch.zeros_like(log_p, dtype=torch.bool)
        real[place] = True
        return log_p, real


class DecoderOutputs(NamedTuple):
    """What an output layer reads, packed.

    Attributes:
        x: [N', H], perhaps with padding behind the N tokens.
        words: [N'] the token at each place.
        row: [N] the row of each token.
        step: [N] the step of each token, from 0.
    """

    x: Tensor
    words: Tensor
    row: Tensor
    step: Tensor


@dataclass(frozen=True)
class TokenStates:
    """What the output layer reads at every predicted token, and that layer.

    Objectives that need more than log p of the tokens begin here: those with a critic, which weight
    all words, and MIXER, which reads the states.

    Attributes:
        logits: of all words at every token, with gradient.
        words: [N] the tokens.
        row: [N] the row of each token.
        step: [N] the step of each token, from 0.
        rows: R.
        steps: T.
    """

    logits: WordScores
    words: Tensor
    row: Tensor
    step: Tensor
    rows: int
    steps: int

    def log_p(self) -> Tensor:
        """Return log p of every token [N], with gradient."""
        return self.logits.log_softmax_of(self.words)

    def table(self, values: Tensor) -> Tensor:
        """Return values of the tokens [N] as [R, T], with 0 at padding."""
        table = values.new_zeros(self.rows * self.steps)
        table = table.index_copy(0, self.row * self.steps + self.step, values)
        return table.view(self.rows, self.steps)


def mean_log_softmax(logits: Tensor) -> Tensor:
    """Return the mean over the vocabulary of log softmax of logits [N, V]."""
    return logits.log_softmax(dim=1).mean(dim=1)


class Step(NamedTuple):
    """The next-token distribution of R rows.

    Attributes:
        logits: [R, V] unnormalised log-probabilities. The caller may overwrite them, and the next
            step does.
        attention: [R, S] over the source, or None for a model without attention.
        state: the state after the step.
    """

    logits: Tensor
    attention: Tensor | None
    state: Any


class TranslationModel(nn.Module, ABC):
    """An autoregressive model p(y|x), from its options and the sizes of two vocabularies.

    What `encode` and `start` return is the model's own: callers hand it back unread.
    """

    attends: ClassVar[bool] = True
    """Whether `step` returns attention, which replaces unknown words and is shown in the report."""

    state_size: int | None = None
    """H of `token_states`; None if the model does not offer it."""

    compute_dtype: torch.dtype = torch.float32
    """The type of matrix products; parameters keep theirs."""

    def __init__(self) -> None:
        """Make a workspace; networks add their parameters."""
        super().__init__()
        self.workspace = Workspace()

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @property
    def product_dtype(self) -> torch.dtype:
        """The type of matrix products: a model in float64 multiplies in float64."""
        wide = next(self.parameters()).dtype
        return wide if wide == torch.float64 else self.compute_dtype

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Fill all parameters with their first values."""

    @abstractmethod
    def encode(self, source: Tensor, lengths: Tensor) -> Any:
        """Encode padded sources.

        Args:
            source: [B, S] ids.
            lengths: [B] tokens of each source, at least 1; on the CPU.
        """

    @abstractmethod
    def token_log_probs(
        self, encoded: Any, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> TokenLogProbs:
        """Return log p of every token of every candidate, with gradient.

        Args:
            encoded: B sources.
            target: [R, T + 1] framed candidates `<s> ... </s>`, padded; the K rows of a source are
                adjacent.
            lengths: [R] predicted tokens (everything after the first), at least 1; on the CPU.
            inputs: [R, T] what the decoder reads instead of the candidates' own tokens.
        """

    def token_states(self, encoded: Any, target: Tensor, lengths: Tensor) -> TokenStates:
        """Return the states and logits of every token of every candidate, with gradient.

        Optional: objectives with a critic and MIXER need it. Arguments as of `token_log_probs`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no token_states")

    @abstractmethod
    def start(self, encoded: Any) -> Any:
        """Return the state before the first target token, one row a source."""

    @abstractmethod
    def step(self, state: Any, previous: Tensor) -> Step:
        """Advance every row by one token, without gradient or dropout.

        Args:
            state: R rows.
            previous: [R] the token before.
        """

    @abstractmethod
    def select(self, state: Any, rows: Tensor, sources: Tensor | None = None) -> Any:
        """Return the state of some rows.

        Args:
            state: B sources with equally many rows each; the rows of a source are adjacent.
            rows: [R'] the rows to take, in this order; a row may be taken several times.
            sources: [B'] the sources to take, in this order; None: all. Each has R' / B' of the
                new rows, taken from its own.
        """


@torch.no_grad()
def fill_uniformly(network: nn.Module, bound: float, generator: torch.Generator) -> None:
    """Fill all parameters uniformly from [-bound, bound]."""
    for parameter in network.parameters():
        # In row-major order, in whatever order a parameter is kept.
        values = torch.empty_like(parameter, memory_format=torch.contiguous_format)
        parameter.copy_(values.uniform_(-bound, bound, generator=generator))

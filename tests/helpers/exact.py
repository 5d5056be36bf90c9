"""A model so small that all sequences can be enumerated: exact p, q, divergences, gradients.

The model is a real one in float64, the paper's or a Transformer. Its sequences are all of at most
`LONGEST` tokens, any token but </s> (the softmax gives the other specials probability too). A
sequence of `LONGEST` tokens ends for certain: the factor of its </s> is left out, so p sums to one.

Shapes: B sources, N sequences, P parameters. Equations are those of the paper; each takes its sum
over x (the B sources), as the paper does.
"""

import itertools
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from alpha_dimt.config.models import AttentionRnnConfig, ModelConfig, TransformerConfig
from alpha_dimt.core.vocabulary import BOS, EOS, PAD, SPECIALS
from alpha_dimt.models.base import fill_uniformly
from alpha_dimt.models.build import build_model

LONGEST = 3
WORDS = 3
VOCAB = len(SPECIALS) + WORDS
SOURCES = ((4, 5, 6), (5, 4))
REFERENCES = ((4, 6, 5), (6, 6))
TAU = 0.7


def every_sequence() -> list[tuple[int, ...]]:
    """Return all N sequences of at most LONGEST tokens, without </s>."""
    tokens = [token for token in range(VOCAB) if token != EOS]
    return [y for m in range(LONGEST + 1) for y in itertools.product(tokens, repeat=m)]


def edit_distance(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Return the Levenshtein distance by plain recursion."""
    if not a or not b:
        return len(a) + len(b)
    return min(
        edit_distance(a[1:], b) + 1,
        edit_distance(a, b[1:]) + 1,
        edit_distance(a[1:], b[1:]) + (a[0] != b[0]),
    )


ATTENTION_RNN = AttentionRnnConfig(embedding=4, hidden=6, dropout=0.0)
TRANSFORMER = TransformerConfig(
    kind="transformer", layers=1, units=4, heads=2, inner=6, dropout=0.0
)


class Exact:
    """The tiny model and its enumerated sequences.

    Attributes:
        options: of the model.
        model: parameters uniform in [-bound, bound], so that p is far from uniform.
        sequences: the N sequences.
        reward: [B, N] minus the edit distance from each source's reference.
        lengths: [B, N] number of predicted tokens, as passed to the model.
        reference: [B, N] whether the sequence is the reference.
    """

    def __init__(self, options: ModelConfig = ATTENTION_RNN) -> None:
        """Make the model."""
        self.options = options
        self.model = build_model(options, source_vocab_size=VOCAB, target_vocab_size=VOCAB).double()
        bound = 2.0 if options is ATTENTION_RNN else 1.5
        fill_uniformly(self.model, bound, torch.Generator().manual_seed(1))
        self.sequences = every_sequence()
        self.reward = torch.tensor(
            [[-edit_distance(y, best) for y in self.sequences] for best in REFERENCES],
            dtype=torch.float64,
        )
        self.reference = torch.tensor([[y == best for y in self.sequences] for best in REFERENCES])
        self._predicted = torch.tensor([min(len(y) + 1, LONGEST) for y in self.sequences])
        self.lengths = self._predicted.expand(len(SOURCES), -1)
        self._target = torch.tensor(
            [(BOS, *y, EOS) + (PAD,) * (LONGEST - len(y)) for y in self.sequences]
        )

    def log_p(self) -> Tensor:
        """Return log p of every sequence given every source, [B, N], with a new graph.

        Each graph serves one `backward` or `gradient`.
        """
        return torch.cat([self._log_p(source, slice(None)) for source in SOURCES])

    def _log_p(self, source: tuple[int, ...], rows: slice) -> Tensor:
        """Return log p of some sequences given one source, [1, rows]."""
        encoded = self.model.encode(torch.tensor([source]), torch.tensor([len(source)]))
        tokens = self.model.token_log_probs(encoded, self._target[rows], self._predicted[rows])
        return tokens.per_row()[None]

    def gradient(self, loss: Tensor) -> Tensor:
        """Return the gradient of a scalar with respect to every parameter, [P]."""
        parts = torch.autograd.grad(loss, list(self.model.parameters()))
        return torch.cat([part.to_dense().flatten() for part in parts])

    def weighted_gradient(self, weights: Tensor) -> Tensor:
        """Return sum over x, y of weights(x, y) times the gradient of log p(y given x), [P].

        Args:
            weights: [B, N]; detached from any graph.
        """
        return self.gradient((weights.detach() * self.log_p()).sum())

    @cached_property
    def scores(self) -> Tensor:
        """[B, N, P] gradient of each log p(y given x), which estimators average."""
        rows = [
            self.gradient(self._log_p(source, slice(n, n + 1)).sum())
            for source in SOURCES
            for n in range(len(self.sequences))
        ]
        return torch.stack(rows).view(*self.reward.shape, -1)


def log_q(reward: Tensor, tau: float) -> Tensor:
    """Return log q, proportional to exp(r / tau), [B, N]."""
    return (reward / tau).log_softmax(dim=1)


def log_partition(reward: Tensor, tau: float) -> Tensor:
    """Return ln of q's normaliser, the sum of exp(r / tau), [B]."""
    return (reward / tau).logsumexp(dim=1)


def ml(log_p: Tensor, reference: Tensor) -> Tensor:
    """Eq. 1 with one reference per source."""
    return -log_p[reference].sum()


def expected_reward(log_p: Tensor, reward: Tensor) -> Tensor:
    """Eq. 2: minus the expected reward."""
    return -(log_p.exp() * reward).sum()


def entropy_regularised(log_p: Tensor, reward: Tensor, tau: float) -> Tensor:
    """Eq. 3."""
    entropy = -(log_p.exp() * log_p).sum()
    return -tau * entropy + expected_reward(log_p, reward)


def raml(log_p: Tensor, reward: Tensor, tau: float) -> Tensor:
    """Eq. 4."""
    return -(log_q(reward, tau).exp() * log_p).sum()


def divergence(log_p: Tensor, log_q: Tensor, alpha: float) -> Tensor:
    """Eq. 5: the alpha-divergence of p and q, [B]."""
    overlap = (alpha * log_p + (1 - alpha) * log_q).exp().sum(dim=1)
    return (1 - overlap) / (alpha * (1 - alpha))


def generalised_log(log_x: Tensor, alpha: float) -> Tensor:
    """Return log^(alpha)(x) of Eq. 6, given ln x."""
    return torch.expm1((1 - alpha) * log_x) / (1 - alpha)


def divergence_by_log(log_p: Tensor, log_q: Tensor, alpha: float) -> Tensor:
    """Eq. 6: the same by the generalised logarithm, [B]."""
    return -(log_p.exp() * generalised_log(log_q - log_p, alpha)).sum(dim=1) / alpha


def kl(log_a: Tensor, log_b: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence KL(a || b), [B]."""
    return (log_a.exp() * (log_a - log_b)).sum(dim=1)


def objective(log_p: Tensor, reward: Tensor, alpha: float, tau: float) -> Tensor:
    """Eq. 8 (Eq. 7 by Eq. 6)."""
    return tau * divergence_by_log(log_p, log_q(reward, tau), alpha).sum()


def mixed_weights(log_p: Tensor, reward: Tensor, alpha: float, tau: float) -> Tensor:
    """Eq. 14: the weights of Eq. 13, [B, N]."""
    return tau / (1 - alpha) * (alpha * log_p + (1 - alpha) * log_q(reward, tau)).exp()


def normalised_weights(
    log_p: Tensor, reward: Tensor, alpha: float, tau: float, support: Tensor | None = None
) -> Tensor:
    """Return p-tilde of Eq. 15: the weights of Eq. 14, summing to one for each source, [B, N].

    Args:
        log_p: [B, N].
        reward: [B, N].
        alpha: 0 to 1.
        tau: temperature.
        support: [B, N] the sequences that a proposal can draw; all the others get 0.
    """
    log_w = alpha * log_p + (1 - alpha) * reward / tau
    if support is not None:
        log_w = log_w.masked_fill(~support, -torch.inf)
    return log_w.softmax(dim=1)


def relative(actual: Tensor, expected: Tensor) -> float:
    """Return the distance of two gradients, relative to the norm of the expected one."""
    return ((actual - expected).norm() / expected.norm()).item()


def rate(error: Callable[[float], float], start: float, halvings: int = 4) -> float:
    """Return the power of its parameter with which an error falls: 1 if halving halves it.

    Args:
        error: returns the error at a value of the parameter.
        start: largest value.
        halvings: number of times to halve the parameter.
    """
    values = [start / 2**i for i in range(halvings + 1)]
    x = torch.tensor(values, dtype=torch.float64).log()
    y = torch.tensor([error(value) for value in values], dtype=torch.float64).log()
    x, y = x - x.mean(), y - y.mean()
    return ((x * y).sum() / (x * x).sum()).item()

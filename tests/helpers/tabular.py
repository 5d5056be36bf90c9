"""A model and a critic that are tables, so that every sentence can be listed."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from alpha_dimt.objectives.critics import Steps, Weigh, baselines, returns

WORDS, END, STEPS = 4, 3, 3
"""Words 0 to 2 and the end; sentences are cut after 3 tokens."""

Prefix = tuple[int, ...]


def prefixes() -> list[Prefix]:
    """List the prefixes that can be continued."""
    return [y for n in range(STEPS) for y in itertools.product(range(END), repeat=n)]


def sentences() -> list[Prefix]:
    """List the sentences: ended, or cut."""
    ended = [(*y, END) for y in prefixes()]
    return [*ended, *itertools.product(range(END), repeat=STEPS)]


@dataclass
class Table:
    """A distribution over the next token, one row a prefix.

    Attributes:
        logits: [P, WORDS], with gradient.
        scores: score of each prefix of a sentence, and of each sentence.
    """

    logits: Tensor
    scores: dict[Prefix, float] = field(default_factory=dict)
    order: dict[Prefix, int] = field(default_factory=dict)

    @classmethod
    def random(cls, seed: int) -> "Table":
        generator = torch.Generator().manual_seed(seed)
        order = {prefix: row for row, prefix in enumerate(prefixes())}
        logits = torch.randn(len(order), WORDS, generator=generator, dtype=torch.float64)
        scores = {(): 0.0}
        for y in [*prefixes()[1:], *itertools.product(range(END), repeat=STEPS)]:
            scores[y] = torch.rand((), generator=generator, dtype=torch.float64).item()
        return cls(logits.requires_grad_(), scores, order)

    def log_p(self) -> Tensor:
        return self.logits.log_softmax(dim=1)

    def sentence_log_p(self, y: Prefix) -> Tensor:
        log_p = self.log_p()
        return torch.stack([log_p[self.order[y[:t]], a] for t, a in enumerate(y)]).sum()

    def rewards(self, y: Prefix, *, shaped: bool = True) -> Tensor:
        """Return the reward of each token; the end has none."""
        words = tuple(a for a in y if a != END)
        if shaped:
            found = [
                self.scores[words[: t + 1]] - self.scores[words[:t]] for t in range(len(words))
            ]
            found += [0.0] * (len(y) - len(words))
        else:
            found = [0.0] * (len(y) - 1) + [self.scores[words]]
        return torch.tensor(found, dtype=torch.float64)

    def exact_values(self) -> Tensor:
        """Return Q of every prefix and token [P, WORDS], by backward recursion."""
        log_p = self.log_p().detach()
        values = torch.zeros_like(log_p)
        for prefix in reversed(prefixes()):
            for a in range(WORDS):
                if a == END:
                    continue
                after = (*prefix, a)
                values[self.order[prefix], a] = self.scores[after] - self.scores[prefix]
                if len(after) < STEPS:
                    row = self.order[after]
                    values[self.order[prefix], a] += (log_p[row].exp() * values[row]).sum()
        return values

    def steps(self, y: Prefix, values: Tensor, *, shaped: bool = True) -> Steps:
        """Return one sentence as a loss takes it, with a critic's values [P, WORDS]."""
        rows = torch.tensor([self.order[y[:t]] for t in range(len(y))])
        words, log_p, q = torch.tensor(y), self.log_p()[rows], values[rows]
        rewards = self.rewards(y, shaped=shaped)[None]
        drawn = q.gather(1, words[:, None])[None, :, 0]
        first = (log_p[0].detach().exp() * q[0]).sum()[None]

        def weighted(weigh: Weigh) -> tuple[Tensor, dict[str, Tensor]]:
            weights, figures = weigh(log_p.detach(), log_p.detach().exp(), q)
            means = {name: figure.mean() for name, figure in figures.items()}
            return (weights * log_p).sum(), means

        return Steps(
            log_p=lambda: log_p.gather(1, words[:, None])[:, 0],
            weighted=weighted,
            returns=returns(rewards)[0],
            baseline=baselines(drawn, rewards, first)[0],
            rows=1,
        )

    def expected_gradient(self, loss: Callable[[Prefix], Tensor]) -> Tensor:
        """Return the gradient of a loss, averaged over all sentences by their probability."""
        total = torch.zeros_like(self.logits)
        for p, y in self.weighted():
            total += p * torch.autograd.grad(loss(y), self.logits)[0]
        return total

    def weighted(self) -> Iterator[tuple[float, Prefix]]:
        for y in sentences():
            yield self.sentence_log_p(y).exp().item(), y

    def score_gradient(self) -> Tensor:
        """Return the gradient of the expected score."""
        expected = torch.stack(
            [
                self.sentence_log_p(y).exp() * self.scores[tuple(a for a in y if a != END)]
                for y in sentences()
            ]
        ).sum()
        return torch.autograd.grad(expected, self.logits)[0]

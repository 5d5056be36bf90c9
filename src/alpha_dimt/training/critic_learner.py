"""The learner for objectives with a critic (Bahdanau et al., 2017).

First the critic is trained alone on samples of the model, then both together. Delayed copies of the
critic and, but for RF-C, of the model say what the critic should have expected; without them it
would chase its own tail. Samples come from the delayed model where there is one.

Shapes: B sources, K samples of each, R = B * K, T steps, N tokens of all samples.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from alpha_dimt.config.critics import CriticConfig, ReinforceCriticConfig
from alpha_dimt.config.optimisers import AdamWConfig
from alpha_dimt.config.schedules import Moment
from alpha_dimt.core.vocabulary import PAD
from alpha_dimt.data.batching import Batch
from alpha_dimt.kernels import expectations, send, weighted_log_p
from alpha_dimt.models.base import TokenStates, TranslationModel
from alpha_dimt.models.critic import Critic
from alpha_dimt.objectives.critics import (
    CriticObjective,
    Steps,
    baselines,
    critic_loss,
    explained_variance,
    returns,
    td_targets,
)
from alpha_dimt.training.learner import Setup, Update, require_token_states
from alpha_dimt.training.optimisers import AdamW, Optimiser, build_optimiser
from alpha_dimt.training.word_samples import draw


@dataclass
class CriticLearner:
    """Trains a model and a critic on samples.

    Attributes:
        model: the model.
        critic: the critic.
        delayed: delayed copy of the model; None: the model itself.
        delayed_critic: delayed copy of the critic.
        options: of the objective.
        objective: returns the model's loss at a moment of the training.
        optimiser: of the model.
        critic_optimiser: of the critic.
        device: of all networks.
    """

    model: TranslationModel
    critic: Critic
    delayed: TranslationModel | None
    delayed_critic: Critic
    options: CriticConfig
    objective: Callable[[Moment], CriticObjective]
    optimiser: Optimiser
    critic_optimiser: Optimiser
    device: torch.device

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """All networks; see `Learner`."""
        networks = {
            "model": self.model,
            "critic": self.critic,
            "delayed_critic": self.delayed_critic,
        }
        return networks if self.delayed is None else {**networks, "delayed_model": self.delayed}

    @property
    def optimisers(self) -> Mapping[str, Optimiser]:
        """Both optimisers; see `Learner`."""
        return {"model": self.optimiser, "critic": self.critic_optimiser}

    def begin(self, generator: torch.Generator) -> None:
        """Fill the critic with random weights, and the copies; see `Learner`."""
        self.critic.initialise(generator)
        copy_weights(self.delayed_critic, self.critic)
        if self.delayed is not None:
            copy_weights(self.delayed, self.model)

    def trains_model(self, epoch: int) -> bool:
        """Return whether the critic is not alone in an epoch; see `Learner`."""
        return epoch > self.options.critic_epochs

    def update(
        self, batch: Batch, at: Moment, *, step: int, learning_rate: float, diverged: Tensor
    ) -> Update:
        """Make one update; see `Learner`."""
        joint, options = self.trains_model(at.epoch), self.options
        seen = self._look(batch, joint)
        judged = self._judge(seen)
        loss, metrics = judged.loss, judged.figures
        if joint:
            weighted = self.objective(at)(judged.steps)
            likelihood = -self.model.token_log_probs(*seen.likelihood).log_p.sum() / len(batch.rows)
            loss = loss + weighted.value + options.ml_weight * likelihood
            metrics |= weighted.diagnostics | {"likelihood_loss": likelihood.detach()}
        loss.backward()  # type: ignore[no-untyped-call]
        metrics["train_loss"] = loss.detach()
        diverged = diverged | ~loss.detach().isfinite()
        rate = options.critic_joint_learning_rate if joint else options.critic_learning_rate
        norm = self.critic_optimiser.step(
            self.critic.parameters(), learning_rate=rate, unless=diverged
        )
        metrics["critic_gradient_norm"] = norm
        diverged = diverged | ~norm.isfinite()
        if joint:
            norm = self.optimiser.step(
                self.model.parameters(), learning_rate=learning_rate, unless=diverged
            )
            metrics["gradient_norm"] = norm
            diverged = diverged | ~norm.isfinite()
            if self.delayed is not None:
                move_towards(self.delayed, self.model, options.delay, unless=diverged)
        move_towards(self.delayed_critic, self.critic, options.delay, unless=diverged)
        return Update(metrics, diverged)

    def _look(self, batch: Batch, joint: bool) -> "Seen":
        """Draw samples, and let the model and its delayed copy read them.

        While the critic is alone, both have the same weights, and one of them reads for both.
        """
        (source,) = send([torch.from_numpy(batch.source)], self.device)
        source_lengths = torch.from_numpy(batch.source_lengths)
        self.model.train(joint)
        sampler, encoded = self.model, None
        if joint or self.delayed is None:
            with torch.set_grad_enabled(joint):
                encoded = self.model.encode(source, source_lengths)
        encoded_there = encoded
        if self.delayed is not None:
            sampler = self.delayed.eval()
            with torch.no_grad():
                encoded_there = sampler.encode(source, source_lengths)
        drawn = draw(
            sampler,
            encoded_there,
            batch,
            self.device,
            samples=self.options.samples,
            reward=self.options.reward,
        )
        arrays = (drawn.target, drawn.rewards.astype(np.float32), drawn.lengths, batch.target)
        target, rewards, ends, framed = send([*map(torch.from_numpy, arrays)], self.device)
        lengths = torch.from_numpy(drawn.lengths)
        tokens = tokens_there = None
        if joint or self.delayed is None:
            with torch.set_grad_enabled(joint):
                tokens = self.model.token_states(encoded, target, lengths)
        if self.delayed is not None:
            with torch.no_grad():
                # Both models have their tokens in the same order.
                tokens_there = self.delayed.token_states(encoded_there, target, lengths)
        self.model.train()
        tokens, tokens_there = tokens or tokens_there, tokens_there or tokens
        assert tokens is not None
        assert tokens_there is not None
        return Seen(
            tokens=tokens,
            tokens_there=tokens_there,
            rewards=rewards.to(tokens.logits.x.dtype),
            ends=ends,
            read=(framed[:, 1:], torch.from_numpy(batch.target_lengths), target, lengths),
            likelihood=(encoded, framed, torch.from_numpy(batch.target_lengths)),
        )

    def _judge(self, seen: "Seen") -> "Judged":
        """Return the critic's loss, and what it says of the samples."""
        tokens, rewards, there = seen.tokens, seen.rewards, seen.tokens_there
        place, words, rows = (tokens.row, tokens.step), tokens.words, tokens.rows
        values = self.critic.values(*seen.read, place)
        with torch.no_grad():
            delayed = self.delayed_critic.values(*seen.read, place)
        expected, log_p = expectations(there.logits, delayed, words)
        targets = td_targets(rewards, tokens.table(expected), seen.ends)[place]
        of_words, fixed = values.of(words), values.detach()
        penalty = self.options.penalty
        loss = critic_loss(of_words, targets, values.spread(), penalty=penalty) / rows
        found = of_words.detach()
        # Sorted by step, the tokens of the first step come first.
        at_first = tokens.step.argsort(stable=True)[:rows]
        first, _ = expectations(there.logits.at(at_first), fixed.at(at_first), words[at_first])
        first = torch.zeros_like(first).index_copy(0, tokens.row[at_first], first)
        baseline = baselines(tokens.table(found), rewards, first)[place]
        returned = returns(rewards)[place]
        # With <s>, which a reference has lost here.
        lengths = 1 + (seen.read[0] != PAD).sum(dim=1).repeat_interleave(rows // len(seen.read[0]))
        return Judged(
            loss=loss,
            steps=Steps(
                log_p=tokens.log_p,
                weighted=partial(weighted_log_p, tokens.logits, fixed),
                returns=returned,
                baseline=baseline,
                rows=rows,
            ),
            figures={
                "critic_loss": loss.detach(),
                "td_error": (found - targets).abs().mean(),
                "explained_variance": explained_variance(returned, baseline),
                "mean_value": found.mean(),
                "mean_reward": (rewards.sum(dim=1) / lengths).mean(),
                "tokens": seen.ends.sum(),
                "log_p": log_p.sum(),
            },
        )


@dataclass(frozen=True)
class Seen:
    """Samples as the model and its delayed copy read them.

    Attributes:
        tokens: the tokens, with gradient if the model is trained.
        tokens_there: the same tokens as read by the model that they were drawn from.
        rewards: [R, T].
        ends: [R] lengths, on the device.
        read: references with </s>, their lengths, framed samples and theirs, as `Critic.values`
            takes them.
        likelihood: encoded sources, framed references and their lengths, as the model takes them.
    """

    tokens: TokenStates
    tokens_there: TokenStates
    rewards: Tensor
    ends: Tensor
    read: tuple[Tensor, Tensor, Tensor, Tensor]
    likelihood: tuple[Any, Tensor, Tensor]


@dataclass(frozen=True)
class Judged:
    """What the critic says of samples.

    Attributes:
        loss: its own loss, with gradient.
        steps: the samples, as the model's loss takes them.
        figures: what is logged of both. `mean_reward` is the score of the samples, and minus
            `log_p` over `tokens` an estimate of the entropy of the model that drew them.
    """

    loss: Tensor
    steps: Steps
    figures: dict[str, Tensor]


def build(setup: Setup) -> CriticLearner:
    """Return the learner of a system whose objective has a critic.

    Raises:
        UserError: the model has no `token_states`.
    """
    require_token_states(setup.model)
    options = cast(CriticConfig, setup.config.objective)
    critics = [
        Critic(options.critic, vocab_size=setup.words, device=setup.device) for _ in range(2)
    ]
    for critic in critics:
        critic.network.compute_dtype = setup.model.compute_dtype
    clip = setup.config.training.clip_norm
    learner = CriticLearner(
        model=setup.model,
        critic=critics[0],
        delayed=None if isinstance(options, ReinforceCriticConfig) else deepcopy(setup.model),
        delayed_critic=critics[1],
        options=options,
        objective=cast(Callable[[Moment], CriticObjective], setup.bound.objective),
        optimiser=build_optimiser(setup.config.training),
        critic_optimiser=AdamW(AdamWConfig(kind="adamw", beta2=0.999, epsilon=1e-6), clip),
        device=setup.device,
    )
    for copy in (learner.delayed, learner.delayed_critic):
        if copy is not None:
            copy.requires_grad_(False)
    return learner


def copy_weights(copy: nn.Module, network: nn.Module) -> None:
    """Fill a copy with the weights of its network."""
    there = copy.state_dict()
    for name, value in network.state_dict().items():
        there[name].copy_(value)


def move_towards(copy: nn.Module, network: nn.Module, rate: float, *, unless: Tensor) -> None:
    """Move the parameters of a copy towards those of its network, unless a scalar is true."""
    with torch.no_grad():
        there: list[Tensor] = list(copy.parameters())
        here: list[Tensor] = list(network.parameters())
        steps = torch._foreach_sub(here, there)
        torch._foreach_mul_(steps, (~unless).to(here[0].dtype) * rate)  # 0 if it is
        torch._foreach_add_(there, steps)

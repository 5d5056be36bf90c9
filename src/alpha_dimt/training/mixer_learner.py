"""The learner of MIXER (Ranzato et al., 2016), on whole sentences.

Samples begin with words of the reference, fewer and fewer as training proceeds. The original cuts
all its sentences, also those it is tested on, to 25 words; here none is cut.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from alpha_dimt.config.critics import MixerConfig
from alpha_dimt.config.optimisers import AdamWConfig
from alpha_dimt.config.schedules import Moment
from alpha_dimt.core.vocabulary import PAD
from alpha_dimt.data.batching import Batch
from alpha_dimt.kernels import send
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.objectives.critics import explained_variance
from alpha_dimt.training.learner import Setup, Update, require_token_states
from alpha_dimt.training.optimisers import AdamW, Optimiser, build_optimiser
from alpha_dimt.training.word_samples import draw


class Baseline(nn.Module):
    """A linear function of the decoder's state, which expects the score of the sentence."""

    def __init__(self, size: int) -> None:
        """Make the parameters and fill them as the authors do.

        Args:
            size: H, units of the states.
        """
        super().__init__()
        self.linear = nn.Linear(size, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, 0.01)

    def forward(self, states: Tensor) -> Tensor:
        """Return what is expected at each token [N] from states [N, H]."""
        found: Tensor = self.linear(states)[:, 0]
        return found


@dataclass
class MixerLearner:
    """Trains a model on sentences that begin with reference words and end with sampled ones.

    Attributes:
        model: the model.
        baseline: expects the score of a sentence from the state at a word.
        options: of the objective.
        objective: returns the model's loss at a moment of the training.
        optimiser: of the model.
        baseline_optimiser: of the baseline.
        device: of both networks.
    """

    model: TranslationModel
    baseline: Baseline
    options: MixerConfig
    objective: Callable[[Moment], Callable[..., Tensor]]
    optimiser: Optimiser
    baseline_optimiser: Optimiser
    device: torch.device

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Both networks; see `Learner`."""
        return {"model": self.model, "baseline": self.baseline}

    @property
    def optimisers(self) -> Mapping[str, Optimiser]:
        """Both optimisers; see `Learner`."""
        return {"model": self.optimiser, "baseline": self.baseline_optimiser}

    def begin(self, generator: torch.Generator) -> None:
        """Do nothing: the baseline begins with fixed weights; see `Learner`."""

    def trains_model(self, epoch: int) -> bool:
        """Return that every epoch does; see `Learner`."""
        return True

    def update(
        self, batch: Batch, at: Moment, *, step: int, learning_rate: float, diverged: Tensor
    ) -> Update:
        """Make one update; see `Learner`."""
        options, words = self.options, self.options.gold_at(at.epoch)
        (source,) = send([torch.from_numpy(batch.source)], self.device)
        encoded = self.model.encode(source, torch.from_numpy(batch.source_lengths))
        drawn = draw(
            self.model,
            encoded,
            batch,
            self.device,
            samples=options.samples,
            reward=options.reward,
            gold=words,
        )
        framed = (batch.target != PAD).sum(axis=1).repeat(options.samples)
        score = (drawn.rewards.sum(axis=1) / framed).astype(np.float32)
        arrays = (drawn.target, score, drawn.lengths)
        target, scores, ends = send([*map(torch.from_numpy, arrays)], self.device)
        tokens = self.model.token_states(encoded, target, torch.from_numpy(drawn.lengths))
        log_p, states = tokens.log_p(), tokens.logits.x.detach()
        gold, found = tokens.step < words, scores[tokens.row].to(log_p.dtype)
        expected = self.baseline(states)
        objective = self.objective(at)
        loss = objective(log_p, gold, found, expected.detach(), rows=len(target))
        errors = (found - expected).square().masked_fill(gold, 0.0).sum() / len(target)
        (loss + errors).backward()
        diverged = diverged | ~(loss.detach() + errors.detach()).isfinite()
        norm = self.optimiser.step(
            self.model.parameters(), learning_rate=learning_rate, unless=diverged
        )
        self.baseline_optimiser.step(
            self.baseline.parameters(),
            learning_rate=options.baseline_learning_rate,
            unless=diverged,
        )
        metrics = {
            "train_loss": loss.detach(),
            "gradient_norm": norm,
            "mean_reward": scores.mean(),
            "gold_share": gold.double().mean(),
            "baseline_loss": errors.detach(),
            "explained_variance": explained_variance(found, expected.detach()),
            "tokens": ends.sum(),
            "log_p": log_p.detach().sum(),
        }
        return Update(metrics, diverged | ~norm.isfinite())


def build(setup: Setup) -> MixerLearner:
    """Return the learner of a system with `objective: mixer`.

    Raises:
        UserError: the model has no `token_states`.
    """
    units = require_token_states(setup.model)
    clip = setup.config.training.clip_norm
    return MixerLearner(
        model=setup.model,
        baseline=Baseline(units),
        options=cast(MixerConfig, setup.config.objective),
        objective=cast(Callable[[Moment], Callable[..., Tensor]], setup.bound.objective),
        optimiser=build_optimiser(setup.config.training),
        baseline_optimiser=AdamW(AdamWConfig(kind="adamw", beta2=0.999, epsilon=1e-6), clip),
        device=setup.device,
    )

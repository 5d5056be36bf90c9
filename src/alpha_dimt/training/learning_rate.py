"""The schedule of the learning rate over the epochs, and the stop rule."""

import math
from dataclasses import dataclass, replace

from alpha_dimt.config.training import TrainingConfig


@dataclass(frozen=True)
class DevDecay:
    """Dev-decay (Wilson et al., 2017) as the authors ran it, extended to epochs with a BLEU of 0.

    While BLEU is 0 it cannot rank epochs, so the likelihood of the validation data decides. From
    the first BLEU above 0 on, only BLEU decides, as in the authors' code.

    Attributes:
        learning_rate: learning rate of the next epoch, before the factors of its updates.
        best: highest greedy BLEU on the validation data so far.
        best_nll: lowest negative log-likelihood per token while `best` is 0; None if unknown.
        best_epoch: best epoch so far; 0 before the first.
        epoch: number of finished epochs.
        decays: number of epochs without a new best so far.
    """

    learning_rate: float
    best: float = 0.0
    best_nll: float | None = None
    best_epoch: int = 0
    epoch: int = 0
    decays: int = 0

    def after(
        self, bleu: float, nll: float, recipe: TrainingConfig, *, held: bool = False
    ) -> "DevDecay":
        """Return the state after one more epoch.

        Args:
            bleu: greedy BLEU on the validation data.
            nll: negative log-likelihood per token of its references.
            recipe: decay and minimum of the learning rate.
            held: whether the model stayed as it was: the epoch is then as good as the best, and
                the learning rate stays.
        """
        epoch = self.epoch + 1
        if held and self.best_epoch:
            return replace(self, best_epoch=epoch, epoch=epoch)
        if bleu > self.best:
            return replace(self, best=bleu, best_nll=None, best_epoch=epoch, epoch=epoch)
        if self.by_likelihood and (self.best_nll is None or nll < self.best_nll):
            known = nll if math.isfinite(nll) else None
            return replace(self, best_nll=known, best_epoch=epoch, epoch=epoch)
        rate = self.learning_rate
        if recipe.schedule.decays:
            rate = max(rate * recipe.decay, recipe.min_learning_rate)
        return replace(self, learning_rate=rate, epoch=epoch, decays=self.decays + 1)

    @property
    def by_likelihood(self) -> bool:
        """Whether no epoch has reached a BLEU above 0, so that the likelihood selects the best."""
        return self.best == 0

    def stopped(self, recipe: TrainingConfig) -> str | None:
        """Return why training is over, or None."""
        if self.epoch > recipe.min_epochs and self.epoch - self.best_epoch >= recipe.patience:
            return "patience"
        return "max_epochs" if self.epoch >= recipe.max_epochs else None

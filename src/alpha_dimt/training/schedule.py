"""The learning rate after each epoch, and when to stop."""

from dataclasses import dataclass, replace

from alpha_dimt.config import Training


@dataclass(frozen=True)
class DevDecay:
    """Dev-decay (Wilson et al., 2017) as the authors ran it.

    Attributes:
        learning_rate: for the next epoch.
        best: highest greedy BLEU on the validation data so far.
        best_epoch: when that was; 0 before the first epoch.
        epoch: epochs done.
    """

    learning_rate: float
    best: float = float("-inf")
    best_epoch: int = 0
    epoch: int = 0

    def after(self, bleu: float, recipe: Training) -> "DevDecay":
        """Return the state after one more epoch that reached this BLEU."""
        epoch = self.epoch + 1
        if bleu > self.best:
            return replace(self, best=bleu, best_epoch=epoch, epoch=epoch)
        rate = max(self.learning_rate * recipe.decay, recipe.min_learning_rate)
        return replace(self, learning_rate=rate, epoch=epoch)

    def stopped(self, recipe: Training) -> str | None:
        """Return why training is over, or None."""
        if self.epoch > recipe.min_epochs and self.epoch - self.best_epoch >= recipe.patience:
            return "patience"
        return "max_epochs" if self.epoch >= recipe.max_epochs else None

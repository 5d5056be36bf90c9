"""The scripts of docs/examples run, and what they train gets better."""

import re
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import MarianMTModel
from transformers.modeling_outputs import BaseModelOutput

from alpha_dimt.config.objectives import AlphaConfig
from alpha_dimt.config.schedules import Moment
from alpha_dimt.data.batching import Batch
from alpha_dimt.library import draw_candidates
from alpha_dimt.models.base import TokenLogProbs, TranslationModel
from alpha_dimt.training.binding import bind
from alpha_dimt.training.candidate_learner import CandidateLearner
from alpha_dimt.training.optimisers import Optimiser


@pytest.mark.parametrize("name", ["own_loop", "hugging_face"])
def test_the_loss_falls(repository: Path, tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, repository / "docs" / "examples" / f"{name}.py"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(repository / "src"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    losses = [float(loss) for loss in re.findall(r"step \d+: loss ([\d.]+)", done.stdout)]
    assert len(losses) >= 4
    assert losses[-1] < 0.92 * losses[0], losses


def test_the_page_computes_a_loss(repository: Path) -> None:
    page = (repository / "docs" / "how-to" / "other_trainers.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found: dict[str, Any] = {}
    exec(compile(code, "other_trainers.md", "exec"), found)
    assert found["logits"].grad.abs().sum() > 0
    assert found["drawn"].target.max() < found["V"]


class Wrapped(TranslationModel):
    """A Marian model by this package's contract, as far as scoring needs it."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def initialise(self, generator: torch.Generator) -> None:
        raise NotImplementedError

    def encode(self, source: Tensor, lengths: Tensor) -> Any:
        mask = (torch.arange(source.shape[1]) < lengths[:, None]).long()
        return self.inner.get_encoder()(source, attention_mask=mask).last_hidden_state, mask

    def token_log_probs(
        self, encoded: Any, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> TokenLogProbs:
        states, mask = (part.repeat_interleave(len(target) // len(part), dim=0) for part in encoded)
        logits = self.inner(
            encoder_outputs=BaseModelOutput(states),
            attention_mask=mask,
            decoder_input_ids=target[:, :-1],
        ).logits
        row, step = (torch.arange(target.shape[1] - 1) < lengths[:, None]).nonzero(as_tuple=True)
        log_p = logits.log_softmax(dim=2)[row, step, target[row, step + 1]]
        return TokenLogProbs(log_p, row, step, len(target), target.shape[1] - 1)

    def start(self, encoded: Any) -> Any:
        raise NotImplementedError

    def step(self, state: Any, previous: Tensor) -> Any:
        raise NotImplementedError

    def select(self, state: Any, rows: Tensor, sources: Tensor | None = None) -> Any:
        raise NotImplementedError


def test_the_gradient_is_that_of_our_own_trainer(repository: Path) -> None:
    """The same model and candidates, through `Seq2SeqTrainer.compute_loss` and our learner."""
    example = runpy.run_path(str(repository / "docs" / "examples" / "hugging_face.py"))
    trainer, config, special = (example[name] for name in ("AlphaTrainer", "CONFIG", "SPECIAL"))
    torch.manual_seed(1)
    model = MarianMTModel(config).double().train()
    sentences = [[5, 6, 7, 8, 9, 10, 0], [11, 12, 13, 0], [14, 15, 16, 17, 18, 0]]
    source, labels = (
        pad_sequence([torch.tensor(row) for row in sentences], True, fill)
        for fill in (special.pad, -100)
    )
    inputs = {"input_ids": source, "attention_mask": (labels >= 0).long(), "labels": labels}
    made = object.__new__(trainer)
    made.rng = np.random.default_rng(3)
    theirs = made.compute_loss(model, inputs)
    theirs.backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()

    drawn = draw_candidates(
        [row[:-1] for row in sentences],
        trainer.proposal,
        k=example["K"],
        rng=np.random.default_rng(3),
        vocab_size=config.vocab_size,
        special=special,
    )
    batch = Batch(
        rows=np.arange(3),
        source=source.numpy(),
        source_lengths=np.array([len(row) for row in sentences]),
        target=drawn.target.numpy(),
        target_lengths=drawn.lengths.numpy(),
        reward=drawn.reward.double().numpy(),
        log_q0=drawn.log_q0.double().numpy(),
        reference=drawn.reference.numpy(),
    )
    objective = AlphaConfig(
        objective="alpha", alpha=0.3, tau=0.5, normalise="source", log_p="mean", log_q0=False
    )

    @dataclass
    class Kept:
        """Keeps gradients instead of making a step."""

        gradients: dict[str, Tensor]

        def step(self, parameters: Any, **options: Any) -> Tensor:
            self.gradients |= {
                name: p.grad for name, p in model.named_parameters() if p.grad is not None
            }
            return torch.ones(())

    kept = Kept({})
    learner = CandidateLearner(
        Wrapped(model), bind(objective), None, cast(Optimiser, kept), torch.device("cpu")
    )
    none = torch.zeros((), dtype=torch.bool)
    update = learner.update(batch, Moment(1, 0), step=0, learning_rate=1.0, diverged=none)
    torch.testing.assert_close(update.metrics["train_loss"], theirs.detach())
    assert kept.gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(kept.gradients[name], gradient, rtol=1e-6, atol=1e-9, msg=name)
    assert max(gradient.abs().max().item() for gradient in expected.values()) > 0.01

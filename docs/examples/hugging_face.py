"""alpha-DiMT in Hugging Face's Seq2SeqTrainer, on a small Marian model with random weights.

With `MarianMTModel.from_pretrained(...)` and its tokeniser, the trainer is the same.
"""

from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from transformers import (
    MarianConfig,
    MarianMTModel,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
)
from transformers.modeling_outputs import BaseModelOutput

from alpha_dimt.config.proposals import UniformEditConfig
from alpha_dimt.library import SpecialIds, draw_candidates
from alpha_dimt.objectives import alpha_divergence

K = 4
# Marian's ids: </s> 0, <unk> 1, and padding last, which the decoder reads first.
CONFIG = MarianConfig(
    vocab_size=60,
    d_model=32,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=4,
    decoder_attention_heads=4,
    encoder_ffn_dim=64,
    decoder_ffn_dim=64,
    max_position_embeddings=32,
    eos_token_id=0,
    pad_token_id=59,
    decoder_start_token_id=59,
    dropout=0.0,
)
SPECIAL = SpecialIds(
    pad=CONFIG.pad_token_id, eos=CONFIG.eos_token_id, start=CONFIG.decoder_start_token_id, unk=1
)


class AlphaTrainer(Seq2SeqTrainer):
    """Trains on candidates of the labels, weighted by alpha-DiMT."""

    rng = np.random.default_rng(1)
    proposal = UniformEditConfig(kind="uniform_edit", max_edit_fraction=0.5)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, **options: Any
    ) -> Any:
        """Return the loss of a batch."""
        if not model.training:
            return super().compute_loss(model, inputs, return_outputs, **options)
        labels = [row[row >= 0][:-1].tolist() for row in inputs["labels"]]  # without </s>
        drawn = draw_candidates(
            labels, self.proposal, k=K, rng=self.rng, vocab_size=CONFIG.vocab_size, special=SPECIAL
        )
        mask = inputs["attention_mask"]
        states = model.get_encoder()(inputs["input_ids"], attention_mask=mask).last_hidden_state
        logits = model(
            encoder_outputs=BaseModelOutput(states.repeat_interleave(K, dim=0)),
            attention_mask=mask.repeat_interleave(K, dim=0),
            decoder_input_ids=drawn.inputs.to(mask.device),
        ).logits
        return alpha_divergence(
            drawn.scored(logits),
            alpha=0.3,
            tau=0.5,
            normaliser="source",
            log_p="mean",
            log_q0=False,
        ).value


def main() -> None:
    """Train on random sentences, each its own translation."""
    torch.manual_seed(1)
    rng = np.random.default_rng(2)
    sentences = [rng.integers(2, 59, rng.integers(4, 9)).tolist() for _ in range(512)]
    data = [
        {"input_ids": [*row, 0], "attention_mask": [1] * (len(row) + 1), "labels": [*row, 0]}
        for row in sentences
    ]

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        fill = {"input_ids": CONFIG.pad_token_id, "attention_mask": 0, "labels": -100}
        return {
            key: torch.nn.utils.rnn.pad_sequence(
                [torch.tensor(row[key]) for row in rows], batch_first=True, padding_value=value
            )
            for key, value in fill.items()
        }

    with TemporaryDirectory() as folder:
        arguments = Seq2SeqTrainingArguments(
            folder,
            per_device_train_batch_size=32,
            max_steps=160,
            learning_rate=0.003,
            logging_steps=40,
            report_to=[],
            use_cpu=True,
            save_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        trainer = AlphaTrainer(
            model=MarianMTModel(CONFIG), args=arguments, train_dataset=data, data_collator=collate
        )
        trainer.train()
    for entry in trainer.state.log_history:
        if "loss" in entry:
            print(f"step {entry['step']}: loss {float(entry['loss']):.3f}")


if __name__ == "__main__":
    main()

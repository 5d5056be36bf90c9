"""The honest baseline: the model's definition in plain PyTorch, trained as a person writes it.

Nothing is done about allocators, lengths or types beyond what tutorials do.
"""

import json
import sys

import numpy as np
import torch
from torch import Tensor, nn

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.models.attention_rnn.model import AttentionRnn
from benchmarks.serve import serve

PAD = 0
LEARNING_RATE, CLIP_NORM = 1.0, 5.0
"""The paper's recipe."""


def loss_of(model: AttentionRnn, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
    """Return the negative log-likelihood of a sentence, averaged over sentences.

    Args:
        model: the network.
        source: [B, S] ids, padded.
        lengths: [B] tokens of each source.
        target: [B, T + 1] ids, `<s> ... </s>`, padded.
    """
    predicted = (target[:, 1:] != PAD).sum(dim=1)
    tokens = model.token_log_probs(model.encode(source, lengths), target, predicted)
    return -tokens.log_p.sum() / len(source)


def main() -> None:
    """Serve rounds of training."""
    task = json.loads(sys.argv[1])
    sizes, low = task["sizes"], task["precision"] == "bf16"
    torch.set_num_threads(sizes["threads"])
    torch.manual_seed(1)
    arrays = np.load(task["arrays"])
    batches = [
        tuple(
            torch.from_numpy(arrays[f"batch{i}_{name}"])
            for name in ("source", "source_lengths", "target")
        )
        for i in range(sizes["updates"])
    ]
    options = AttentionRnnConfig(embedding=sizes["units"], hidden=sizes["units"])
    model = AttentionRnn(
        options,
        source_vocab_size=sizes["source_words"],
        target_vocab_size=sizes["target_words"],
    )
    model.compute_dtype = torch.bfloat16 if low else torch.float32
    model.initialise(torch.default_generator)
    optimiser = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    model.train()

    def train() -> float:
        tokens = 0.0
        for source, lengths, target in batches:
            optimiser.zero_grad()
            loss = loss_of(model, source, lengths, target)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimiser.step()
            assert np.isfinite(loss.item())
            tokens += float((target[:, 1:] != PAD).sum())
        return tokens

    serve({"train": train}, version=f"PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

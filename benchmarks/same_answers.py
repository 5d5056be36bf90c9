"""Whether fast training learns what plain PyTorch learns: curves of both, three seeds each.

    python -m benchmarks.same_answers RESULTS/multi30k/data/encoded CONFIG.json OUT.json

Plain is the same model by `nn.LSTM` on packed sequences, a loop over `nn.LSTMCell` and
`F.cross_entropy`, multiplied in fp32 by autograd. Batches, initial weights, learning rates and
validation are those of `alpha-dimt train` for both.
"""

import json
import sys
import tempfile
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F

from alpha_dimt.config import Experiment, load
from alpha_dimt.files import write_json
from alpha_dimt.model.seq2seq import Encoded, Seq2Seq
from alpha_dimt.training import run as training


class Plain(Seq2Seq):
    """The same parameters and the same function, in modules that anybody knows."""

    def _encode_scan(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self._encode_packed(source, lengths)

    def log_probs(
        self, encoded: Encoded, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> Tensor:
        hidden, cell = encoded.hidden, encoded.cell
        feed = torch.zeros_like(hidden)
        embedded = self.target_embedding(target[:, :-1])
        outputs = []
        for t in range(embedded.shape[1]):
            hidden, cell = self.decoder(torch.cat((embedded[:, t], feed), dim=1), (hidden, cell))
            scores = torch.baddbmm(
                encoded.mask, self.attention(hidden)[:, None], encoded.values.transpose(1, 2)
            )
            context = torch.bmm(scores.softmax(dim=-1), encoded.values)[:, 0]
            feed = torch.tanh(self.combine(torch.cat((context, hidden), dim=1)))
            feed = F.dropout(feed, self.dropout, self.training)
            outputs.append(feed)
        logits = self.output(torch.stack(outputs, dim=1))
        words = target[:, 1:].masked_fill(torch.arange(len(outputs)) >= lengths[:, None], -100)
        nll = F.cross_entropy(logits.transpose(1, 2), words, reduction="none", ignore_index=-100)
        return -nll.sum(dim=1)


def curve(encoded: Path, config: Path, seed: int, *, plain: bool) -> list[dict[str, float]]:
    """Train maximum likelihood; return the metrics of each epoch."""
    run = load(Experiment, config).run_config("ml", seed)
    if plain:
        run = run.model_copy(
            update={"training": run.training.model_copy(update={"precision": "fp32"})}
        )
    model = Plain if plain else Seq2Seq
    with mock.patch.object(training, "Seq2Seq", model), tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        out.mkdir()
        training.train_run(
            run,
            encoded=encoded,
            augmented=None,
            start=None,
            state=Path(folder) / "state",
            out=out,
            threads=run.training.threads,
        )
        lines = (out / "metrics.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line)["metrics"] for line in lines if line]


def main() -> None:
    """Write the curves of the seeds of the configuration."""
    encoded, config, out = map(Path, sys.argv[1:])
    seeds = load(Experiment, config).seeds
    write_json(
        out,
        {
            name: {str(seed): curve(encoded, config, seed, plain=plain) for seed in seeds}
            for name, plain in (("fast", False), ("plain", True))
        },
    )


if __name__ == "__main__":
    main()

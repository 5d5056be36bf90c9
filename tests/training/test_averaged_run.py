"""A run with `training.average` publishes the mean of its epochs' weights."""

from pathlib import Path

import pytest
import torch
from copy_task import experiment, records, train, write_corpus
from safetensors.torch import load_file

from alpha_dimt.core.files import read_json, read_lines
from alpha_dimt.data.encoded import read_pairs
from alpha_dimt.evaluation.metrics import multi_bleu
from alpha_dimt.inference.decode import decode_split
from alpha_dimt.training import averaging


def test_the_published_weights_are_the_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: dict[str, dict[str, torch.Tensor]] = {}

    def remove(self: averaging.EpochWeights) -> None:
        kept.update({path.name: load_file(path) for path in self._folder.iterdir()})

    monkeypatch.setattr(averaging.EpochWeights, "remove", remove)
    encoded = write_corpus(tmp_path / "encoded")
    config = experiment(max_epochs=10, average={"epochs": 3, "of": "last"})
    run = train(encoded, tmp_path, config, "ml")
    found, about = load_file(run / "best.safetensors"), read_json(run / "run.json")
    parts = [kept[f"{epoch:04d}.safetensors"] for epoch in (8, 9, 10)]
    for name, weight in found.items():
        mean = torch.stack([part[name].double() for part in parts]).mean(dim=0)
        torch.testing.assert_close(weight.double(), mean, rtol=1e-6, atol=1e-8)
        assert not torch.equal(weight, parts[-1][name])
    assert about["average"]["epochs"] == [8, 9, 10]
    assert "mean of the weights of epochs 8, 9, 10: valid BLEU" in capsys.readouterr().out

    # What `decode` translates with is what was validated.
    averaged, last = about["average"], records(run)[-1]["metrics"]
    assert averaged["valid_bleu_greedy"] > 1
    assert averaged["valid_nll_per_token"] != last["valid_nll_per_token"]
    greedy = config.decoding.searches["greedy"]
    decode_split(greedy, run=run, encoded=encoded, split="valid", out=run / "greedy.txt", threads=1)
    references = read_pairs(encoded, "valid").target_text
    bleu = multi_bleu(read_lines(run / "greedy.txt"), references).value
    assert bleu == pytest.approx(averaged["valid_bleu_greedy"])

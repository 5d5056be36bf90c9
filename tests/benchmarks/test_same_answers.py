import json
from pathlib import Path

import torch

from alpha_dimt.config import Experiment, RunConfig, load, parse
from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.core.files import write_json, write_text
from alpha_dimt.models.attention_rnn.fused import Seq2Seq
from benchmarks.same_answers import Plain, plainly, table


def test_the_plain_model_computes_the_same() -> None:
    results = []
    for kind in (Seq2Seq, Plain):
        model = kind(
            AttentionRnnConfig(embedding=6, hidden=8), source_words=11, target_words=13
        ).double()
        model.initialise(0.5, torch.Generator().manual_seed(3))
        model.eval()
        encoded = model.encode(torch.tensor([[4, 5, 6], [9, 0, 0]]), torch.tensor([3, 1]))
        target = torch.tensor([[2, 4, 5, 6, 3], [2, 7, 3, 0, 0]])
        log_p = model.log_probs(encoded, target, torch.tensor([4, 2]))
        (-log_p.sum()).backward()
        results.append([log_p, *(parameter.grad.to_dense() for parameter in model.parameters())])
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain)


def write_run(folder: Path, seed: int, system: str, bleu: float) -> Path:
    experiment = parse(
        Experiment, {"corpus": {"kind": "toy"}, "systems": {system: {"objective": "ml"}}}, "test"
    )
    config = experiment.run_config(system, seed)
    write_json(folder / "config.json", config.model_dump(mode="json"))
    metrics = [
        {"metrics": {"valid_bleu_greedy": bleu + epoch, "valid_nll_per_token": 2.0}}
        for epoch in range(3)
    ]
    write_text(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in metrics))
    return folder


def test_the_table_pairs_runs_by_seed(tmp_path: Path) -> None:
    fast = [write_run(tmp_path / f"f{n}", n, "ml", 30 + n) for n in (1, 2, 3)]
    # In another order; they differ by 1, 2 and 3.
    plain = [write_run(tmp_path / f"p{n}", n, "plain", 30 + 2 * n) for n in (3, 1, 2)]
    header, _, first, *_, last = table(fast, plain).splitlines()
    assert header.startswith("| epoch | dev BLEU, fast | plain | difference | 95 % interval |")
    assert first.startswith("| 1 | 32.00 ± 1.00 | 34.00 ± 2.00 | +2.00 | -0.48 to +4.48 |")
    assert last.startswith("| 3 | 34.00 ± 1.00 | 36.00 ± 2.00 |")


def test_the_plain_run_differs_in_name_precision_and_length_alone(tmp_path: Path) -> None:
    write_run(tmp_path, 1, "ml", 30)
    config = load(RunConfig, tmp_path / "config.json")
    plain = plainly(config, epochs=4)
    assert (plain.training.precision, plain.training.max_epochs, plain.system) == (
        "fp32",
        4,
        "plain",
    )
    restored = plain.training.model_copy(
        update={"precision": "auto", "max_epochs": config.training.max_epochs}
    )
    assert plain.model_copy(update={"system": "ml", "training": restored}) == config

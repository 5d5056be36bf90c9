import json
from pathlib import Path

from alpha_dimt.config import Experiment, RunConfig, load, parse
from alpha_dimt.core.files import write_json, write_text
from benchmarks.same_answers import plainly, table


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


def test_the_plain_run_differs_in_name_implementation_precision_and_length_alone(
    tmp_path: Path,
) -> None:
    write_run(tmp_path, 1, "ml", 30)
    config = load(RunConfig, tmp_path / "config.json")
    plain = plainly(config, epochs=4)
    recipe = plain.training
    assert (recipe.implementation, recipe.precision, recipe.max_epochs) == ("plain", "fp32", 4)
    assert plain.system == "plain"
    original = {name: getattr(config.training, name) for name in ("implementation", "precision")}
    restored = recipe.model_copy(update=original | {"max_epochs": config.training.max_epochs})
    assert plain.model_copy(update={"system": "ml", "training": restored}) == config

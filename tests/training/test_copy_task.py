"""Small trainings, end to end through the functions that the command line calls."""

import shutil
from pathlib import Path

import pytest
import torch
from copy_task import experiment, records, train, write_corpus
from prepared import note_encoded
from safetensors.torch import load_file

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, read_lines, write_json, write_lines
from alpha_dimt.data.draw_candidates import augment_corpus
from alpha_dimt.data.encoded import read_pairs
from alpha_dimt.evaluation.metrics import multi_bleu
from alpha_dimt.inference.decode import decode_split
from alpha_dimt.training.run import train_run


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_corpus(tmp_path_factory.mktemp("encoded"))
    augment_corpus(
        experiment().augment_config("raml", 1), encoded=folder, out=folder / "seed1.arrow"
    )
    return folder


@pytest.mark.parametrize("system", ["ml", "raml", "alpha0.5"])
def test_reversal_is_learned(encoded: Path, tmp_path: Path, system: str) -> None:
    config = experiment()
    run = train(encoded, tmp_path, config, system)
    summary = read_json(run / "run.json")
    assert summary["best"]["valid_bleu_greedy"] > 70
    assert summary["run_key"] == config.run_config(system, 1).fingerprint()
    assert [record["epoch"] for record in records(run)] == list(range(1, 15))
    assert len(list((tmp_path / "state").glob("*/0*"))) == 1

    for search in ("greedy", "beam"):
        out = run / f"{search}.txt"
        decode_split(
            config.decoding.searches[search],  # type: ignore[arg-type]
            run=run,
            encoded=encoded,
            split="valid",
            out=out,
            threads=1,
        )
        assert len(read_lines(out)) == 60
    # `decode` writes the translations that validation scored.
    references = read_pairs(encoded, "valid").target_text
    greedy = multi_bleu(read_lines(run / "greedy.txt"), references)
    assert greedy.value == pytest.approx(summary["best"]["valid_bleu_greedy"])


def test_the_plain_model_is_trained_by_name(encoded: Path, tmp_path: Path) -> None:
    few = {"max_epochs": 1, "batch_size": 128}  # after more updates, rounding has grown
    fast, plain = (experiment(implementation=name, **few) for name in ("auto", "plain"))
    results = [
        train(encoded, tmp_path / str(number), config, "ml")
        for number, config in enumerate((fast, plain))
    ]
    ours, theirs = (load_file(run / "best.safetensors") for run in results)
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-5, atol=1e-6)
    assert any(not torch.equal(value, theirs[name]) for name, value in ours.items())
    # The key is part of a run's identity only if it is not the default.
    identities = [config.run_config("ml", 1) for config in (fast, plain, experiment(**few))]
    assert identities[0].fingerprint() == identities[2].fingerprint() != identities[1].fingerprint()
    assert "implementation" not in (results[0] / "config.json").read_text()


def test_weights_of_another_run_are_refused(encoded: Path, tmp_path: Path) -> None:
    config = experiment(max_epochs=1)
    run = train(encoded, tmp_path, config, "ml")
    other = experiment(max_epochs=2).run_config("ml", 1)
    write_json(run / "config.json", other.model_dump(mode="json"))
    with pytest.raises(UserError, match="belong to run"):
        decode_split(
            config.decoding, run=run, encoded=encoded, split="test", out=tmp_path / "o", threads=1
        )
    assert not (tmp_path / "o").exists()


def test_only_a_corpus_of_the_runs_own_vocabularies_is_translated(
    encoded: Path, tmp_path: Path
) -> None:
    config = experiment(max_epochs=1)
    run = train(encoded, tmp_path, config, "ml")
    # The same words and an additional last one that no sentence has: all ids stay the same.
    other = shutil.copytree(encoded, tmp_path / "other")
    words = read_lines(other / "vocab.en.txt")
    write_lines(other / "vocab.en.txt", [*words, "more"])
    note_encoded(other, config.data_config())
    with pytest.raises(UserError, match=r"other: its en vocabulary is not that of .*/ml"):
        decode_split(
            config.decoding, run=run, encoded=other, split="test", out=tmp_path / "o", threads=1
        )
    assert not (tmp_path / "o").exists()


def test_objectives_get_the_data_that_they_need(encoded: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="objective raml needs --augmented"):
        train_run(
            experiment().run_config("raml", 1),
            encoded=encoded,
            augmented=None,
            start=None,
            state=tmp_path / "s",
            out=tmp_path / "o",
            threads=1,
        )

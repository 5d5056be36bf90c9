"""Text, finished runs and translations: each step uses the right files."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import formulas
import numpy as np
import plain
import pytest
import subject
import torch
from configured import experiment_with

BOS, EOS, UNK = 2, 3, 1
STILL = {"learning_rate": 1e-30, "min_learning_rate": 1e-30}
INIT = 0.8
RECIPE = {"batch_size": 70, "max_epochs": 4, "threads": 1, "precision": "fp32", "device": "cpu"}
SYSTEMS: dict[str, dict[str, Any]] = {
    "still": {"objective": "raml", "training": STILL},
    "ml": {"objective": "ml", "training": {"batch_size": 3, "min_learning_rate": 1.0}},
    "from-ml": {"objective": "mrt", "samples": 2, "start": "ml", "training": STILL},
}
SIZES = {"train": 70, "valid": 8, "test": 17}
SLICES, K = 3, 2


def text(split: str) -> tuple[list[str], list[str]]:
    """Return sources and targets: each word of the source has its word in the target."""
    rng = np.random.default_rng(len(split))
    sides: tuple[list[str], list[str]] = ([], [])
    for _ in range(SIZES[split]):
        words = rng.choice(12, rng.integers(3, 8))
        for side, letter in zip(sides, "st", strict=True):
            side.append(" ".join(f"{letter}{word}" for word in words))
    return sides


def write_text(folder: Path) -> None:
    folder.mkdir(parents=True)
    for split in SIZES:
        for language, lines in zip(("de", "en"), text(split), strict=True):
            (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in lines))


def experiment() -> Any:
    return subject.experiment(
        experiment_with(
            SYSTEMS,
            preparation={"vocabulary": {"kind": "words", "source_size": 9, "target_size": 8}},
            proposal={"candidates": K, "slices": SLICES, "distribution": {"kind": "ngram"}},
            model={"embedding": 6, "hidden": 16, "dropout": 0.0, "init": INIT},
            training=RECIPE,
            decoding={"beam": 3, "max_length": 7, "length_penalty": 0.8, "batch_size": 9},
        )
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare and train everything once."""
    results = tmp_path_factory.mktemp("runs") / "toy"
    made, folder = experiment(), results / "data" / "text"
    write_text(folder)
    encoded = results / "data" / "encoded"
    subject.encode(made.model_dump(), folder, encoded)
    subject.augment(made.augment_config("still", 1), encoded, results / "seed1.arrow")
    for system, seed in (("still", 1), ("ml", 1), ("ml", 2), ("from-ml", 1)):
        run = made.run_config(system, seed)
        out = results / "runs" / system / f"seed{seed}"
        subject.write_run_config(run, out)
        subject.train(
            run,
            encoded,
            out,
            augmented=results / "seed1.arrow" if run.proposal else None,
            start=results / "runs/ml/seed1/best.safetensors" if run.start else None,
        )
    subject.write_beam_config(made, results)
    return results


def vocabulary(results: Path, language: str) -> list[str]:
    path = results / "data" / "encoded" / f"vocab.{language}.txt"
    return path.read_text().split("\n")[:-1]


def judge(results: Path, system: str, seed: int = 1) -> plain.Plain:
    """Return the plain model with the weights of a run, in float64."""
    weights = subject.weights(results / "runs" / system / f"seed{seed}")
    return plain.Plain({name: value.double() for name, value in weights.items()})


def ids(results: Path, split: str) -> list[tuple[list[int], list[int]]]:
    """Return the ids of source and target of each pair."""
    found = []
    for pair in zip(*text(split), strict=True):
        sides = []
        for language, line in zip(("de", "en"), pair, strict=True):
            words = vocabulary(results, language)
            sides.append([words.index(w) if w in words else UNK for w in line.split(" ")])
        found.append((sides[0], sides[1]))
    return found


def records(results: Path, system: str, seed: int = 1) -> list[dict[str, Any]]:
    path = results / "runs" / system / f"seed{seed}" / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


# --------------------------------------------------------------------------------- training


def test_weights_start_uniform(results: Path) -> None:
    weights = subject.weights(results / "runs/still/seed1")
    values = torch.cat([value.flatten() for value in weights.values()])
    assert values.abs().max() <= INIT
    assert values.abs().max() > 0.99 * INIT
    error = INIT / math.sqrt(len(values))
    assert values.std().item() == pytest.approx(INIT / math.sqrt(3), abs=2 * error)
    assert values.mean().item() == pytest.approx(0, abs=3 * error)
    assert weights["source_embedding.weight"].shape == (4 + 9, 6)
    assert weights["output.weight"].shape == (4 + 8, 16)


def test_systems_of_a_seed_start_from_the_same_weights(results: Path, tmp_path: Path) -> None:
    """The initial weights come from the seed: with learning rate 0 nothing changes them."""
    found = {}
    for system, seed in (("still", 1), ("still-ml", 1), ("still-ml", 2)):
        values = experiment_with(
            {"still-ml": {"objective": "ml"}},
            preparation=experiment().preparation.model_dump(),
            model=experiment().model.model_dump(),
            training=RECIPE | STILL | {"max_epochs": 1},
        )
        folder = results / "runs" / system / f"seed{seed}"
        if system == "still-ml":
            folder = tmp_path / "runs" / system / f"seed{seed}"
            run = subject.experiment(values).run_config(system, seed)
            encoded = results / "data" / "encoded"
            subject.train(run, encoded, folder, augmented=None, start=None)
        found[system, seed] = subject.weights(folder)
    first, same, other = found.values()
    assert all(torch.equal(same[name], value) for name, value in first.items())
    assert not any(torch.equal(other[name], value) for name, value in first.items())


def test_each_epoch_trains_on_its_slice(results: Path) -> None:
    """The weights stand still, so the loss of an epoch is that of its candidates."""
    start, slices = judge(results, "still"), []
    made = experiment()
    drawn = subject.augment(
        made.augment_config("still", 1),
        results / "data" / "encoded",
        results / "again.arrow",
    )
    pairs = ids(results, "train")
    for columns in drawn:
        log_p = np.zeros((len(pairs), K))
        lengths, rewards = np.zeros_like(log_p), np.zeros_like(log_p)
        for row, (source, target) in enumerate(pairs):
            for k in range(K):
                framed = [BOS, *target, EOS]
                number = row * K + k
                for position, token in zip(
                    columns["positions"][number], columns["tokens"][number], strict=True
                ):
                    framed[position] = token
                log_p[row, k] = start.token_log_p(source, framed).sum().item()
                lengths[row, k] = len(framed) - 1
                rewards[row, k] = -len(columns["positions"][number])
        weights = formulas.softmax((rewards / 3.0).reshape(1, -1)).reshape(log_p.shape)
        slices.append(-(weights * log_p).sum())
    losses = [record["metrics"]["train_loss"] for record in records(results, "still")]
    assert losses == pytest.approx([slices[0], slices[1], slices[2], slices[0]], rel=1e-5)
    assert len({round(loss, 4) for loss in slices}) == 3


@pytest.mark.parametrize("system", ["still", "ml"])
def test_the_best_epoch_is_the_one_that_is_published(results: Path, system: str) -> None:
    """Validating the published weights again gives the metrics of the best epoch."""
    model, found = judge(results, system), records(results, system)
    about = json.loads((results / "runs" / system / "seed1" / "run.json").read_text())
    best = about["best"]["epoch"]
    nll = tokens = 0.0
    for source, target in ids(results, "valid"):
        nll -= model.token_log_p(source, [BOS, *target, EOS]).sum().item()
        tokens += len(target) + 1
    metrics = found[best - 1]["metrics"]
    assert metrics["valid_nll_per_token"] == pytest.approx(nll / tokens, rel=1e-4)
    hypotheses = translated(results, system, "valid", beam=1, max_length=180)
    bleu = formulas.corpus_bleu(hypotheses, text("valid")[1])
    assert metrics["valid_bleu_greedy"] == pytest.approx(bleu, abs=1e-6)
    assert about["best"]["valid_bleu_greedy"] == metrics["valid_bleu_greedy"]
    assert (about["epochs"], about["stopped"]) == (4, "max_epochs")
    assert (about["system"], about["seed"], about["threads"]) == (system, 1, 1)
    assert about["parameters"] == sum(value.numel() for value in model.parameters())
    assert [record["epoch"] for record in found] == [1, 2, 3, 4]


def test_a_start_is_taken(results: Path) -> None:
    ml, after = (subject.weights(results / "runs" / name / "seed1") for name in ("ml", "from-ml"))
    assert all(torch.equal(after[name], value) for name, value in ml.items())
    other = subject.weights(results / "runs/ml/seed2")
    assert not any(torch.equal(other[name], value) for name, value in ml.items())


# ------------------------------------------------------------------------------ translation


def translated(
    results: Path, system: str, split: str, *, beam: int, replaced: bool = True, **keys: Any
) -> list[str]:
    """Return translations by the plain model, unknown words replaced unless told otherwise."""
    model, words, found = judge(results, system), vocabulary(results, "en"), []
    for (source, _), line in zip(ids(results, split), text(split)[0], strict=True):
        if beam == 1:
            tokens, attended = model.greedy(source, keys["max_length"])
        else:
            with torch.no_grad():
                tokens, attended = plain.beam_search(model, source, width=beam, **keys)
        read = line.split(" ")
        found.append(
            " ".join(
                read[where] if replaced and token == UNK else words[token]
                for token, where in zip(tokens, attended, strict=True)
            )
        )
    return found


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_decoding_a_split(results: Path, tmp_path: Path, split: str, search: str) -> None:
    config = experiment().decoding.searches[search]
    lines = subject.decode(
        config,
        run=results / "runs/ml/seed1",
        encoded=results / "data/encoded",
        split=split,
        out=tmp_path / "lines",
    )
    keys: dict[str, Any] = {"beam": 1, "max_length": 7}
    if search == "beam":
        keys = {"beam": 3, "max_length": 7, "length_penalty": 0.8}
    assert lines == translated(results, "ml", split, **keys)
    assert len(set(lines)) > 2


def test_a_tuned_length_bonus_is_the_best_on_dev(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shared(lines: list[str], references: list[str]) -> Any:
        """Stand for BLEU, which is 0 here: words that stand at the same place."""
        pairs = zip(lines, references, strict=True)
        same = [
            a == b for one, other in pairs for a, b in zip(one.split(), other.split(), strict=False)
        ]
        return SimpleNamespace(value=sum(same) - 0.4 * len(same))

    monkeypatch.setattr("alpha_dimt.inference.decode.multi_bleu", shared)
    values = {"beam": 3, "max_length": 7, "length_bonus": "tuned", "batch_size": 9}
    out = tmp_path / "lines.txt"
    lines = subject.decode(
        subject.decoding(**values),
        run=results / "runs/ml/seed1",
        encoded=results / "data/encoded",
        split="test",
        out=out,
    )
    record = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    options: dict[str, Any] = {"beam": 3, "max_length": 7, "length_penalty": 0.0}
    scores = {}
    for bonus in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2):
        found = translated(results, "ml", "valid", length_bonus=bonus, **options)
        scores[bonus] = shared(found, text("valid")[1]).value
    assert record["dev_bleu_by_bonus"] == {
        f"{bonus:g}": pytest.approx(score, abs=1e-6) for bonus, score in scores.items()
    }
    best = max(scores, key=lambda bonus: (scores[bonus], -bonus))
    assert len(set(scores.values())) > 1
    assert record["length_bonus"] == best
    assert lines == translated(results, "ml", "test", length_bonus=best, **options)


def test_drawn_translations_have_the_seed_of_their_run(results: Path, tmp_path: Path) -> None:
    def drawn(temperature: float, run: str = "ml/seed1") -> list[str]:
        return subject.decode(
            subject.decoding(beam=1, max_length=7, temperatures=(temperature,)),
            run=results / "runs" / run,
            encoded=results / "data/encoded",
            split="test",
            out=tmp_path / "lines",
        )

    first = drawn(1.0)
    assert drawn(1.0) == first
    assert drawn(1.0, "ml/seed2") != first
    greedy = translated(results, "ml", "test", beam=1, max_length=7)
    assert drawn(1e-4) == greedy != first


def test_unknown_words_can_be_kept(results: Path, tmp_path: Path) -> None:
    run, encoded = results / "runs/still/seed1", results / "data/encoded"
    config = subject.decoding(beam=1, max_length=7, replace_unknown=False)
    lines = subject.decode(config, run=run, encoded=encoded, split="test", out=tmp_path / "lines")
    assert lines == translated(results, "still", "test", beam=1, max_length=7, replaced=False)
    assert any("<unk>" in line for line in lines)
    made = subject.translator(run, 1)
    kept = subject.searching(made, replace_unknown=False).translate(text("test")[0])
    assert [one.tokens for one in kept] == lines


@pytest.mark.parametrize("width", [None, 1, 2])
def test_translating_raw_text(results: Path, width: int | None) -> None:
    """The width on the command line overrides that of the experiment; its other keys stay."""
    keys: dict[str, Any] = {"beam": 3, "length_penalty": 0.8, "max_length": 7}
    if width is not None:
        keys["beam"] = width
    if width == 1:
        del keys["length_penalty"]
    made = subject.translator(results / "runs/ml/seed1", width)
    search = {"beam": 3, "max_length": 7, "batch_size": 9, "length_penalty": 0.0} | keys
    assert search.items() <= made.decoding.model_dump().items()
    found = made.translate(text("test")[0])
    assert [one.tokens for one in found] == translated(results, "ml", "test", **keys)
    assert [one.source_tokens for one in found] == text("test")[0]
    unknown = [source.count(UNK) for source, _ in ids(results, "test")]
    assert [one.unknown for one in found] == unknown
    assert sum(unknown) > 0


def test_translating_with_subwords(tmp_path: Path) -> None:
    """Codes and vocabularies of a subword run reach its translations."""
    values = experiment_with(
        {"ml": {"objective": "ml"}},
        preparation={"vocabulary": {"kind": "bpe", "operations": 9, "joint": False}},
        model={"embedding": 6, "hidden": 8, "dropout": 0.0, "init": 1.5},
        training=RECIPE | STILL | {"max_epochs": 1},
        decoding={"beam": 2, "max_length": 9},
    )
    made, results = subject.experiment(values), tmp_path / "toy"
    folder, encoded = results / "data" / "text", results / "data" / "encoded"
    write_text(folder)
    found = subject.encode(values, folder, encoded)
    run, out = made.run_config("ml", 1), results / "runs" / "ml" / "seed1"
    subject.write_run_config(run, out)
    subject.train(run, encoded, out, augmented=None, start=None)
    subject.write_beam_config(made, results)

    model, words = judge(results, "ml"), vocabulary(results, "en")
    options = {"width": 2, "max_length": 9, "length_penalty": 0.0}
    segmented = found["test.arrow"]["source_text"]
    wanted = []
    for line, source in zip(segmented, found["test.arrow"]["source"], strict=True):
        with torch.no_grad():
            tokens, attended = plain.beam_search(model, source, **options)
        pieces = [
            line.split(" ")[where] if token == UNK else words[token]
            for token, where in zip(tokens, attended, strict=True)
        ]
        wanted.append(" ".join(pieces).replace("@@ ", "").removesuffix("@@"))
    assert any("@@" in line for line in segmented)
    translations = subject.translator(out, None).translate(text("test")[0])
    assert [one.source_tokens for one in translations] == segmented
    assert [one.tokens for one in translations] == wanted
    assert len(set(wanted)) > 2
    config = made.decoding.searches["beam"]
    lines = subject.decode(config, run=out, encoded=encoded, split="test", out=tmp_path / "lines")
    assert lines == wanted


def test_long_lines_are_cut(results: Path) -> None:
    """A line of 1,001 words is translated as its first 1,000."""
    made = subject.translator(results / "runs/ml/seed1", 1)
    words = [f"s{i % 12}" for i in range(1_001)]
    whole, cut = made.translate([" ".join(words[:1_000]), " ".join(words)])
    assert (whole.cut, cut.cut) == (False, True)
    assert cut.source_tokens == " ".join(words[:1_000])
    assert (cut.tokens, cut.unknown) == (whole.tokens, whole.unknown)


def test_examples(results: Path, tmp_path: Path) -> None:
    """Eight of 17 sentences, evenly spread; the attention behind each word."""
    found = subject.examples(
        [results / "runs/ml/seed1", results / "runs/still/seed1"],
        results / "decoding" / "beam.json",
        results / "data" / "encoded",
        tmp_path / "examples.json",
    )
    rows = [1, 3, 5, 7, 9, 11, 13, 15]
    assert [one["line"] for one in found] == [row + 1 for row in rows]
    sources, targets = text("test")
    for number, system in enumerate(("ml", "still")):
        keys = {"beam": 3, "max_length": 7, "length_penalty": 0.8}
        wanted = translated(results, system, "test", **keys)
        model, words = judge(results, system), vocabulary(results, "en")
        for one, row in zip(found, rows, strict=True):
            assert one["source"] == sources[row].split(" ")
            assert (one["source_text"], one["reference"]) == (sources[row], targets[row])
            translation = one["translations"][number]
            assert (translation["system"], translation["seed"]) == (system, 1)
            assert translation["text"] == wanted[row]
            tokens = [words.index(word) for word in translation["tokens"]]
            source = ids(results, "test")[row][0]
            attention = model(source, [BOS, *tokens])[1].detach().numpy()[: len(tokens)]
            if tokens:
                np.testing.assert_allclose(translation["attention"], attention, atol=0.0051)

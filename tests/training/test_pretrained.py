"""A pretrained model from text to translation, by the stages that the workflow calls."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from copy_task import records
from every_objective import SYSTEMS
from safetensors.numpy import load_file
from small_pretrained import KINDS, save_small

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, read_lines, write_json
from alpha_dimt.core.vocabulary import UNK
from alpha_dimt.data.build_encoded import encode_corpus
from alpha_dimt.data.corpora import write_raw
from alpha_dimt.data.draw_candidates import augment_corpus
from alpha_dimt.data.encoded import read_pairs
from alpha_dimt.data.prepare import tokenise_corpus
from alpha_dimt.inference.decode import decode_split
from alpha_dimt.inference.translate import open_translator, translate_stream
from alpha_dimt.runs.stale import Results
from alpha_dimt.training.run import train_run

LINES = 80


def configured(folder: Path, **changes: Any) -> Experiment:
    values: dict[str, Any] = {
        "corpus": {"kind": "toy", "name": "own", "train": LINES, "valid": 6, "test": 6},
        "preparation": {"lowercase": "never", "max_ratio": 9},
        "model": {"kind": "huggingface", "path": str(folder)},
        "proposal": {"slices": 1, "candidates": 2},
        "training": {
            "batch_size": 16,
            "max_epochs": 1,
            "min_epochs": 0,
            "optimiser": {"kind": "adamw"},
            "learning_rate": 0.01,
            "min_learning_rate": 0.01,
            "threads": 1,
            "precision": "fp32",
        },
        "decoding": {"max_length": 30},
        "systems": SYSTEMS,
    }
    return parse(Experiment, values | changes, "pretrained")


def prepare(root: Path, config: Experiment) -> Path:
    """Write results/own/data as the workflow does, and the candidates of all systems."""
    results = root / "results/own"
    data = results / "data"
    slice_ = config.data_config()
    write_raw(slice_.corpus, mirrors=(), cache=root / "downloads", out=data / "raw")
    tokenise_corpus(slice_, raw=data / "raw", out=data / "text")
    encode_corpus(slice_, text=data / "text", out=data / "encoded")
    write_json(data / "config.json", slice_.model_dump(mode="json"))
    augment_corpus(
        config.augment_config(next(iter(config.systems)), 1),
        encoded=data / "encoded",
        out=results / "candidates.arrow",
    )
    return results


def train(results: Path, config: Experiment, system: str) -> Path:
    run = config.run_config(system, 1)
    out = results / "runs" / system / "seed1"
    write_json(out / "config.json", run.model_dump(mode="json"))
    train_run(
        run,
        encoded=results / "data/encoded",
        augmented=results / "candidates.arrow" if run.proposal else None,
        start=results / "runs/ml/seed1/best.safetensors" if run.start else None,
        state=results / "state",
        out=out,
        threads=1,
    )
    return out


@pytest.fixture(scope="module", params=KINDS)
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Experiment, Path]:
    """An experiment with `ml` trained; results/own beside the folder of the model."""
    root = tmp_path_factory.mktemp(request.param)
    lines = read_toy()
    save_small(request.param, root / "model", *lines)
    config = configured(root / "model")
    results = prepare(root, config)
    train(results, config, "ml")
    return config, results


def with_positions(folder: Path, positions: int) -> None:
    """Change how many positions the description of a model says that it has; T5 has none."""
    described = read_json(folder / "config.json")
    if "max_position_embeddings" in described:
        write_json(folder / "config.json", described | {"max_position_embeddings": positions})


def read_toy() -> tuple[list[str], list[str]]:
    from alpha_dimt.config.corpora import ToyCorpus
    from alpha_dimt.data.corpora.toy import read

    sides = read(ToyCorpus(kind="toy", train=LINES, valid=6, test=6), mirrors=(), cache=Path())
    return sides["train"]


def test_text_is_cut_as_published(trained: tuple[Experiment, Path]) -> None:
    _, results = trained
    encoded = results / "data/encoded"
    raw = read_lines(results / "data/text/train.raw.en")
    pairs = read_pairs(encoded, "train")
    assert len(raw) == len(pairs) <= LINES
    vocab = read_lines(encoded / "vocab.en.txt")
    assert vocab == read_lines(encoded / "vocab.de.txt")
    for row, line in enumerate(raw):
        pieces = [vocab[id] for id in pairs.target.row(row)]
        joined = "".join(pieces).replace("Ġ", " ").replace("▁", " ").strip()
        assert joined == line
    assert not (pairs.source.values == UNK).any()
    sources = read_json(encoded / "report.json")["tokeniser"]
    assert {Path(source["path"]).name for source in sources} >= {"config.json"}
    assert not any(source["path"].endswith("safetensors") for source in sources)


def test_training_begins_at_the_pretrained_weights(trained: tuple[Experiment, Path]) -> None:
    config, results = trained
    run = results / "runs/ml/seed1"
    about = read_json(run / "run.json")
    folder = config.model.files[0].parent
    assert about["data"]["model.safetensors"] == about["first_weights"][0]["sha256"]
    first, last = load_file(folder / "model.safetensors"), load_file(run / "best.safetensors")
    name = next(name for name in first if name.endswith("fc1.weight") or name.endswith("wi.weight"))
    moved = np.abs(last[f"network.{name}"] - first[name])
    # Fifteen updates of Adam with steps of at most 0.01.
    assert 0.005 < moved.max() < 0.15
    [record] = records(run)
    assert record["metrics"]["valid_nll_per_token"] < np.log(len(read_lines(run / "vocab.en.txt")))


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["marian"], indirect=True, scope="module")
@pytest.mark.parametrize("system", [system for system in SYSTEMS if system != "ml"])
def test_every_objective_trains_it(trained: tuple[Experiment, Path], system: str) -> None:
    config, results = trained
    run = train(results, config, system)
    [record] = records(run)
    assert record["metrics"]["gradient_norm"] > 0
    assert ("first_weights" in read_json(run / "run.json")) == (
        config.run_config(system, 1).start is None
    )


def test_a_copied_run_translates_without_the_folder(
    trained: tuple[Experiment, Path], tmp_path: Path
) -> None:
    config, results = trained
    decoding = config.decoding.searches["greedy"]
    decode_split(
        decoding,
        run=results / "runs/ml/seed1",
        encoded=results / "data/encoded",
        split="test",
        out=tmp_path / "test.txt",
        threads=1,
    )
    expected = read_lines(tmp_path / "test.txt")
    # The pieces of T5 are learned in an order that varies, so its small model may say nothing.
    assert any(expected) or config.model.architecture["model_type"] == "t5"  # type: ignore[attr-defined]
    copy = shutil.copytree(results / "runs/ml/seed1", tmp_path / "runs/ml/seed1")
    folder = config.model.files[0].parent
    hidden = folder.rename(folder.with_name("hidden"))
    try:
        opened = open_translator(copy, beam=None, threads=1)
    finally:
        hidden.rename(folder)
    # As the experiment searches.
    translator = replace(opened, decoding=decoding)
    found = translator.translate([*read_lines(results / "data/text/test.raw.de"), ""])
    assert [one.tokens for one in found[:-1]] == expected
    assert found[-1].translation == ""
    assert found[0].source_tokens == read_pairs(results / "data/encoded", "test").source_text[0]


def test_a_line_of_too_many_tokens_is_cut(
    trained: tuple[Experiment, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config, results = trained
    opened = open_translator(results / "runs/ml/seed1", beam=1, threads=1)
    translator = replace(opened, decoding=opened.decoding.model_copy(update={"max_length": 5}))
    longest = 1_000 if config.model.longest() is None else 254
    text = f"Hund\n{'Hund ' * 1_001}\n"
    out = io.BytesIO()
    translate_stream(
        translator,
        io.BytesIO(text.encode()),
        out,
        as_json=True,
        block_done=lambda lines: None,
    )
    short, long = map(json.loads, out.getvalue().decode().splitlines())
    assert (short["cut"], long["cut"]) == (False, True)
    assert len(long["source_tokens"].split(" ")) == longest
    assert f"input:2: only the first {longest:,} tokens are translated" in capsys.readouterr().err


def test_no_search_goes_beyond_the_positions(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    model = save_small("marian", folder, *read_toy())
    # Its translations never end.
    model.final_logits_bias[0, model.config.eos_token_id] = -1e4
    model.save_pretrained(folder)
    with_positions(folder, 128)
    config = configured(folder, systems={"a": {"objective": "policy_gradient"}})
    run = train(prepare(tmp_path, config), config, "a")
    assert records(run)[0]["metrics"].keys() >= {"valid_bleu_greedy", "valid_bleu_sampled"}
    opened = open_translator(run, beam=1, threads=1)
    assert opened.decoding.max_length == 127
    [found] = opened.translate(["Hund"])
    assert found.tokens


@pytest.mark.parametrize("kind", KINDS)
def test_sentences_of_too_many_tokens_are_found_before_training(tmp_path: Path, kind: str) -> None:
    folder, data = tmp_path / "model", tmp_path / "results/own/data"
    save_small(kind, folder, *read_toy())
    config = configured(folder).data_config()
    prepare(tmp_path, configured(folder))
    read = []
    for split in ("train", "valid", "test"):
        pairs = read_pairs(data / "encoded", split)
        read.append((f"{split}.raw.de", pairs.source.lengths.tolist()))
        if split != "test":
            read.append((f"{split}.raw.en", pairs.target.lengths.tolist()))
    longest = max(max(lengths) for _, lengths in read)
    with_positions(folder, longest + 2)
    encode_corpus(config, text=data / "text", out=tmp_path / "fits")
    for limit in (longest - 1, 1):
        with_positions(folder, limit + 2)
        if kind == "t5":
            encode_corpus(config, text=data / "text", out=tmp_path / "fits")
            continue
        place, tokens = next(
            (f"{name}:{line}", tokens)
            for name, lengths in read
            for line, tokens in enumerate(lengths, start=1)
            if tokens > limit
        )
        with pytest.raises(UserError) as error:
            encode_corpus(config, text=data / "text", out=tmp_path / "too_long")
        assert str(error.value).startswith(
            f"{data / 'text' / place}: this sentence has {tokens} tokens, but the model in "
            f"{folder} reads at most {limit}; "
        )


def test_what_the_folder_holds_decides_what_is_stale(
    trained: tuple[Experiment, Path], tmp_path: Path
) -> None:
    config, results = trained
    one = config.model_copy(update={"systems": {"ml": config.systems["ml"]}})
    check = Results(one, results)
    assert check.stale() == []
    folder = config.model.files[0].parent
    for name, stale in (
        ("model.safetensors", "runs/ml/seed1/config.json"),
        ("tokenizer_config.json", "data/encoded/report.json"),
    ):
        path = folder / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert check.stale() == [results / stale]
        path.write_bytes(content)
    assert check.stale() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"preparation": {"vocabulary": {"kind": "words"}}},
            "vocabulary: a pretrained model reads",
        ),
        ({"model": {"kind": "huggingface"}}, "model.path: this key is required"),
        ({"model": {"kind": "huggingface", "path": 5}}, "model.path: .*found 5"),
        ({"model": {"kind": "huggingface", "path": "/gone"}}, "model.path: there is no folder"),
        (
            {"decoding": {"max_length": 256}},
            "max_length: the model has 256 positions, so at most 255",
        ),
    ],
)
def test_wrong_configurations(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    save_small("marian", tmp_path / "model", *read_toy())
    with pytest.raises(UserError, match=f"pretrained: .*{message}") as caught:
        configured(tmp_path / "model", **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "has no config.json; model.save_pretrained"),
        ("config.json", b"{", "does not describe a model"),
        ("config.json", b'{"model_type": "bert"}', "type bert; these are supported: bart, marian"),
        ("model.safetensors", None, "no weights in safetensors"),
        ("model.safetensors", b"\xff" * 9, "its header is cut off"),
    ],
)
def test_wrong_folders(tmp_path: Path, file: str, content: bytes | None, message: str) -> None:
    folder = tmp_path / "model"
    save_small("bart", folder, *read_toy())
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(UserError, match=f"pretrained: model.path: .*{message}"):
        configured(folder)


def test_a_folder_without_a_tokeniser(tmp_path: Path) -> None:
    save_small("marian", tmp_path / "model", *read_toy())
    config = configured(tmp_path / "model")
    for name in ("source.spm", "vocab.json", "tokenizer_config.json"):
        (tmp_path / "model" / name).unlink()
    with pytest.raises(UserError, match="no tokeniser could be loaded from here"):
        prepare(tmp_path, config)


def test_a_prefix_stands_before_every_source(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_small("t5", folder, *read_toy())
    config = configured(folder)
    plain = prepare(tmp_path, config)
    vocabulary = {"kind": "pretrained", "path": str(folder), "source_prefix": "die "}
    prefixed = prepare(
        tmp_path / "with",
        configured(folder, preparation={"max_ratio": 9, "vocabulary": vocabulary}),
    )
    one, other = (read_pairs(results / "data/encoded", "test") for results in (plain, prefixed))
    assert one.target_text == other.target_text
    for without, with_prefix in zip(one.source_text, other.source_text, strict=True):
        assert with_prefix.startswith("▁die ")
        assert with_prefix.replace(" ", "").removeprefix("▁die") == without.replace(" ", "")


def test_the_paper_s_network_reads_the_pieces_too(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_small("bart", folder, *read_toy())
    vocabulary = {"kind": "pretrained", "path": str(folder)}
    config = configured(
        folder,
        model={"embedding": 8, "hidden": 8},
        preparation={"max_ratio": 9, "vocabulary": vocabulary},
    )
    results = prepare(tmp_path, config)
    run = train(results, config, "ml")
    assert "first_weights" not in read_json(run / "run.json")
    found = open_translator(run, beam=1, threads=1).translate(read_toy()[0][:3])
    vocab = read_lines(results / "data/encoded/vocab.de.txt")
    assert all(one.source_tokens.split()[0] in vocab and not one.unknown for one in found)


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_small("marian", folder, *read_toy())
    config = configured(folder)
    results = prepare(tmp_path, config)
    weights = []
    for _ in range(2):
        weights.append(load_file(train(results, config, "alpha") / "best.safetensors"))
        shutil.rmtree(results / "state")
    for name, value in weights[0].items():
        assert torch.equal(torch.from_numpy(value), torch.from_numpy(weights[1][name])), name

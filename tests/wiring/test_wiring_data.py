"""Vocabularies, ids and candidates from text: each option reaches its side, by value."""

import io
import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import formulas
import numpy as np
import pytest
import subject
from configured import FILES, experiment_with, values_of
from subword_nmt.apply_bpe import BPE

SPECIALS = ["<pad>", "<unk>", "<s>", "</s>"]
UNK = 1
DE = [
    "aa bb cc dd ee ff",
    "aa bb cc dd ee",
    "aa bb cc dd",
    "aa bb cc",
    "aa bb",
    "gg aa",
]
EN = [
    "one two three four five six",
    "one two three four five",
    "one two three four",
    "one two three",
    "one two",
    "one seven",
]
TEST = {"de": ["aa ee xx", "gg bb"], "en": ["one five xx", "seven"]}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    folder = tmp_path / "text"
    folder.mkdir()
    for split, sides in (("train", {"de": DE, "en": EN}), ("valid", TEST), ("test", TEST)):
        for language, lines in sides.items():
            (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in lines))
    return folder


def encoded(text: Path, vocabulary: dict[str, Any], **corpus: Any) -> dict[str, Any]:
    values = experiment_with(
        {"ml": {"objective": "ml"}},
        corpus={"kind": "toy", **corpus},
        preparation={"vocabulary": vocabulary},
    )
    return subject.encode(values, text, text.parent / "encoded")


def most_frequent(lines: list[str], size: int | None, least: int) -> list[str]:
    counts = Counter(word for line in lines for word in line.split())
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return [word for word in ranked if counts[word] >= least][:size]


@pytest.mark.parametrize(
    ("source_size", "target_size", "least"),
    [(3, 5, 1), (5, 2, 1), (None, 4, 1), (4, None, 1), (None, None, 3), (2, 6, 3), (None, None, 1)],
)
def test_word_vocabularies(
    text: Path, source_size: int | None, target_size: int | None, least: int
) -> None:
    found = encoded(
        text,
        {
            "kind": "words",
            "source_size": source_size,
            "target_size": target_size,
            "min_frequency": least,
        },
    )
    vocabs = {
        "de": SPECIALS + most_frequent(DE, source_size, least),
        "en": SPECIALS + most_frequent(EN, target_size, least),
    }
    assert found["vocab.de.txt"] == vocabs["de"]
    assert found["vocab.en.txt"] == vocabs["en"]
    for split, sides in (("train", {"de": DE, "en": EN}), ("valid", TEST), ("test", TEST)):
        table = found[f"{split}.arrow"]
        for side, language in (("source", "de"), ("target", "en")):
            vocab = vocabs[language]
            ids = [
                [vocab.index(word) if word in vocab else UNK for word in line.split()]
                for line in sides[language]
            ]
            assert table[side] == ids
            assert table[f"{side}_text"] == sides[language]


def test_the_other_direction_swaps_the_sides(text: Path) -> None:
    vocabulary = {"kind": "words", "source_size": 2, "target_size": 4}
    found = encoded(text, vocabulary, source="en", target="de")
    assert found["vocab.en.txt"] == SPECIALS + most_frequent(EN, 2, 1)
    assert found["vocab.de.txt"] == SPECIALS + most_frequent(DE, 4, 1)
    assert found["train.arrow"]["source_text"] == EN


@pytest.mark.parametrize("joint", [True, False])
def test_codes_are_learned_on_both_languages_or_on_each(text: Path, joint: bool) -> None:
    """The first merge is the most frequent pair of letters; joint ones count both languages."""
    found = encoded(text, {"kind": "bpe", "operations": 3, "joint": joint})
    codes = {language: found[f"codes.{language}.txt"][1:] for language in ("de", "en")}
    assert all(len(merges) == 3 for merges in codes.values())

    def pairs_of(lines: list[str]) -> Counter[str]:
        words = Counter(word for line in lines for word in line.split())
        found: Counter[str] = Counter()
        for word, count in words.items():
            letters = [*word[:-1], f"{word[-1]}</w>"]
            for a, b in pairwise(letters):
                found[f"{a} {b}"] += count
        return found

    counts = {"de": pairs_of(DE), "en": pairs_of(EN)}
    if joint:
        assert codes["de"] == codes["en"]
        counts = dict.fromkeys(counts, counts["de"] + counts["en"])
    for language, merges in codes.items():
        assert counts[language][merges[0]] == max(counts[language].values())
    for side, language, lines in (("source", "de", DE), ("target", "en", EN)):
        texts = found["train.arrow"][f"{side}_text"]
        assert [line.replace("@@ ", "") for line in texts] == lines
        table = io.StringIO("".join(f"{line}\n" for line in found[f"codes.{language}.txt"]))
        assert texts == list(map(BPE(table).segment, lines))
        vocab = found[f"vocab.{language}.txt"]
        pieces = Counter(piece for line in texts for piece in line.split())
        assert set(vocab[4:]) == set(pieces)
        assert vocab[4:] == sorted(pieces, key=lambda piece: (-pieces[piece], piece))


@pytest.mark.parametrize("file", FILES)
def test_vocabularies_of_the_configurations(file: str, tmp_path: Path) -> None:
    """Encoding obeys each size and frequency of a configuration."""
    raw = values_of(file)["preparation"]["vocabulary"]
    rng = np.random.default_rng(0)
    folder = tmp_path / "text"
    folder.mkdir()
    # Words w0, w1, ... that occur once, twice, three times, ... on either side.
    many = 40_000 if "source_size" in raw else 30
    lines = {}
    for language in ("de", "en"):
        words = [f"{language}{i}" for i in range(many) for _ in range(1 + i % 4)]
        rng.shuffle(words)
        lines[language] = [" ".join(words[i : i + 20]) for i in range(0, len(words), 20)]
        for split in ("train", "valid", "test"):
            some = lines[language] if split == "train" else lines[language][:2]
            (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in some))
    experiment = subject.configured(file)
    # That the text of a file is tokenised already changes no vocabulary.
    preparation = experiment.preparation.model_dump() | {"tokenised": False}
    values = {"preparation": preparation}
    found = subject.encode(
        experiment_with({"ml": {"objective": "ml"}}, **values), folder, tmp_path / "encoded"
    )
    for side, language in (("source", "de"), ("target", "en")):
        vocab = found[f"vocab.{language}.txt"]
        if raw["kind"] == "words":
            size, least = raw.get(f"{side}_size"), raw.get("min_frequency", 1)
            assert vocab == SPECIALS + most_frequent(lines[language], size, least)
        else:
            assert found["codes.de.txt"] == found["codes.en.txt"]


# ------------------------------------------------------------------------------ preparation


def test_cleaning_and_casing_follow_the_options(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    de = ["Ein Haus .", "a b c d", "a b c d e f", "a", "a b c", "Ein"]
    en = ["A House .", "a b c d", "a b c d e f", "a", "a b c d", "A B"]
    for split in ("train", "valid", "test"):
        for language, lines in (("de", de), ("en", en)):
            some = lines if split == "train" else lines[:1]
            (raw / f"{split}.{language}").write_text("".join(f"{line}\n" for line in some))

    def kept(**preparation: Any) -> list[str]:
        values = experiment_with({"ml": {"objective": "ml"}}, preparation=preparation)
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        return subject.prepare(values, raw, out)["train.de"]

    assert kept() == ["ein haus .", *de[1:5]]
    assert kept(lowercase="never") == de[:5]
    assert kept(max_length=4) == ["ein haus .", "a b c d", "a", "a b c"]
    assert kept(min_length=2) == ["ein haus .", *de[1:3], "a b c"]
    assert kept(max_ratio=1.2) == ["ein haus .", *de[1:4]]
    assert kept(max_ratio=2.0) == ["ein haus .", *de[1:5], "ein"]
    assert kept(max_length=5) == ["ein haus .", "a b c d", "a", "a b c"]
    assert kept(max_length=3) == ["ein haus .", "a"], "the longer side counts"
    assert kept(max_ratio=2.0, min_length=2)[-1] == "a b c", "the shorter side counts"


def test_every_nth_kept_pair_is_validation() -> None:
    train, valid = subject.cut_validation(50, 23)
    assert valid == [22, 45]
    assert train == [i for i in range(50) if i not in valid]


# ------------------------------------------------------------------------------- candidates

TARGETS = [[4 + (7 * i + j) % 20 for j in range(1 + i % 12)] for i in range(60)]
VOCABULARY = 24


def candidates(columns: dict[str, list[Any]], k: int) -> list[list[int]]:
    """Apply replacements, deletions and insertions by hand; return candidates without frame."""
    found = []
    for number, (positions, tokens, where, new) in enumerate(
        zip(
            *(columns[name] for name in ("positions", "tokens")),
            *(columns[name] for name in ("insert_positions", "insert_tokens")),
            strict=True,
        )
    ):
        target = TARGETS[number // k]
        replaced = dict(zip(positions, tokens, strict=True))
        words = []
        for position in range(1, len(target) + 2):
            words += [n for at, n in zip(where, new, strict=True) if at == position]
            if position <= len(target):
                token = replaced.get(position, target[position - 1])
                words += [token] if token >= 0 else []
        found.append(words)
    return found


@pytest.mark.parametrize("reward", formulas.REWARDS)
@pytest.mark.parametrize("kind", ["uniform_edit", "edit_distance"])
def test_candidates_have_the_reward_that_is_asked_for(reward: str, kind: str) -> None:
    section = {"candidates": 3, "reward": reward, "distribution": {"kind": kind}}
    columns = subject.draw_slice(section, TARGETS, VOCABULARY, seed=1, index=0)
    assert len(columns["reward"]) == 3 * len(TARGETS)
    wanted = [
        formulas.REWARDS[reward](words, TARGETS[number // 3])
        for number, words in enumerate(candidates(columns, 3))
    ]
    assert columns["reward"] == pytest.approx(wanted, abs=1e-6)
    assert len(set(wanted)) > 2 or reward == "constant"


@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_candidates_have_the_log_q0_of_their_distribution(fraction: float) -> None:
    section = {"distribution": {"kind": "uniform_edit", "max_edit_fraction": fraction}}
    columns = subject.draw_slice({**section, "candidates": 9}, TARGETS, VOCABULARY, seed=1, index=0)
    found = candidates(columns, 9)
    wanted = [
        formulas.uniform_edit(TARGETS[number // 9], words, fraction, VOCABULARY - 4)
        for number, words in enumerate(found)
    ]
    assert columns["log_q0"] == pytest.approx(wanted)
    assert min(columns["reward"]) == -math.floor(fraction * 12)
    assert {token for tokens in columns["tokens"] for token in tokens} == set(range(4, VOCABULARY))


def test_slices_are_a_function_of_seed_and_index() -> None:
    def drawn(seed: int, index: int) -> str:
        return str(subject.draw_slice({}, TARGETS, VOCABULARY, seed=seed, index=index))

    assert drawn(1, 2) == drawn(1, 2)
    assert len({drawn(1, 1), drawn(1, 2), drawn(2, 1), drawn(2, 2)}) == 4


@pytest.mark.parametrize(("seed", "slices", "k"), [(1, 2, 1), (5, 3, 2)])
def test_a_file_holds_its_slices_in_order(text: Path, seed: int, slices: int, k: int) -> None:
    values = experiment_with(
        {"a": {"objective": "raml", "proposal": {"reward": "gleu"}}},
        proposal={"slices": slices, "candidates": k, "reward": "bleu"},
        preparation={"vocabulary": {"kind": "words", "target_size": 3}},
    )
    table, made = (
        subject.encode(values, text, text.parent / "encoded"),
        subject.experiment(values),
    )
    found = subject.augment(
        made.augment_config("a", seed), text.parent / "encoded", text.parent / "candidates.arrow"
    )
    targets, words = table["train.arrow"]["target"], len(table["vocab.en.txt"])
    section = {"candidates": k, "reward": "gleu"}
    assert found == [
        subject.draw_slice(section, targets, words, seed=seed, index=index)
        for index in range(slices)
    ]


def test_the_reference_is_the_first_candidate_if_it_is_asked_for() -> None:
    section = {"candidates": 3, "include_reference": True}
    columns = subject.draw_slice(section, TARGETS, VOCABULARY, seed=1, index=0)
    assert candidates(columns, 3)[::3] == TARGETS
    assert columns["log_q0"][::3] == pytest.approx(
        [-math.log(math.floor(0.2 * len(target) + 1e-9) + 1) for target in TARGETS]
    )
    assert candidates(columns, 3)[1::3] != TARGETS

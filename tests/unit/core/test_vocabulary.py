from collections import Counter
from pathlib import Path

import pytest

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.vocabulary import BOS, EOS, PAD, SPECIALS, UNK, Vocab


def test_the_specials_come_first():
    vocab = Vocab(["a"])

    assert vocab.tokens == ("<pad>", "<unk>", "<s>", "</s>", "a")
    assert [vocab.tokens[index] for index in (PAD, UNK, BOS, EOS)] == list(SPECIALS)
    assert len(vocab) == 5


def test_unknown_words_become_unk():
    vocab = Vocab(["ein", "haus"])

    assert vocab.encode(["ein", "boot"]) == [4, UNK]
    assert vocab.decode([4, UNK, 5]) == ["ein", "<unk>", "haus"]


def test_the_most_frequent_words_ties_by_the_word():
    counts = Counter({"b": 2, "a": 2, "c": 3, "d": 1})

    assert Vocab.from_counts(counts).tokens[4:] == ("c", "a", "b", "d")
    assert Vocab.from_counts(counts, size=2).tokens[4:] == ("c", "a")
    assert Vocab.from_counts(counts, min_frequency=2).tokens[4:] == ("c", "a", "b")
    assert Vocab.from_counts(Counter(dict(reversed(counts.items())))).tokens[4:] == (
        "c",
        "a",
        "b",
        "d",
    )


def test_a_word_spelled_like_a_special_takes_no_place():
    vocab = Vocab.from_counts(Counter({"<s>": 9, "a": 1}), size=1)

    assert vocab.tokens[4:] == ("a",)


@pytest.mark.parametrize("token", SPECIALS)
def test_text_never_names_a_special(token: str):
    assert Vocab(["a"]).encode(["a", token]) == [4, UNK]


def test_saved_and_loaded(tmp_path: Path):
    vocab = Vocab(["a\u2028b", "\u0085", "c"])
    vocab.save(tmp_path / "vocab.txt")

    assert Vocab.load(tmp_path / "vocab.txt").tokens == vocab.tokens


def test_another_file_is_refused(tmp_path: Path):
    path = tmp_path / "vocab.txt"
    path.write_text("a\nb\nc\nd\n")

    with pytest.raises(UserError, match=r"vocab\.txt:1: "):
        Vocab.load(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b", "a"], r"vocab\.txt:7: .*'a' twice \(also in line 5"),
        (["a", "<unk>"], r"vocab\.txt:6: .*'<unk>' twice \(also in line 2"),
        (["a", ""], r"vocab\.txt:6: '' is not a word"),
        (["a b"], r"vocab\.txt:5: 'a b' is not a word"),
    ],
)
def test_a_file_with_invalid_or_repeated_words_is_refused(
    tmp_path: Path, words: list[str], message: str
):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{word}\n" for word in (*SPECIALS, *words)), encoding="utf-8")

    with pytest.raises(UserError, match=message):
        Vocab.load(path)


def test_a_word_may_stand_once():
    with pytest.raises(UserError, match="'a' twice"):
        Vocab(["a", "b", "a"])

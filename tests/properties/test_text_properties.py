"""Properties of the parsers and of everything that carries text."""

import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from alpha_dimt.config import DataConfig
from alpha_dimt.config.corpora import ToyCorpus
from alpha_dimt.config.preparation import Preparation, WordsConfig
from alpha_dimt.core.files import read_lines, write_lines
from alpha_dimt.core.vocabulary import SPECIALS, Vocab
from alpha_dimt.data.build_encoded import encode_corpus
from alpha_dimt.data.clean import judge
from alpha_dimt.data.corpora import iwslt14
from alpha_dimt.data.prepare import Pair, cut_validation
from alpha_dimt.data.subword import learn_codes, segment
from alpha_dimt.data.tokenise import tokenise

# Anything that one line can hold, odd line separators included.
LINE = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40)
# Text between tags: without angle brackets, without spaces at its ends.
SENTENCE = st.text(
    st.characters(exclude_characters="\n<>", exclude_categories=["Cs"]), min_size=1, max_size=40
).map(str.strip)
TOKEN = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8).filter(
    lambda token: token not in SPECIALS
)
TOKENS = st.lists(TOKEN, min_size=1, max_size=12).map(" ".join)
METADATA = st.sampled_from(
    [
        "<url>x</url>",
        "<keywords>a, b</keywords>",
        "<talkid>1</talkid>",
        "<speaker>S</speaker>",
        '<reviewer href="x">R</reviewer>',
        "<translator>T</translator>",
        '<doc docid="1">',
        "</doc>",
    ]
)


@given(st.lists(LINE))
def test_lines_survive_a_file(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines"
        write_lines(path, ["", *lines])
        # A byte order mark at the start of a file is not text.
        assert read_lines(path) == ["", *lines]


@given(st.lists(SENTENCE | st.tuples(METADATA)))
def test_train_tags_keep_sentences_and_drop_metadata(parts: list[str | tuple[str]]) -> None:
    lines = [part if isinstance(part, str) else part[0] for part in parts]
    sentences = [part for part in parts if isinstance(part, str)]
    assert iwslt14.training_segments(lines) == sentences


@given(SENTENCE, st.sampled_from(["title", "description"]))
def test_titles_and_descriptions_are_text(sentence: str, tag: str) -> None:
    assert iwslt14.training_segments([f"<{tag}>{sentence}</{tag}>"]) == [sentence]


@given(st.lists(SENTENCE), st.integers(1, 99_999))
def test_every_segment_is_one_sentence(sentences: list[str], first: int) -> None:
    lines = ["<doc>"]
    for number, sentence in enumerate(sentences, start=first):
        lines += [f'<seg id="{number}"> {sentence} </seg>', "<p>"]
    expected = [sentence.replace("’", "'") for sentence in sentences]
    assert iwslt14.test_segments(lines, "x.xml") == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=5), st.sampled_from(["de", "en"]), st.booleans())
def test_tokenised_text_has_single_spaces(lines: list[str], language: str, normalise: bool) -> None:
    result = tokenise(lines, language, Preparation(normalise_punctuation=normalise))
    assert len(result) == len(lines)
    for line in result:
        assert line == " ".join(line.split())


@given(TOKENS | st.just(""), TOKENS | st.just(""))
def test_cleaning_knows_no_sides(source: str, target: str) -> None:
    preparation = Preparation(max_length=5)
    assert judge(source, target, preparation) == judge(target, source, preparation)


@given(st.integers(0, 200), st.integers(1, 30))
def test_validation_and_training_are_all(size: int, every: int) -> None:
    pairs = [Pair(str(number), "", "", "") for number in range(size)]
    train, valid = cut_validation(pairs, every)
    assert len(valid) == size // every
    assert sorted(train + valid) == sorted(pairs)


@given(st.lists(TOKENS, min_size=1, max_size=20), st.integers(1, 4))
def test_vocabulary_round_trip(lines: list[str], min_frequency: int) -> None:
    counts = Counter(token for line in lines for token in line.split(" "))
    vocab = Vocab.from_counts(counts, min_frequency=min_frequency)
    with tempfile.TemporaryDirectory() as folder:
        vocab.save(Path(folder) / "vocab.txt")
        loaded = Vocab.load(Path(folder) / "vocab.txt")
    assert loaded.tokens == vocab.tokens
    for token, count in counts.items():
        expected = token if count >= min_frequency else "<unk>"
        assert loaded.decode(loaded.encode([token])) == [expected]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(TOKENS, TOKENS), min_size=1, max_size=10))
def test_encoded_corpus_gives_the_text_back(pairs: list[tuple[str, str]]) -> None:
    preparation = Preparation(vocabulary=WordsConfig(kind="words"))
    config = DataConfig(corpus=ToyCorpus(kind="toy"), preparation=preparation)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split in ("train", "valid", "test"):
            write_lines(folder / f"{split}.de", (source for source, _ in pairs))
            write_lines(folder / f"{split}.en", (target for _, target in pairs))
        encode_corpus(config, text=folder, out=folder / "encoded")
        table = pa.ipc.open_file(str(folder / "encoded" / "train.arrow")).read_all()
        vocab = Vocab.load(folder / "encoded" / "vocab.de.txt")
        decoded = [" ".join(vocab.decode(ids)) for ids in table["source"].to_pylist()]
        assert decoded == [source for source, _ in pairs]
        assert table["target_text"].to_pylist() == [target for _, target in pairs]


@settings(max_examples=50, deadline=None)
@given(st.lists(TOKENS, min_size=1, max_size=10), st.integers(1, 20))
def test_subwords_join_to_the_text(lines: list[str], operations: int) -> None:
    codes = learn_codes([*lines, "ein ein ein"], operations)
    joined = [line.replace("@@ ", "") for line in segment(lines, codes)]
    assert joined == [line.replace("@@ ", "") for line in lines]

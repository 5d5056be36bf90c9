import hashlib
import re
from collections import Counter
from itertools import chain

import pytest

from alpha_dimt.config.corpora import ToyCorpus
from alpha_dimt.data.corpora.toy import english, german, words
from alpha_dimt.data.corpora.toy.corpus import draw_corpus
from alpha_dimt.data.corpora.toy.draw import Draw
from alpha_dimt.data.corpora.toy.meaning import (
    Clause,
    Embedded,
    Name,
    NounPhrase,
    Object,
    Pronoun,
    Relative,
    Sentence,
    Where,
)

CORPUS = ToyCorpus(kind="toy")


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[tuple[str, str]]]:
    return draw_corpus(CORPUS)


def digest(pairs: list[tuple[str, str]]) -> str:
    return hashlib.sha256(repr(pairs).encode()).hexdigest()[:16]


def test_same_everywhere(corpus: dict[str, list[tuple[str, str]]]) -> None:
    """A change of the grammar changes this value, and with it all results on the corpus."""
    assert digest(corpus["test"]) == "a6907128bc535c7e"
    assert digest(corpus["train"]) == "180bbef4bda2564d"


def test_other_seed_other_corpus() -> None:
    small = {"kind": "toy", "train": 10, "valid": 2, "test": 2}
    assert draw_corpus(ToyCorpus(**small, seed=1)) != draw_corpus(ToyCorpus(**small, seed=2))


def test_sizes_and_disjoint_splits(corpus: dict[str, list[tuple[str, str]]]) -> None:
    assert {split: len(pairs) for split, pairs in corpus.items()} == {
        "train": 6000,
        "valid": 500,
        "test": 500,
    }
    sources = [source for source, _ in chain(*corpus.values())]
    assert len(set(sources)) == 7000


def test_test_part_does_not_depend_on_the_training_part(
    corpus: dict[str, list[tuple[str, str]]],
) -> None:
    smaller = draw_corpus(CORPUS.model_copy(update={"train": 10}))
    assert smaller["test"] == corpus["test"]
    assert smaller["valid"] == corpus["valid"]


def test_lengths(corpus: dict[str, list[tuple[str, str]]]) -> None:
    for pair in chain(*corpus.values()):
        for text in pair:
            assert 3 <= len(re.findall(r"\w+|[^\w\s]", text)) <= 25
            assert text == " ".join(text.split())


def test_rare_names_are_spelled_alike(corpus: dict[str, list[tuple[str, str]]]) -> None:
    """Names that are seen once or twice give unknown-word replacement something to do."""
    sides = [
        Counter(re.findall(r"\w+", text))
        for text in map(" ".join, zip(*corpus["train"], strict=True))
    ]
    rare = {word for word, count in sides[0].items() if count < 3} & {
        word for word, count in sides[1].items() if count < 3
    }
    assert len(rare) > 1000


def test_vocabulary_has_a_long_tail(corpus: dict[str, list[tuple[str, str]]]) -> None:
    counts = Counter(re.findall(r"\w+", " ".join(source for source, _ in corpus["train"]).lower()))
    assert len([word for word, count in counts.items() if count >= 3]) > 800
    assert len([word for word, count in counts.items() if count == 1]) > 500


# ----------------------------------------------------------------- the problems of translation


def verb(infinitive: str) -> words.Verb:
    known = chain(words.TRANSITIVE, words.DITRANSITIVE, words.SAYING, words.MOTION, words.TRYING)
    return next(item for item in known if item.particle + item.infinitive == infinitive)


def noun(singular: str) -> words.Noun:
    known = chain(*words.GROUPS.values(), (place.noun for place in words.PLACES))
    return next(item for item in known if item.german == singular)


def adjective(stem: str) -> words.Adjective:
    return next(item for item in words.ADJECTIVES if item.german == stem)


class Usual(Draw):
    """Always takes the usual words."""

    def chance(self, percent: int) -> bool:
        return percent >= 50


def both(sentence: Sentence) -> tuple[str, str]:
    return german.sentence(sentence), english.sentence(sentence, Usual(1))


ER = Pronoun("er")
DOG = NounPhrase(noun("Hund"), "the")


@pytest.mark.parametrize(
    ("determiner", "adjective_stem", "singular", "plural", "case", "expected"),
    [
        ("the", "alt", "Mann", False, "nom", "der alte Mann"),
        ("the", "alt", "Mann", False, "acc", "den alten Mann"),
        ("the", "alt", "Mann", False, "dat", "dem alten Mann"),
        ("a", "teuer", "Auto", False, "nom", "ein teures Auto"),
        ("a", "dunkel", "Haus", False, "dat", "einem dunklen Haus"),
        ("my", "klein", "Frau", False, "dat", "meiner kleinen Frau"),
        ("our", "neu", "Freund", False, "acc", "unseren neuen Freund"),
        ("this", "klein", "Kind", False, "acc", "dieses kleine Kind"),
        ("the", "klein", "Kind", True, "dat", "den kleinen Kindern"),
        ("two", "klein", "Auto", True, "dat", "zwei kleinen Autos"),
        ("many", "rot", "Buch", True, "acc", "viele rote Bücher"),
        ("some", "rot", "Buch", True, "dat", "einigen roten Büchern"),
        ("the", "jung", "Student", False, "acc", "den jungen Studenten"),
        ("", "schwarz", "Kaffee", False, "acc", "schwarzen Kaffee"),
    ],
)
def test_agreement(
    determiner: str,
    adjective_stem: str,
    singular: str,
    plural: bool,
    case: str,
    expected: str,
) -> None:
    meaning = NounPhrase(noun(singular), determiner, plural, adjective(adjective_stem))
    assert german.phrase(meaning, case) == expected


def test_separable_verbs() -> None:
    call = Clause(ER, verb("anrufen"), objects=(Object(DOG, "acc"),))
    assert both(Sentence("statement", call)) == ("Er ruft den Hund an.", "He calls the dog.")
    that = Clause(Pronoun("ich"), verb("glauben"), embedded=Embedded("that", call))
    assert both(Sentence("statement", that)) == (
        "Ich glaube, dass er den Hund anruft.",
        "I believe that he calls the dog.",
    )
    to = Clause(ER, verb("versuchen"), embedded=Embedded("to", call))
    assert both(Sentence("statement", to)) == (
        "Er versucht, den Hund anzurufen.",
        "He tries to call the dog.",
    )


def test_verb_stands_last_in_subordinate_clauses() -> None:
    see = Clause(Pronoun("wir"), verb("sehen"), "perfect", objects=(Object(DOG, "acc"),))
    sentence = Sentence(
        "fronted",
        Clause(ER, verb("gehen"), "modal", modal=("können", "can")),
        second=see,
        conjunction=("weil", ("because",)),
    )
    assert both(sentence) == (
        "Weil wir den Hund gesehen haben, kann er gehen.",
        "Because we saw the dog, he can go.",
    )


def test_verb_stands_second_whatever_comes_first() -> None:
    yesterday = words.PAST[0]
    see = Clause(ER, verb("sehen"), "perfect", objects=(Object(DOG, "acc"),), time=yesterday)
    assert both(Sentence("statement", see, front="time")) == (
        "Gestern hat er den Hund gesehen.",
        "Yesterday, he saw the dog.",
    )
    assert both(Sentence("statement", see, front="object")) == (
        "Den Hund hat er gestern gesehen.",
        "He saw the dog yesterday.",
    )


def test_negation() -> None:
    one = NounPhrase(noun("Hund"), "a")
    see = Clause(ER, verb("sehen"), negated=True, objects=(Object(one, "acc"),))
    assert both(Sentence("statement", see)) == (
        "Er sieht keinen Hund.",
        "He does not see a dog.",
    )
    the = Clause(ER, verb("sehen"), negated=True, objects=(Object(DOG, "acc"),))
    assert both(Sentence("question", the)) == (
        "Sieht er den Hund nicht?",
        "Does he not see the dog?",
    )


def test_relative_clause_and_quotation() -> None:
    buy = Clause(ER, verb("kaufen"), "preterite", objects=(Object(DOG, "acc"),))
    man = NounPhrase(noun("Frau"), "a", relative=Relative(buy, "subject"))
    say = Clause(man, verb("sagen"))
    said = Clause(
        Pronoun("ich"),
        verb("gehen"),
        where=Where("zu", "to", NounPhrase(noun("Bahnhof"), "the"), "dat"),
    )
    assert both(Sentence("quoted", say, second=said)) == (
        "Eine Frau, die den Hund kaufte, sagt: „Ich gehe zum Bahnhof.“",
        'A woman who bought the dog says, "I go to the station."',
    )


def test_possessors_and_titles() -> None:
    dog = NounPhrase(noun("Hund"), Name("Lukas", "Lukas"))
    give = Clause(
        Name("Herr Belda", "Mr. Belda"),
        verb("geben"),
        objects=(Object(Name("Herr Tolna", "Mr. Tolna"), "dat"), Object(dog, "acc")),
    )
    assert both(Sentence("statement", give)) == (
        "Herr Belda gibt Herrn Tolna Lukas' Hund.",
        "Mr. Belda gives Mr. Tolna Lukas's dog.",
    )


def test_particles_go_behind_pronouns() -> None:
    clause = Clause(ER, verb("abholen"), "perfect", objects=(Object(Pronoun("sie"), "acc"),))
    assert both(Sentence("statement", clause)) == ("Er hat sie abgeholt.", "He picked her up.")

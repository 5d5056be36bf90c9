"""What a sentence says, apart from any language."""

from dataclasses import dataclass, field
from typing import Literal

from alpha_dimt.data.corpora.toy.words import Adjective, Adverb, Noun, Verb

Tense = Literal["present", "perfect", "preterite", "future", "modal"]
Question = Literal["question", "why", "when"]
Person = Literal["ich", "du", "er", "sie", "wir", "sie_plural", "Sie"]


@dataclass(frozen=True)
class Pronoun:
    """A personal pronoun, named by its German form."""

    person: Person


@dataclass(frozen=True)
class Name:
    """A proper name, with a title or without, spelled alike on both sides but for known cities."""

    german: str
    english: str


@dataclass(frozen=True)
class NounPhrase:
    """A noun with its company.

    `determiner` is a key of both languages' tables, a number, or a `Name` that possesses it.
    """

    noun: Noun
    determiner: "str | Name"
    plural: bool = False
    adjective: Adjective | None = None
    compound: tuple[str, str] | None = None
    relative: "Relative | None" = None


Phrase = Pronoun | Name | NounPhrase


@dataclass(frozen=True)
class Object:
    """An object in its German case, perhaps with a preposition."""

    phrase: Phrase
    case: str
    preposition: str = ""
    english_preposition: str = ""


@dataclass(frozen=True)
class Where:
    """A place where something happens or that it moves to."""

    german: str
    english: str
    phrase: Phrase
    case: str


@dataclass(frozen=True)
class Quality:
    """What a subject is: an adjective, perhaps graded or compared with somebody."""

    adjective: Adjective
    degree: str = ""
    than: Phrase | None = None


@dataclass(frozen=True)
class Embedded:
    """A clause that hangs on another: "dass ...", or an infinitive with "zu"."""

    kind: Literal["that", "to", "in order to", "conjunction"]
    clause: "Clause"
    german: str = ""
    english: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clause:
    """Who does what to whom, when, where and how."""

    subject: Phrase
    verb: Verb
    tense: Tense = "present"
    modal: tuple[str, str] | None = None
    negated: bool = False
    objects: tuple[Object, ...] = ()
    quality: Quality | None = None
    time: Adverb | None = None
    manner: Adverb | None = None
    where: Where | None = None
    embedded: Embedded | None = None


@dataclass(frozen=True)
class Relative:
    """A relative clause; its subject (or its accusative object) is the noun it follows."""

    clause: Clause
    gap: Literal["subject", "object"]


@dataclass(frozen=True)
class Sentence:
    """One or two clauses and the way they are put together."""

    kind: Question | Literal["statement", "fronted", "coordinated", "quoted"]
    clause: Clause
    front: Literal["subject", "time", "where", "object"] = "subject"
    second: Clause | None = None
    conjunction: tuple[str, tuple[str, ...]] = field(default=("", ()))

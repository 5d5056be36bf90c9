"""Saying a meaning in German: case, gender, number, and where the verb stands."""

from dataclasses import replace

from alpha_dimt.data.corpora.toy import words
from alpha_dimt.data.corpora.toy.meaning import (
    Clause,
    Embedded,
    Name,
    NounPhrase,
    Object,
    Phrase,
    Pronoun,
    Relative,
    Sentence,
    Where,
)
from alpha_dimt.data.corpora.toy.words import Verb


# Endings by case, for masculine, feminine, neuter and plural.
def _endings(nominative: str, accusative: str, dative: str) -> dict[str, dict[str, str]]:
    rows = {"nom": nominative, "acc": accusative, "dat": dative}
    return {case: dict(zip("mfnp", row.split(), strict=True)) for case, row in rows.items()}


_THE = _endings("der die das die", "den die das die", "dem der dem den")
_STRONG = _endings("er e es e", "en e es e", "em er em en")
# "ein" and its like have no ending where "-" stands.
_EIN = _endings("- e - e", "en e - e", "em er em en")
_EIN_WORDS = {
    "a": "ein",
    "no": "kein",
    "my": "mein",
    "your": "dein",
    "his": "sein",
    "her": "ihr",
    "our": "unser",
}
_DER_WORDS = {"this": "dies", "every": "jed"}
_PLURAL_WORDS = {"many": "viele", "some": "einige", "two": "zwei", "three": "drei"}

_PRONOUNS = {
    "ich": {"nom": "ich", "acc": "mich", "dat": "mir"},
    "du": {"nom": "du", "acc": "dich", "dat": "dir"},
    "er": {"nom": "er", "acc": "ihn", "dat": "ihm"},
    "sie": {"nom": "sie", "acc": "sie", "dat": "ihr"},
    "wir": {"nom": "wir", "acc": "uns", "dat": "uns"},
    "sie_plural": {"nom": "sie", "acc": "sie", "dat": "ihnen"},
    "Sie": {"nom": "Sie", "acc": "Sie", "dat": "Ihnen"},
}
# Index into verb forms: ich, du, er/sie/es, plural.
_PERSONS = {"ich": 0, "du": 1, "er": 2, "sie": 2, "wir": 3, "sie_plural": 3, "Sie": 3}
_CONTRACTED = {
    "in dem": "im",
    "in das": "ins",
    "an dem": "am",
    "an das": "ans",
    "zu dem": "zum",
    "zu der": "zur",
    "von dem": "vom",
}
_DEGREES = {"": "", "very": "sehr ", "too": "zu "}


def sentence(meaning: Sentence) -> str:
    """Return the sentence as German text, cased and punctuated."""
    clause = meaning.clause
    if meaning.kind == "statement":
        text, end = _main(clause, meaning.front), "."
    elif meaning.kind in ("question", "why", "when"):
        asked = {"question": "", "why": "warum ", "when": "wann "}[meaning.kind]
        text, end = asked + _inverted(clause), "?"
    elif meaning.kind == "coordinated":
        second = _main(_second(meaning), "subject")
        text, end = f"{_main(clause, 'subject')} , {meaning.conjunction[0]} {second}", "."
    elif meaning.kind == "fronted":
        first = f"{meaning.conjunction[0]} {_verb_last(_second(meaning))}"
        text, end = f"{first} , {_inverted(clause)}", "."
    else:
        text = f"{_main(clause, 'subject')} : „{_capital(_main(_second(meaning), 'subject'))}"
        return _polish(f"{text} .“")
    return _polish(f"{text} {end}")


def _second(meaning: Sentence) -> Clause:
    if meaning.second is None:
        raise ValueError(f"a {meaning.kind} sentence has two clauses")
    return meaning.second


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _polish(text: str) -> str:
    """Join punctuation to words and let one comma or stop swallow another."""
    text = " ".join(text.split())
    for spaced, joined in ((" , .", "."), (" , ?", "?"), (" , :", ":"), (" , ,", " ,")):
        text = text.replace(spaced, joined)
    for mark in ".,?:":
        text = text.replace(f" {mark}", mark)
    return _capital(text)


# ------------------------------------------------------------------------------------ phrases


def phrase(meaning: Phrase, case: str) -> str:
    """Return a noun phrase, name or pronoun in a case: "nom", "acc" or "dat"."""
    if isinstance(meaning, Pronoun):
        return _PRONOUNS[meaning.person][case]
    if isinstance(meaning, Name):
        # Titles are declined: "Herr" is weak.
        return meaning.german.replace("Herr ", "Herr " if case == "nom" else "Herrn ")
    return _noun_phrase(meaning, case)


def _noun_phrase(meaning: NounPhrase, case: str) -> str:
    form = "p" if meaning.plural else meaning.noun.gender
    article, ending = _article(meaning.determiner, case, form)
    parts = [article]
    if meaning.adjective:
        parts.append(meaning.adjective.stem + ending)
    noun = _noun(meaning, case)
    if meaning.compound:
        noun = meaning.compound[0] + noun.lower()
    parts.append(noun)
    if meaning.relative:
        parts.append(f", {_relative(meaning.relative, form)} ,")
    return " ".join(part for part in parts if part)


def _article(determiner: str | Name, case: str, form: str) -> tuple[str, str]:
    """Return the determiner and the ending that it leaves to an adjective."""
    strong, weak = _STRONG[case][form], "en"
    if form != "p" and (case == "nom" or (case == "acc" and form in "fn")):
        weak = "e"
    if isinstance(determiner, Name):
        genitive = "'" if determiner.german[-1] in "sxzß" else "s"
        return determiner.german + genitive, strong
    if determiner == "the":
        return _THE[case][form], weak
    if determiner in _DER_WORDS:
        return _DER_WORDS[determiner] + strong, weak
    if determiner in _EIN_WORDS:
        ending = _EIN[case][form].strip("-")
        return _EIN_WORDS[determiner] + ending, weak if ending else strong
    if determiner in ("many", "some") and case == "dat":
        return _PLURAL_WORDS[determiner] + "n", strong
    return _PLURAL_WORDS.get(determiner, ""), strong


def _noun(meaning: NounPhrase, case: str) -> str:
    noun = meaning.noun
    if meaning.plural:
        needs_n = case == "dat" and not noun.german_plural.endswith(("n", "s"))
        return noun.german_plural + ("n" if needs_n else "")
    return noun.german_plural if noun.weak and case != "nom" else noun.german


def _relative(meaning: Relative, form: str) -> str:
    if meaning.gap == "object":
        return f"{_THE['acc'][form]} {_verb_last(meaning.clause)}"
    person = 3 if form == "p" else 2
    return f"{_THE['nom'][form]} {_verb_last(meaning.clause, subject='', person=person)}"


def _with_preposition(preposition: str, meaning: Phrase, case: str) -> str:
    text = f"{preposition} {phrase(meaning, case)}"
    if isinstance(meaning, NounPhrase) and meaning.determiner == "the":
        first, article, rest = text.split(" ", 2)
        pair = f"{first} {article}"
        return f"{_CONTRACTED.get(pair, pair)} {rest}"
    return text


# ------------------------------------------------------------------------------------- verbs


def _person(subject: Phrase) -> int:
    if isinstance(subject, Pronoun):
        return _PERSONS[subject.person]
    return 3 if isinstance(subject, NounPhrase) and subject.plural else 2


def _present(verb: str, third: str, person: int) -> str:
    if verb in words.PRESENT:
        return words.PRESENT[verb][person]
    if person == 0:
        return verb.removesuffix("n")
    if person == 1:
        return third if third.endswith(("st", "ßt", "zt")) else third.removesuffix("t") + "st"
    return third if person == 2 else verb


def _past(third: str, person: int) -> str:
    if person == 1:
        return third + ("est" if third.endswith(("d", "t", "s", "ß")) else "st")
    if person == 3:
        return third + ("n" if third.endswith("e") else "en")
    return third


def _verb(clause: Clause, person: int) -> tuple[str, str]:
    """Return the finite verb and what stands at the end of a main clause."""
    verb = clause.verb
    if clause.modal:
        return _present(clause.modal[0], "", person), verb.particle + verb.infinitive
    if clause.tense == "future":
        return _present("werden", "", person), verb.particle + verb.infinitive
    if clause.tense == "perfect":
        return _present(verb.auxiliary, "", person), verb.particle + verb.participle
    if clause.tense == "preterite":
        return _past(verb.past, person), verb.particle
    return _present(verb.infinitive, verb.third, person), verb.particle


def _to_infinitive(verb: Verb) -> str:
    if verb.particle:
        return f"{verb.particle}zu{verb.infinitive}"
    return f"zu {verb.infinitive}"


# ------------------------------------------------------------------------------------ clauses


def _object(meaning: Object, *, negated: bool) -> str:
    target = meaning.phrase
    if negated and isinstance(target, NounPhrase) and target.determiner == "a":
        target = replace(target, determiner="no")
    if meaning.preposition:
        return _with_preposition(meaning.preposition, target, meaning.case)
    return phrase(target, meaning.case)


def _where(meaning: Where) -> str:
    return _with_preposition(meaning.german, meaning.phrase, meaning.case)


def _middle(clause: Clause) -> dict[str, str]:
    """Return what stands between the verb and the end, in German order: pronouns come first."""
    kein = clause.negated and any(
        isinstance(item.phrase, NounPhrase)
        and item.phrase.determiner == "a"
        and not item.preposition
        for item in clause.objects
    )
    objects = [_object(item, negated=kein) for item in clause.objects]
    light = [isinstance(item.phrase, Pronoun) for item in clause.objects]
    pieces = {
        "pronouns": " ".join(
            text for text, is_light in zip(objects, light, strict=True) if is_light
        ),
        "time": clause.time.german if clause.time else "",
    }
    prepositional = bool(clause.objects) and bool(clause.objects[0].preposition)
    heavy = " ".join(text for text, is_light in zip(objects, light, strict=True) if not is_light)
    negation = "nicht" if clause.negated and not kein else ""
    if prepositional:
        pieces |= {"negation": negation, "object": heavy}
    else:
        pieces |= {"object": heavy, "negation": negation}
    pieces["manner"] = clause.manner.german if clause.manner else ""
    pieces["where"] = _where(clause.where) if clause.where else ""
    pieces["quality"] = _quality(clause)
    return pieces


def _quality(clause: Clause) -> str:
    quality = clause.quality
    if quality is None:
        return ""
    if quality.than and quality.adjective.comparative:
        return f"{quality.adjective.comparative[0]} als {phrase(quality.than, 'nom')}"
    return _DEGREES[quality.degree] + quality.adjective.german


def _embedded(meaning: Embedded | None) -> str:
    if meaning is None:
        return ""
    if meaning.kind == "that":
        return f", dass {_verb_last(meaning.clause)}"
    if meaning.kind == "conjunction":
        return f", {meaning.german} {_verb_last(meaning.clause)}"
    lead = "um " if meaning.kind == "in order to" else ""
    middle = " ".join(_middle(meaning.clause).values())
    return f", {lead}{middle} {_to_infinitive(meaning.clause.verb)}"


def _main(clause: Clause, front: str) -> str:
    """Return a main clause: the finite verb stands second, whatever comes first."""
    if front == "subject":
        return f"{phrase(clause.subject, 'nom')} {_rest(clause, subject='', front='')}"
    first = _middle(clause)[front]
    return f"{first} {_inverted(clause, front=front)}"


def _inverted(clause: Clause, front: str = "") -> str:
    return _rest(clause, subject=phrase(clause.subject, "nom"), front=front)


def _rest(clause: Clause, *, subject: str, front: str) -> str:
    finite, end = _verb(clause, _person(clause.subject))
    middle = " ".join(text for name, text in _middle(clause).items() if name != front)
    return f"{finite} {subject} {middle} {end} {_embedded(clause.embedded)}"


def _verb_last(clause: Clause, subject: str | None = None, person: int | None = None) -> str:
    """Return a subordinate clause: the finite verb stands last and keeps its prefix."""
    if subject is None:
        subject = phrase(clause.subject, "nom")
    finite, end = _verb(clause, _person(clause.subject) if person is None else person)
    simple = clause.tense in ("present", "preterite")
    verbs = end + finite if simple else f"{end} {finite}"
    middle = " ".join(_middle(clause).values())
    return f"{subject} {middle} {verbs} {_embedded(clause.embedded)}"

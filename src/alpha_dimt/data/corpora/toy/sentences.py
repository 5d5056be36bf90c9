"""Drawing the meaning of a sentence."""

from dataclasses import replace
from typing import Literal

from alpha_dimt.data.corpora.toy import words
from alpha_dimt.data.corpora.toy.draw import Draw
from alpha_dimt.data.corpora.toy.meaning import (
    Clause,
    Embedded,
    Name,
    NounPhrase,
    Object,
    Person,
    Phrase,
    Pronoun,
    Quality,
    Question,
    Relative,
    Sentence,
    Tense,
    Where,
)
from alpha_dimt.data.corpora.toy.words import Adjective, Adverb, Noun, Place, Verb

DETERMINERS = (
    (44, "the"),
    (26, "a"),
    (4, "this"),
    (2, "every"),
    (7, "my"),
    (2, "your"),
    (4, "his"),
    (3, "her"),
    (2, "our"),
)
PLURAL_DETERMINERS = ((40, "the"), (14, "many"), (14, "some"), (12, "two"), (6, "three"), (8, "my"))


def _name(draw: Draw) -> Name:
    if draw.chance(50):
        name = draw.zipf(words.FIRST_NAMES)
    else:
        parts = (words.NAME_STARTS, words.NAME_MIDDLES, words.NAME_ENDS)
        name = "".join(draw.choose(part) for part in parts)
        titles = ((70, ("", "")), (14, ("Herr ", "Mr. ")), (12, ("Frau ", "Mrs. ")))
        german, english = draw.weighted((*titles, (4, ("Dr. ", "Dr. "))))
        return Name(german + name, english + name)
    return Name(name, name)


def _town(draw: Draw) -> Name:
    if draw.chance(60):
        return Name(*draw.zipf(words.CITIES))
    parts = (words.NAME_STARTS, words.NAME_MIDDLES, words.TOWN_ENDS)
    town = "".join(draw.choose(part) for part in parts)
    return Name(town, town)


def _adjective(draw: Draw, noun: Noun) -> Adjective:
    kind = "living" if noun in words.PERSONS + words.ANIMALS else "lifeless"
    return draw.zipf([word for word in words.ADJECTIVES if word.goes_with in (kind, "any")])


def _noun_phrase(draw: Draw, noun: Noun, *, relative: bool = False) -> NounPhrase:
    determiner: str | Name
    plural = not noun.mass and draw.chance(22)
    if noun.mass:
        determiner = draw.weighted(((50, "the"), (35, ""), (15, "my")))
    elif not plural and draw.chance(4):
        name = draw.zipf(words.FIRST_NAMES)
        determiner = Name(name, name)
    else:
        determiner = draw.weighted(PLURAL_DETERMINERS if plural else DETERMINERS)
    adjective = _adjective(draw, noun) if draw.chance(24) else None
    compound = None
    if noun in words.THINGS and adjective is None and draw.chance(6):
        compound = draw.choose(words.COMPOUND_PARTS)
    phrase = NounPhrase(noun, determiner, plural, adjective, compound)
    if relative and draw.chance(9):
        return replace(phrase, relative=_relative(draw, noun))
    return phrase


def _relative(draw: Draw, noun: Noun) -> Relative:
    tense = _tense(draw, modal=False)
    if noun in words.PERSONS and draw.chance(60):
        verb = draw.zipf(words.TRANSITIVE)
        thing = Object(_noun_phrase(draw, _object_noun(draw, verb)), "acc")
        # The subject stands for the noun itself and is not said.
        return Relative(Clause(Pronoun("er"), verb, tense, objects=(thing,)), "subject")
    group = next(letter for letter, nouns in words.GROUPS.items() if noun in nouns)
    verb = draw.zipf([verb for verb in words.TRANSITIVE if group in verb.objects])
    return Relative(Clause(_subject(draw), verb, tense), "object")


def _subject(draw: Draw, *, relative: bool = False) -> Phrase:
    kind = draw.below(100)
    if kind < 36:
        return _pronoun(draw)
    if kind < 58:
        return _name(draw)
    if kind < 94:
        return _noun_phrase(draw, draw.zipf(words.PERSONS), relative=relative)
    return _noun_phrase(draw, draw.zipf(words.ANIMALS))


def _pronoun(draw: Draw) -> Pronoun:
    persons: tuple[tuple[int, Person], ...] = (
        (26, "ich"),
        (8, "du"),
        (22, "er"),
        (16, "sie"),
        (14, "wir"),
        (10, "sie_plural"),
        (4, "Sie"),
    )
    return Pronoun(draw.weighted(persons))


def _object_noun(draw: Draw, verb: Verb) -> Noun:
    return draw.zipf(words.GROUPS[draw.choose(verb.objects)])


def _object(draw: Draw, verb: Verb, *, relative: bool = False) -> Object:
    noun = _object_noun(draw, verb)
    phrase: Phrase
    if noun in words.PERSONS and draw.chance(25):
        phrase = _name(draw)
    elif noun in words.PERSONS and not verb.preposition and draw.chance(25):
        phrase = _pronoun(draw)
    else:
        phrase = _noun_phrase(draw, noun, relative=relative)
    return Object(phrase, verb.case, verb.preposition, verb.english_preposition)


def _tense(draw: Draw, *, modal: bool = True) -> Tense:
    tenses: tuple[tuple[int, Tense], ...] = (
        (38, "present"),
        (26, "perfect"),
        (12, "preterite"),
        (8, "future"),
    )
    return draw.weighted((*tenses, (16, "modal")) if modal else tenses)


def _time(draw: Draw, tense: Tense) -> Adverb:
    near = {"present": words.NOW, "future": words.FUTURE, "modal": words.FUTURE}
    fitting = near.get(tense, words.PAST)
    return draw.zipf(fitting) if draw.chance(60) else draw.zipf(words.ALWAYS)


def _where(draw: Draw) -> Where:
    if draw.chance(25):
        return Where("in", "in", _town(draw), "dat")
    place = draw.zipf(words.PLACES)
    return Where(place.german, place.english, _place_phrase(draw, place), "dat")


def _whither(draw: Draw) -> Where:
    if draw.chance(30):
        return Where("nach", "to", _town(draw), "dat")
    place = draw.zipf(words.PLACES)
    phrase = _place_phrase(draw, place)
    if place.german == "in" and draw.chance(50):
        return Where("in", "to", phrase, "acc")
    return Where("zu", "to", phrase, "dat")


def _place_phrase(draw: Draw, place: Place) -> NounPhrase:
    determiner = draw.weighted(((75, "the"), (15, "a"), (5, "this"), (5, "our")))
    adjective = _adjective(draw, place.noun) if draw.chance(10) else None
    return NounPhrase(place.noun, determiner, adjective=adjective)


def _clause(draw: Draw, *, relative: bool = False, adverbs: bool = True) -> Clause:
    """Draw a main clause's content; without adverbs it is short enough to be embedded."""
    tense = _tense(draw)
    subject = _subject(draw, relative=relative)
    objects: tuple[Object, ...] = ()
    kind = draw.below(100)
    if kind < 10:
        return _quality_clause(draw, subject)
    if kind < 56:
        verb = draw.zipf(words.TRANSITIVE)
        objects = (_object(draw, verb, relative=relative),)
    elif kind < 63:
        verb = draw.zipf(words.DATIVE)
        objects = (_object(draw, verb),)
    elif kind < 70:
        verb = draw.zipf(words.PREPOSITIONAL)
        objects = (_object(draw, verb),)
    elif kind < 79:
        verb = draw.zipf(words.DITRANSITIVE)
        given = _noun_phrase(draw, _object_noun(draw, verb))
        objects = (_receiver(draw), Object(given, "acc"))
    elif kind < 90:
        verb = draw.zipf(words.INTRANSITIVE)
    else:
        verb = draw.zipf(words.MOTION)
    where = None
    if verb in words.MOTION:
        where = _whither(draw)
    elif draw.chance(45 if verb in words.INTRANSITIVE else 14):
        where = _where(draw)
    manner = None
    if verb in words.INTRANSITIVE and draw.chance(22):
        manner = draw.zipf(words.MANNER)
    return Clause(
        subject,
        verb,
        tense,
        modal=draw.zipf(words.MODALS) if tense == "modal" else None,
        negated=draw.chance(10),
        objects=objects,
        time=_time(draw, tense) if draw.chance(40 if adverbs else 10) else None,
        manner=manner,
        where=where,
    )


def _receiver(draw: Draw) -> Object:
    kind = draw.below(100)
    if kind < 30:
        return Object(_pronoun(draw), "dat")
    if kind < 55:
        return Object(_name(draw), "dat")
    return Object(_noun_phrase(draw, draw.zipf(words.PERSONS)), "dat")


def _quality_clause(draw: Draw, subject: Phrase) -> Clause:
    tense: Tense = "preterite" if draw.chance(35) else "present"
    if isinstance(subject, NounPhrase) and draw.chance(30):
        compared = [word for word in words.ADJECTIVES if word.comparative]
        fitting = [word for word in compared if word.goes_with != "lifeless"]
        quality = Quality(draw.zipf(fitting), than=_noun_phrase(draw, draw.zipf(words.PERSONS)))
    else:
        degree = draw.weighted(((60, ""), (25, "very"), (15, "too")))
        quality = Quality(draw.zipf(words.STATES), degree)
    return Clause(subject, words.BE, tense, negated=draw.chance(12), quality=quality)


def _embedding(draw: Draw) -> Clause:
    """Draw a clause with another one inside: "glauben, dass ...", "versuchen, ... zu ..."."""
    tense = _tense(draw, modal=False)
    subject = _subject(draw)
    kind = draw.below(100)
    if kind < 45:
        inner = _clause(draw, adverbs=False)
        return Clause(
            subject,
            draw.zipf(words.SAYING),
            tense,
            negated=draw.chance(10),
            embedded=Embedded("that", inner),
        )
    inner = replace(_clause(draw, adverbs=False), subject=subject, time=None, tense="present")
    inner = replace(inner, modal=None, negated=False)
    if inner.verb is words.BE:
        verb = draw.zipf(words.INTRANSITIVE)
        inner = Clause(subject, verb)
    if kind < 75:
        verb = draw.zipf(words.TRYING)
        return Clause(subject, verb, tense, embedded=Embedded("to", inner))
    outer = replace(_motion(draw), subject=subject)
    return replace(outer, embedded=Embedded("in order to", inner))


def _motion(draw: Draw) -> Clause:
    tense = _tense(draw)
    modal = draw.zipf(words.MODALS) if tense == "modal" else None
    verb = draw.zipf(words.MOTION)
    return Clause(Pronoun("er"), verb, tense, modal=modal, where=_whither(draw))


def draw_sentence(draw: Draw) -> Sentence:
    """Draw the meaning of one sentence."""
    kind = draw.below(100)
    if kind < 58:
        clause = _clause(draw, relative=True)
        return Sentence("statement", clause, front=_front(draw, clause))
    if kind < 68:
        questions: tuple[tuple[int, Question], ...] = ((70, "question"), (15, "why"), (15, "when"))
        question = draw.weighted(questions)
        return Sentence(question, replace(_clause(draw, adverbs=False), time=None))
    if kind < 80:
        return Sentence("statement", _embedding(draw))
    if kind < 92:
        first, second = _clause(draw, adverbs=False), _clause(draw, adverbs=False)
        if draw.chance(40):
            conjunction = draw.zipf(words.COORDINATIONS)
            return Sentence("coordinated", first, second=second, conjunction=conjunction)
        german, english = draw.zipf(words.CONJUNCTIONS)
        if draw.chance(35):
            return Sentence("fronted", first, second=second, conjunction=(german, english))
        subordinate = Embedded("conjunction", second, german, english)
        return Sentence("statement", replace(first, embedded=subordinate))
    said = _clause(draw, adverbs=False)
    speaker = Clause(_subject(draw), words.SAYING[0], "preterite" if draw.chance(50) else "present")
    return Sentence("quoted", speaker, second=said)


def _front(draw: Draw, clause: Clause) -> Literal["subject", "time", "where", "object"]:
    if clause.time and draw.chance(40):
        return "time"
    if clause.where and draw.chance(12):
        return "where"
    noun_object = clause.objects and isinstance(clause.objects[0].phrase, NounPhrase)
    if noun_object and isinstance(clause.subject, Pronoun | Name) and draw.chance(7):
        return "object"
    return "subject"

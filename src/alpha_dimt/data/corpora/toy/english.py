"""Saying a meaning in English, with the freedom that translators take."""

from alpha_dimt.data.corpora.toy.draw import Draw
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
)
from alpha_dimt.data.corpora.toy.words import PERSONS, Noun

# Subject form and object form.
_PRONOUNS = {
    "ich": ("I", "me"),
    "du": ("you", "you"),
    "er": ("he", "him"),
    "sie": ("she", "her"),
    "wir": ("we", "us"),
    "sie_plural": ("they", "them"),
    "Sie": ("you", "you"),
}
# Index into verb forms: "I", "you" and plural, third person.
_AGREEMENT = {"ich": 0, "du": 1, "er": 2, "sie": 2, "wir": 1, "sie_plural": 1, "Sie": 1}
_BE = ("am", "are", "is")
_BE_PAST = ("was", "were", "was")
_HAVE = ("have", "have", "has")
_DO = ("do", "do", "does")
_DOUBLING = {"run", "sit", "get", "put", "forget", "begin", "plan", "travel"}
_STATES = {"know", "love", "need", "understand", "believe", "think", "hope", "hear", "see", "be"}
_PARTICLES = {"up", "on", "off", "away", "along"}
_NO_CONTRACTION = {"am", "may"}


def sentence(meaning: Sentence, draw: Draw) -> str:
    """Return the sentence as English text, cased and punctuated; `draw` picks among paraphrases."""
    speech = _Speech(draw)
    clause, second = meaning.clause, meaning.second
    if meaning.kind == "statement":
        text, end = speech.statement(clause, meaning.front), "."
    elif meaning.kind in ("question", "why", "when"):
        asked = {"question": "", "why": "why ", "when": "when "}[meaning.kind]
        text, end = asked + speech.question(clause), "?"
    elif second is None:
        raise ValueError(f"a {meaning.kind} sentence has two clauses")
    elif meaning.kind == "quoted":
        said = _polish(speech.statement(second) + " .")
        return _polish(f'{speech.statement(clause)} , "{said}"')
    else:
        conjunction = speech.usual(meaning.conjunction[1])
        first, other = speech.statement(clause), speech.statement(second)
        if meaning.kind == "coordinated":
            text, end = f"{first} , {conjunction} {other}", "."
        else:
            text, end = f"{conjunction} {other} , {first}", "."
    return _polish(f"{text} {end}")


def _polish(text: str) -> str:
    text = " ".join(text.split())
    for mark in ".,?":
        text = text.replace(f" {mark}", mark)
    return text[0].upper() + text[1:]


def _third(base: str) -> str:
    word, _, tail = base.partition(" ")
    if word.endswith("y") and word[-2] not in "aeiou":
        word = word[:-1] + "ies"
    else:
        word += "es" if word.endswith(("s", "x", "ch", "sh", "o")) else "s"
    return f"{word} {tail}".rstrip()


def _progressive(base: str) -> str:
    word, _, tail = base.partition(" ")
    if word in _DOUBLING:
        word += word[-1]
    elif word.endswith("e") and not word.endswith("ee"):
        word = word[:-1]
    return f"{word}ing {tail}".rstrip()


def _agreement(subject: Phrase) -> int:
    if isinstance(subject, Pronoun):
        return _AGREEMENT[subject.person]
    return 1 if isinstance(subject, NounPhrase) and subject.plural else 2


class _Speech:
    """One telling: every choice among paraphrases comes from `draw`."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def usual(self, choices: tuple[str, ...]) -> str:
        """Return mostly the first choice."""
        rest = choices[1:]
        return self._draw.choose(rest) if rest and self._draw.chance(15) else choices[0]

    # -------------------------------------------------------------------------------- phrases

    def phrase(self, meaning: Phrase, *, subject: bool = False) -> str:
        if isinstance(meaning, Pronoun):
            return _PRONOUNS[meaning.person][0 if subject else 1]
        if isinstance(meaning, Name):
            return meaning.english
        return self._noun_phrase(meaning)

    def _noun_phrase(self, meaning: NounPhrase) -> str:
        parts = []
        if meaning.adjective:
            parts.append(meaning.adjective.english)
        if meaning.compound:
            parts.append(meaning.compound[1])
        parts.append(self._noun(meaning.noun, plural=meaning.plural))
        article = _article(meaning, parts[0])
        if meaning.relative:
            parts.append(self._relative(meaning.relative, meaning))
        return " ".join((article, *parts))

    def _noun(self, noun: Noun, *, plural: bool) -> str:
        rest = noun.english[1:]
        forms = self._draw.choose(rest) if rest and self._draw.chance(15) else noun.english[0]
        return forms[1] if plural else forms[0]

    def _relative(self, meaning: Relative, head: NounPhrase) -> str:
        pronoun = self.usual(("who", "that") if head.noun in PERSONS else ("that", "which"))
        if meaning.gap == "object":
            return f"{pronoun} {self.statement(meaning.clause)}"
        return f"{pronoun} {self._predicate(meaning.clause, 1 if head.plural else 2)}"

    # --------------------------------------------------------------------------------- verbs

    def _verb(self, clause: Clause, agree: int) -> tuple[str, str]:
        """Return the auxiliary ("" if there is none) and the rest of the verb."""
        base, past, participle = clause.verb.english[0]
        if len(clause.verb.english) > 1 and self._draw.chance(15):
            base, past, participle = self._draw.choose(clause.verb.english[1:])
        if base == "be":
            return (_BE_PAST if clause.tense == "preterite" else _BE)[agree], ""
        if clause.modal:
            return self._modal(clause.modal[1], agree, base)
        if clause.tense == "future":
            going = self._draw.chance(12)
            return (_BE[agree], f"going to {base}") if going else ("will", base)
        if clause.tense == "perfect" and self._draw.chance(15):
            return _HAVE[agree], participle
        if clause.tense in ("perfect", "preterite"):
            return ("did", base) if clause.negated else ("", past)
        if base.split()[0] not in _STATES and self._draw.chance(12):
            return _BE[agree], _progressive(base)
        if clause.negated:
            return _DO[agree], base
        return "", _third(base) if agree == 2 else base

    @staticmethod
    def _modal(modal: str, agree: int, base: str) -> tuple[str, str]:
        if modal == "want to":
            return "", f"{'wants' if agree == 2 else 'want'} to {base}"
        word, _, rest = modal.partition(" ")
        return word, f"{rest} {base}".lstrip()

    def _negation(self, auxiliary: str) -> str:
        if auxiliary in _NO_CONTRACTION or not self._draw.chance(35):
            return "cannot" if auxiliary == "can" else f"{auxiliary} not"
        return {"can": "can't", "will": "won't"}.get(auxiliary, f"{auxiliary}n't")

    # ------------------------------------------------------------------------------- clauses

    def statement(self, clause: Clause, front: str = "subject") -> str:
        """Return subject, verb and the rest; `front` is what German says first."""
        subject = self.phrase(clause.subject, subject=True)
        agree = _agreement(clause.subject)
        movable = clause.time if clause.time and not clause.time.before_verb else None
        if movable and front == "time" and self._draw.chance(70):
            time = self.usual(movable.english)
            return f"{time} , {subject} {self._predicate(clause, agree, said_time=True)}"
        return f"{subject} {self._predicate(clause, agree)}"

    def _predicate(self, clause: Clause, agree: int, *, said_time: bool = False) -> str:
        auxiliary, verb = self._verb(clause, agree)
        if clause.negated:
            if not auxiliary:  # "wants to": the modal that is a full verb
                auxiliary, verb = _DO[agree], verb.replace("wants", "want")
            auxiliary = self._negation(auxiliary)
        often = clause.time.english[0] if clause.time and clause.time.before_verb else ""
        return f"{auxiliary} {often} {self._verb_phrase(clause, verb, said_time=said_time)}"

    def question(self, clause: Clause) -> str:
        """Return the inverted clause, with "do" where there is no other auxiliary."""
        agree = _agreement(clause.subject)
        auxiliary, verb = self._verb(clause, agree)
        if not auxiliary:
            past = clause.tense in ("perfect", "preterite")
            base = clause.verb.english[0][0]
            auxiliary = "did" if past else _DO[agree]
            verb = f"want to {base}" if clause.modal else base
        subject = self.phrase(clause.subject, subject=True)
        negation = "not" if clause.negated else ""
        return f"{auxiliary} {subject} {negation} {self._verb_phrase(clause, verb)}"

    def _verb_phrase(self, clause: Clause, verb: str, *, said_time: bool = False) -> str:
        objects = self._objects(clause.objects)
        before, _, particle = verb.rpartition(" ")
        if particle in _PARTICLES and clause.objects:
            # "pick him up", but "pick up the man".
            pronoun = isinstance(clause.objects[0].phrase, Pronoun)
            parts = [before, objects, particle] if pronoun else [verb, objects]
        else:
            parts = [verb, objects]
        if clause.quality:
            parts.append(self._quality(clause))
        if clause.manner:
            parts.append(self.usual(clause.manner.english))
        if clause.where:
            parts.append(f"{clause.where.english} {self.phrase(clause.where.phrase)}")
        if clause.time and not clause.time.before_verb and not said_time:
            parts.append(self.usual(clause.time.english))
        parts.append(self._embedded(clause.embedded))
        return " ".join(parts)

    def _objects(self, objects: tuple[Object, ...]) -> str:
        texts = [f"{item.english_preposition} {self.phrase(item.phrase)}" for item in objects]
        if len(texts) == 2 and self._draw.chance(15):
            return f"{texts[1]} to {texts[0]}"
        return " ".join(texts)

    def _quality(self, clause: Clause) -> str:
        quality = clause.quality
        if quality is None:
            return ""
        if quality.than and quality.adjective.comparative:
            return f"{quality.adjective.comparative[1]} than {self.phrase(quality.than)}"
        return f"{quality.degree} {quality.adjective.english}"

    def _embedded(self, meaning: Embedded | None) -> str:
        if meaning is None:
            return ""
        if meaning.kind == "that":
            that = "" if self._draw.chance(20) else "that"
            return f"{that} {self.statement(meaning.clause)}"
        if meaning.kind == "conjunction":
            return f"{self.usual(meaning.english)} {self.statement(meaning.clause)}"
        in_order = "in order to" if meaning.kind == "in order to" else "to"
        lead = "to" if self._draw.chance(70) else in_order
        base = meaning.clause.verb.english[0][0]
        return f"{lead} {self._verb_phrase(meaning.clause, base)}"


def _article(meaning: NounPhrase, following: str) -> str:
    determiner = meaning.determiner
    if isinstance(determiner, Name):
        return f"{determiner.english}'s"
    if determiner == "a":
        # "u" in "unusual" sounds like a vowel; the lexicon has no word like "useful".
        return "an" if following[0].lower() in "aeiou" else "a"
    return determiner

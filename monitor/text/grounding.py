"""Whether the claims of an answer are supported by the texts it was given.

An answer is split into sentences. Each is described by what can be seen without understanding: which of its words,
names and numbers that the question did not hold stand in the context; whether they stand together there, and near the
words of the question; whether it denies or compares; whether it is the kind of thing that was asked for. A logistic
model weighs that (docs/models/grounding.md). What is seen is divided by how much there was to see, so that answers are
not called unsupported for their length.

It misleads where an answer says the same in other words or in another language (called unsupported), and where it puts
words of the context together wrongly (called supported).
"""

from __future__ import annotations

import functools
import json
import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from monitor.text.form import code_blanked
from monitor.text.words import (
    STOP_WORDS,
    TOKEN,
    fold,
    is_near,
    sentences,
    stem,
    tokens,
    with_figures,
    word_set,
    words_in,
)

THRESHOLD = 0.5
"""Below this support a claim, or an answer, is called unsupported."""

MODEL = Path(__file__).parent / "models" / "grounding.json"
FEATURES = (
    "share_missing",
    "number_missing",
    "name_missing",
    "nothing_new",
    "one_of_those_asked",
    "yes_or_no",
    "yes_or_no_not_asked",
    "near_the_question",
    "apart",
    "denies",
    "absolute",
    "compares",
    "number_wanted",
    "name_wanted",
)

_CONTEXT_CHARACTERS = 50_000
_ANSWER_CHARACTERS = 8_000
_QUESTION_CHARACTERS = 2_000
_CLAIMS = 60
_NEAR = 12
_PLACES = 6
_LEAST_ALIKE = 4

_YES_NO = re.compile(
    r"(?:^|[.,;:!?]\s*)(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b[^.?!]*\?*\s*$"
)
_NUMBER_ASKED = re.compile(
    r"\b(?:how (?:many|much|old|long|far|tall|big|large|high)|when"
    r"|(?:what|which) (?:year|date|day|percentage|number|age)|percentage|population|birth ?date|date of birth)\b"
)
_PERSON_ASKED = re.compile(r"\b(?:who|whom|whose)\b")
_CHOICE_ASKED = re.compile(r"\w,? or \w")
_DENIALS = word_set(
    "not never neither nor none nobody nothing without cannot isn't aren't wasn't weren't don't doesn't didn't "
    "hasn't haven't hadn't can't couldn't won't wouldn't"
)
_ABSOLUTES = word_set("only both all always never also same different")
_COMPARED = word_set(
    "more less older younger earlier later bigger larger smaller longer shorter higher lower before after first last "
    "most least than"
)
_SMALL = STOP_WORDS | _DENIALS | _ABSOLUTES | _COMPARED
_SMALL_STEMS = _SMALL | {stem(word) for word in _SMALL}
_MARKS = re.compile(
    r"^[ \t]*\(?\d{1,3}[.)][ \t]+(?=\S)|\[(?:doc(?:ument)?|source)?\s?\d{1,3}(?:\s?[,-]\s?\d{1,3})*\]",
    re.MULTILINE | re.IGNORECASE,
)
# What claims nothing about the matter: that the answer is not known, or a courtesy.
_NO_CLAIM = re.compile(
    r"\b(?:context|document|text|passage|article|source|information|excerpt|material)s?\b[^.!?]{0,60}"
    r"(?:n't|\bnot|\bno\b|insufficient|lacks?\b)"
    r"|\b(?:not|n't|no|insufficient|enough)\b[^.!?]{0,40}"
    r"\b(?:information|context|documents?|mention(?:ed)?|specified|stated)\b"
    r"|\bi (?:do not|don't|cannot|can't|could not|couldn't|am not|'m not) (?:know|find|answer|sure|able)"
    r"|^\W*(?:sure|of course|certainly|great question|i hope|hope this|let me know|feel free|please|thank|hello|hi\b"
    r"|sorry|i'm sorry|here (?:is|are)\b)"
)
# One of these words is in all of them.
_NO_CLAIM_WORDS = _DENIALS | word_set(
    "no insufficient enough lack lacks sure of certainly great i hope let feel please thank thanks hello hi sorry i'm "
    "here"
)


class Claim(NamedTuple):
    """A sentence of an answer: where it stands, its support (0 to 1), and which of its words the context does not have.

    `missing` counts words from the beginning of the sentence, first and behind the last of each; `unsupported` turns
    them into places of the answer.
    """

    start: int
    end: int
    support: float
    missing: tuple[tuple[int, int], ...]
    number_missing: bool


class Word(NamedTuple):
    """A word that says something about the matter: its stem (the figure of number words) and its place among the words.

    A number in several words goes from `first` to the word before `after`.
    """

    stem: str
    first: int
    after: int
    is_name: bool
    is_number: bool


class Sentence(NamedTuple):
    """All words of a sentence, folded, and those with content."""

    texts: list[str]
    content: list[Word]


class Source:
    """The texts an answer was given, and the question, made ready for looking words up.

    The first 50,000 characters of the context and the last 2,000 of the question count.
    """

    def __init__(self, context: Sequence[str], question: str) -> None:
        self.places: dict[str, list[int]] = {}
        left, place = _CONTEXT_CHARACTERS, 0
        for document in context:
            text = document[:left]
            left -= len(text)
            for token in tokens(text):
                self.places.setdefault(token, []).append(place)
                place += 1
            place += 2 * _NEAR
        folded = fold(question[-_QUESTION_CHARACTERS:])
        self.asked = {token for token in tokens(folded) if token not in _SMALL_STEMS}
        self.wants_yes_or_no = _YES_NO.search(folded) is not None
        self.wants_number = _NUMBER_ASKED.search(folded) is not None
        self.wants_name = _PERSON_ASKED.search(folded) is not None
        self.wants_choice = _CHOICE_ASKED.search(folded) is not None
        self._alike: dict[str, str] = {}
        self._near: dict[str, float] = {}

    def known(self, token: str) -> str:
        """The token as the context spells it, or "" where it is not there."""
        if token in self.places:
            return token
        found = self._alike.get(token)
        if found is None:
            found = next((other for other in self._by_letter.get(token[0], ()) if is_near(token, other)), "")
            self._alike[token] = found
        return found

    @functools.cached_property
    def _by_letter(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for token in self.places:
            if len(token) >= _LEAST_ALIKE:
                found.setdefault(token[0], []).append(token)
        return found

    def near_the_question(self, there: Sequence[str]) -> float:
        """Share of the question's words near the rarest of these tokens, at its best place in the context.

        A half where the question has no words to look for.
        """
        if not self.asked:
            return 0.5
        if not there:
            return 0.0
        rarest = min(there, key=lambda token: (len(self.places[token]), token))
        found = self._near.get(rarest)
        if found is None:
            found = max(map(self._near_place, self.places[rarest][:_PLACES])) / len(self.asked)
            self._near[rarest] = found
        return found

    def _near_place(self, place: int) -> int:
        found = 0
        for places in self._asked_places:
            after = bisect_left(places, place - _NEAR)
            found += after < len(places) and places[after] <= place + _NEAR
        return found

    @functools.cached_property
    def _asked_places(self) -> list[list[int]]:
        return [self.places[token] for token in self.asked if token in self.places]

    def are_together(self, one: str, other: str) -> bool:
        """Whether two tokens stand within four words of each other somewhere in the context."""
        first, second = self.places.get(one, ()), self.places.get(other, ())
        return any(-4 <= place - against <= 4 for place in first[:_PLACES] for against in second[:_PLACES])


def claims(answer: str, source: Source) -> list[Claim]:
    """The sentences of an answer that claim something, with their support; of the first 8,000 characters, sixty.

    Questions, courtesies and admissions of not knowing are left out.
    """
    text = _prose(answer)
    found = []
    for start, end in sentences(text)[:_CLAIMS]:
        piece = text[start:end]
        sentence = read(piece)
        if piece.rstrip().endswith("?") or _claims_nothing(piece, sentence):
            continue
        missing = [word for word in sentence.content if word.stem not in source.asked and not source.known(word.stem)]
        found.append(
            Claim(
                start,
                end,
                support(describe(sentence, source)),
                tuple((word.first, word.after) for word in missing),
                any(word.is_number for word in missing),
            )
        )
    return found


def _prose(answer: str) -> str:
    """The answer with blanks in place of code, numbers of list items and marks of sources such as [1]."""
    text = answer[:_ANSWER_CHARACTERS]
    if "```" in text:
        text = code_blanked(text)
    return _MARKS.sub(lambda match: " " * len(match[0]), text)


def _claims_nothing(piece: str, sentence: Sentence) -> bool:
    return not _NO_CLAIM_WORDS.isdisjoint(sentence.texts) and _NO_CLAIM.search(fold(piece)) is not None


def groundedness(found: Sequence[Claim]) -> float:
    """The support of a whole answer: half the mean of its claims' support, half the least of them.

    The mean alone would hide one invented sentence among ten; the least alone would fall with the length of the answer.
    """
    supports = [claim.support for claim in found]
    return (sum(supports) / len(supports) + min(supports)) / 2


def unsupported(answer: str, claim: Claim) -> list[tuple[int, int]]:
    """Start and end in the answer of the words of a claim that the context does not have; neighbours are joined."""
    places = [match.span() for match in TOKEN.finditer(_prose(answer), claim.start, claim.end)]
    found: list[tuple[int, int]] = []
    for first, after in claim.missing:
        start, end = places[first][0], places[after - 1][1]
        if found and not answer[found[-1][1] : start].strip():
            start = found.pop()[0]
        found.append((start, end))
    return found


def read(text: str) -> Sentence:
    """A sentence as its words; number words that belong together are one word."""
    written = words_in(text)
    folded = [word.lower() for word in written] if text.isascii() else [fold(word) for word in written]
    content = [
        Word(token, first, after, written[first][0].isupper(), written[first][0].isdigit())
        for first, after, token in with_figures(folded)
        if folded[first] not in _SMALL and token not in _SMALL_STEMS
    ]
    return Sentence(folded, content)


def describe(sentence: Sentence, source: Source) -> list[float]:
    """What is seen of a claim, in the order of `FEATURES`."""
    texts, content = set(sentence.texts), sentence.content
    new = [word for word in content if word.stem not in source.asked]
    missing = [word for word in new if not source.known(word.stem)]
    there = [token for word in new if (token := source.known(word.stem))]
    says_yes_or_no = sentence.texts[:1] in (["yes"], ["no"])
    echoes = not new and not says_yes_or_no
    couples = list(pairwise(new))
    apart = sum(not source.are_together(one.stem, other.stem) for one, other in couples)
    return [
        len(missing) / max(1, len(new)),
        float(any(word.is_number for word in missing)),
        float(any(word.is_name and word.first for word in missing)),
        float(echoes and not source.wants_choice),
        float(echoes and source.wants_choice),
        float(says_yes_or_no),
        float(says_yes_or_no != source.wants_yes_or_no),
        source.near_the_question(there),
        apart / max(1, len(couples)),
        float(not _DENIALS.isdisjoint(texts) or ("no" in texts and not says_yes_or_no)),
        float(not _ABSOLUTES.isdisjoint(texts)),
        float(not _COMPARED.isdisjoint(texts)),
        float(source.wants_number and not any(word.stem[0].isdigit() for word in content)),
        float(source.wants_name and not any(word.is_name for word in new or content)),
    ]


def support(features: Sequence[float]) -> float:
    """The model's probability that a claim with these features is supported."""
    intercept, weights = _model()
    score = intercept + sum(weight * value for weight, value in zip(weights, features, strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


@functools.cache
def _model() -> tuple[float, tuple[float, ...]]:
    stored = json.loads(MODEL.read_text(encoding="utf-8"))
    return float(stored["intercept"]), tuple(float(stored["weights"][name]) for name in FEATURES)

"""Sentiment of English text: VADER (Hutto and Gilbert, ICWSM 2014), averaged over the sentences of long texts.

VADER is made for single sentences and tweets and saturates on long texts, so texts of up to 200 characters are scored
as a whole; of longer ones each sentence is scored and the mean is taken over those that express anything. It knows no
language but English and answers 0 for all others, so it must not be asked about them. The rules are those of
vaderSentiment 3.3.2, whose word list and weights are used, and give the same compound score for every sentence
(tested); its own code lowers all words again for every check, this does it once.
"""

from __future__ import annotations

import functools
import math
import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.remembered import Remembered

_CHARACTERS = 800
_SENTENCES = 8
_SHORT = 200
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_NORMALISING = 15
_FADING = (1.0, 0.95, 0.9)


def sentiment(text: str) -> float:
    """From -1 (very negative) to 1 (very positive); 0 where no word says anything.

    The first 800 characters count, up to the eighth sentence that says something.
    """
    if len(text) <= _SHORT:
        return compound(text)
    scores = []
    for sentence in _SENTENCE.findall(text[:_CHARACTERS]):
        if (score := compound(sentence)) != 0:
            scores.append(score)
            if len(scores) == _SENTENCES:
                break
    return round(sum(scores) / len(scores), 4) if scores else 0.0


def compound(sentence: str) -> float:
    """VADER's compound score of one sentence."""
    vader, analyzer = _vader()
    if not sentence.isascii():
        sentence = _spell_out(sentence, analyzer.emojis)
    pieces = sentence.split()
    says = [*map(_SAYS.__getitem__, pieces)]
    if True not in says:
        return 0.0
    hits = [index for index, known in enumerate(says) if known]
    seen = [*map(_WORDS.__getitem__, pieces)]
    words = [word[0] for word in seen]
    lowered = [word[1] for word in seen]
    shouting = sum(map(str.isupper, words))
    emphatic = 0 < len(words) - shouting < len(words)
    turned = not _turning().isdisjoint(lowered) or ("'" in sentence and "n't" in sentence.lower())
    alone = not turned and _steering().isdisjoint(lowered)
    scores: list[float] = [0] * len(words)
    for index in hits:
        word = lowered[index]
        if alone:
            value = analyzer.lexicon[word]
            loud = vader.C_INCR if emphatic and words[index].isupper() else 0
            scores[index] = value + loud if value > 0 else value - loud
        elif word not in vader.BOOSTER_DICT and not (word == "kind" and lowered[index + 1 : index + 2] == ["of"]):
            scores[index] = _valence(vader, words, lowered, index, emphatic, turned=turned)
    if "but" in lowered:
        scores = analyzer._but_check(words, scores)
    total = sum(scores)
    if total and ("!" in sentence or "?" in sentence):
        emphasis = analyzer._punctuation_emphasis(sentence)
        total += emphasis if total > 0 else -emphasis
    return max(-1.0, min(1.0, round(total / math.sqrt(total * total + _NORMALISING), 4)))


def _word(word: str) -> tuple[str, str]:
    """A word without punctuation around it, and the same in lower case."""
    bare = word if word.isalpha() else _stripped(word)
    return bare, bare.lower()


def _says(word: str) -> bool:
    """Whether the lexicon has a word."""
    return _word(word)[1] in _vader()[1].lexicon


_WORDS: Remembered[str, tuple[str, str]] = Remembered(_word)
_SAYS: Remembered[str, bool] = Remembered(_says)


def _stripped(word: str) -> str:
    """A word without punctuation around it; what would be left with two characters or less may be an emoticon."""
    bare = word.strip(string.punctuation)
    return bare if len(bare) > 2 else word


def _spell_out(sentence: str, emojis: Mapping[str, str]) -> str:
    pieces = []
    after_blank = True
    for character in sentence:
        if character in emojis:
            pieces.append(emojis[character] if after_blank else f" {emojis[character]}")
            after_blank = False
        else:
            pieces.append(character)
            after_blank = character == " "
    return "".join(pieces).strip()


def _valence(
    vader: Any, words: Sequence[str], lowered: Sequence[str], index: int, emphatic: bool, *, turned: bool
) -> float:
    """What a word of the lexicon counts in its place: capitals, boosters, negations and idioms before it."""
    lexicon: Mapping[str, float] = _vader()[1].lexicon
    word = lowered[index]
    value = lexicon[word]
    before = [lowered[index - distance] if index >= distance else "" for distance in (1, 2, 3)]
    if word == "no" and index + 1 < len(lowered) and lowered[index + 1] in lexicon:
        value = 0.0
    if "no" in before[:2] or (before[2] == "no" and before[0] in ("or", "nor")):
        value = lexicon[word] * vader.N_SCALAR
    if emphatic and words[index].isupper():
        value += vader.C_INCR if value > 0 else -vader.C_INCR
    for step, earlier in enumerate(before[:index]):
        if earlier not in lexicon:
            if earlier in vader.BOOSTER_DICT:
                value += vader.scalar_inc_dec(words[index - step - 1], value, emphatic) * _FADING[step]
            if turned:
                value = _negated(vader, value, before, step)
            if step == 2 and not _idiomatic().isdisjoint(lowered[index - 3 : index + 3]):
                value = _idioms(vader, value, lowered, index)
    if before[0] == "least" and "least" not in lexicon and (index == 1 or before[1] not in ("at", "very")):
        value *= vader.N_SCALAR
    return value


def _negated(vader: Any, value: float, before: Sequence[str], step: int) -> float:
    one, two, three = before
    if step == 1:
        if two == "never" and one in ("so", "this"):
            return value * 1.25
        if two == "without" and one == "doubt":
            return value
    if step == 2:
        if (three == "never" and two in ("so", "this")) or one in ("so", "this"):
            return value * 1.25
        if three == "without" and "doubt" in (one, two):
            return value
    return float(value * vader.N_SCALAR) if before[step] in vader.NEGATE or "n't" in before[step] else value


def _idioms(vader: Any, value: float, lowered: Sequence[str], index: int) -> float:
    three, two, one, word = lowered[index - 3 : index + 1]
    after = lowered[index + 1 : index + 3]
    known, boosters = vader.SPECIAL_CASES, vader.BOOSTER_DICT
    for phrase in (f"{one} {word}", f"{two} {one} {word}", f"{two} {one}", f"{three} {two} {one}", f"{three} {two}"):
        if phrase in known:
            value = known[phrase]
            break
    if after:
        value = known.get(f"{word} {after[0]}", value)
    if len(after) == 2:
        value = known.get(f"{word} {after[0]} {after[1]}", value)
    for phrase in (f"{three} {two} {one}", f"{three} {two}", f"{two} {one}"):
        value += boosters.get(phrase, 0)
    return value


@functools.cache
def _turning() -> frozenset[str]:
    """Words that may turn or strengthen what comes after them, beside those with n't."""
    return frozenset((*_vader()[0].NEGATE, "so", "this", "never", "without"))


@functools.cache
def _idiomatic() -> frozenset[str]:
    """The longest word of each idiom and of each booster of several words."""
    vader = _vader()[0]
    phrases = (phrase.split() for phrase in (*vader.SPECIAL_CASES, *vader.BOOSTER_DICT))
    return frozenset(max(phrase, key=len) for phrase in phrases if len(phrase) > 1)


@functools.cache
def _steering() -> frozenset[str]:
    """Words without which every word of the lexicon counts by itself, where nothing turns it."""
    vader = _vader()[0]
    idioms = (max(phrase.split(), key=len) for phrase in vader.SPECIAL_CASES)
    return _idiomatic() | frozenset(vader.BOOSTER_DICT) | frozenset(idioms) | {"no", "least"}


@functools.cache
def _vader() -> tuple[Any, Any]:
    from vaderSentiment import vaderSentiment

    return vaderSentiment, vaderSentiment.SentimentIntensityAnalyzer()

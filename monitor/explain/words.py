"""Words and phrases that became more or less common: log-odds with an informative Dirichlet prior.

Counted is in how many texts a phrase of one to three words occurs, so that a text that repeats itself counts once. With
y of n texts on each side and a prior that gives every phrase its share in both sides together, the score is the
difference of the smoothed log-odds over its standard error (Monroe, Colaresi and Quinn, Political Analysis 16, 2008,
"Fightin' Words"). Of phrases in nearly the same texts only the longest is shown.

Only what redaction has left is looked at, and only phrases that several users share are ever shown.
It misleads where a new kind of calls came: its words lead the list without being the cause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.explain.sample import Booleans, Integers
from monitor.profile import Floats

LONGEST = 3
LONGEST_SHOWN = 12
SHOWN = 10
MIN_TEXTS = 5
MIN_USERS = 3
PRIOR_TEXTS = 20.0
LEAST_SCORE = 3.5
NESTED = 0.9
MAX_CHARACTERS = 600
_CANDIDATES = 200
_WORD = re.compile(r"[^\W_\u3040-\u30ff\u4e00-\u9fff]+(?:['’][^\W_]+)*|[\u3040-\u30ff\u4e00-\u9fff]|\[[A-Z_]{2,}\]")


@dataclass(frozen=True)
class Phrase:
    """A phrase with the shares of texts that have it, and its score: above zero where it became more common."""

    text: str
    before: float
    after: float
    score: float


def tokens(text: str) -> list[str]:
    """The words of a text in lower case, Chinese and Japanese characters one by one, masks as they are."""
    return [found.lower() for found in _WORD.findall(text[:MAX_CHARACTERS])]


@dataclass(frozen=True)
class _Grams:
    """The phrases of one length: their numbers, and for each in turn the texts that have it, from `starts` on."""

    names: Integers
    starts: Integers
    phrase: Integers
    text: Integers


@dataclass(frozen=True)
class Corpus:
    """Texts as phrases, made once: each phrase with the texts that have it. `vocabulary` are words from number 1."""

    count: int
    vocabulary: tuple[str, ...]
    grams: tuple[_Grams, ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Corpus:
        """The phrases of some texts whose words enough of them have."""
        words, owners, vocabulary = _coded(texts)
        base = len(vocabulary) + 1
        kept = _common(words, owners, len(texts)) if vocabulary else np.zeros(len(words), dtype=bool)
        found: list[_Grams] = []
        for length in range(1, LONGEST + 1):
            codes, places = _phrases(words, owners, kept, length, base)
            if not len(codes):
                break
            names, phrase, text = _unique_pairs(codes, places, len(texts))
            enough = np.bincount(phrase)[phrase] >= MIN_TEXTS
            names, phrase = names[np.unique(phrase[enough])], np.unique(phrase[enough], return_inverse=True)[1]
            starts = np.searchsorted(phrase, np.arange(len(names) + 1))
            found.append(_Grams(names, starts, phrase, text[enough]))
        return cls(len(texts), tuple(vocabulary), tuple(found))


def changed_words(corpus: Corpus, after: Booleans, users: Integers) -> list[Phrase]:
    """The phrases whose share of texts changed most, by their scores; none where a side has too few texts.

    `after` and `users` are in step with the texts. At most SHOWN that became more and SHOWN that became less common.
    """
    n = np.array([(~after).sum(), after.sum()], dtype=float)
    if n.min() < MIN_TEXTS:
        return []
    base = len(corpus.vocabulary) + 1
    found: list[tuple[float, tuple[int, ...], Integers, Floats]] = []
    for length, grams in enumerate(corpus.grams, 1):
        size = len(grams.names)
        counts = np.bincount(grams.phrase * 2 + after[grams.text], minlength=2 * size).reshape(-1, 2).astype(float)
        scores = log_odds(counts, n)
        for place in np.argsort(-np.abs(scores), kind="stable")[:_CANDIDATES]:
            if abs(scores[place]) < LEAST_SCORE:
                break
            own = grams.text[grams.starts[place] : grams.starts[place + 1]]
            if len(np.unique(users[own])) >= MIN_USERS:
                spelt = _spelt(int(grams.names[place]), length, base)
                found.append((float(scores[place]), spelt, own, counts[place] / n))
    phrases = [
        Phrase(" ".join(corpus.vocabulary[word - 1] for word in gram), float(share[0]), float(share[1]), score)
        for score, gram, _, share in _joined(_without_parts(found))
    ]
    more = [one for one in phrases if one.score > 0][:SHOWN]
    less = [one for one in phrases if one.score < 0][:SHOWN]
    return sorted(more + less, key=lambda one: -abs(one.score))


def log_odds(counts: Floats, n: Floats) -> Floats:
    """The scores of phrases by texts that have them, before and after (columns), of `n` texts on each side."""
    share = (counts.sum(axis=1) + 0.5) / (n.sum() + 1)
    prior, prior_rest = PRIOR_TEXTS * share, PRIOR_TEXTS * (1 - share)
    has = counts + prior[:, np.newaxis]
    has_not = n - counts + prior_rest[:, np.newaxis]
    odds = np.log(has) - np.log(has_not)
    variance = (1 / has + 1 / has_not).sum(axis=1)
    return np.asarray((odds[:, 1] - odds[:, 0]) / np.sqrt(variance))


def _coded(texts: Sequence[str]) -> tuple[Integers, Integers, dict[str, int]]:
    """All words one after the other as numbers from 1, zero between texts, and the text each belongs to."""
    vocabulary: dict[str, int] = {}
    numbers: list[int] = []
    lengths = np.empty(len(texts), dtype=np.int64)
    for place, text in enumerate(texts):
        words = tokens(text)
        numbers.extend([vocabulary.setdefault(word, len(vocabulary) + 1) for word in words])
        numbers.append(0)
        lengths[place] = len(words) + 1
    return np.array(numbers, dtype=np.int64), np.repeat(np.arange(len(texts)), lengths), vocabulary


def _common(words: Integers, owners: Integers, texts: int) -> Booleans:
    """True for the words that enough texts have."""
    joint = np.unique(words * texts + owners)
    common = np.bincount(joint // texts, minlength=int(words.max()) + 1) >= MIN_TEXTS
    common[0] = False
    return np.asarray(common[words])


def _phrases(words: Integers, owners: Integers, kept: Booleans, length: int, base: int) -> tuple[Integers, Integers]:
    """The phrases of one length as numbers, with the text of each; none goes across texts or holds a rare word."""
    last = len(words) - length + 1
    if last <= 0 or float(base) ** length > 2**62:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    codes = np.zeros(last, dtype=np.int64)
    usable = np.ones(last, dtype=bool)
    for offset in range(length):
        part = slice(offset, offset + last)
        codes = codes * base + words[part]
        usable &= kept[part]
    return codes[usable], owners[:last][usable]


def _unique_pairs(codes: Integers, places: Integers, texts: int) -> tuple[Integers, Integers, Integers]:
    """The phrases there are, and each once a text: places in the phrases, sorted, and the text of each."""
    names, dense = np.unique(codes, return_inverse=True)
    joint = np.unique(dense * texts + places)
    return names, joint // texts, joint % texts


def _spelt(code: int, length: int, base: int) -> tuple[int, ...]:
    """The words of a phrase by its number."""
    return tuple(code // base ** (length - 1 - place) % base for place in range(length))


def _without_parts(
    found: Sequence[tuple[float, tuple[int, ...], Integers, Floats]],
) -> list[tuple[float, tuple[int, ...], Integers, Floats]]:
    """The phrases by score, without those that lie in a longer one of nearly the same texts, or around a shorter one.

    A longer phrase in clearly fewer texts than its part says nothing more; a part in the same texts says less.
    """
    by_gram = {gram: (score, len(own)) for score, gram, own, _ in found}
    dropped: set[tuple[int, ...]] = set()
    for gram, (_, size) in by_gram.items():
        for length in range(1, len(gram)):
            for start in range(len(gram) - length + 1):
                part = gram[start : start + length]
                if part in by_gram:
                    dropped.add(part if size >= NESTED * by_gram[part][1] else gram)
    ordered = sorted(found, key=lambda item: -abs(item[0]))
    return [item for item in ordered if item[1] not in dropped]


def _joined(
    chosen: Sequence[tuple[float, tuple[int, ...], Integers, Floats]],
) -> list[tuple[float, tuple[int, ...], Integers, Floats]]:
    """The same with phrases that overlap in nearly the same texts as one: "cannot help with" and "help with that"."""
    left = list(chosen)
    place = 0
    while place < len(left):
        score, gram, own, share = left[place]
        for other, (_, more, texts, _) in enumerate(left):
            alike = min(len(own), len(texts)) >= NESTED * max(len(own), len(texts))
            if other == place or not alike or len(gram) < 2 or len(gram) + len(more) > LONGEST_SHOWN:
                continue
            together = gram + more[-1:] if gram[1 - LONGEST :] == more[:-1] else ()
            if not together and more[1 - LONGEST :] == gram[:-1]:
                together = more + gram[-1:]
            if together and len(more) > 1 and len(np.intersect1d(own, texts)) >= NESTED * len(own):
                left[place] = (score, together, own, share)
                del left[other]
                place = max(place - (other < place), 0) - 1
                break
        place += 1
    return left

"""Words and phrases that became more or less common: log-odds with an informative Dirichlet prior.

Counted is in how many texts a phrase of one to three words occurs, so that a text that repeats itself counts once. With
y of n texts on each side and a prior that gives every phrase its share in both sides together, the score is the
difference of the smoothed log-odds over its standard error (Monroe, Colaresi and Quinn, Political Analysis 16, 2008,
"Fightin' Words"). Of phrases in nearly the same texts only the longest is shown.

Only what redaction has left is looked at, and only phrases that several users share are ever shown.
It misleads where a new kind of calls came: its words lead the list without being the cause.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.explain.sample import Booleans, Integers
from monitor.profile import Floats

LONGEST = 3
SHOWN = 10
MIN_TEXTS = 5
MIN_USERS = 3
PRIOR_TEXTS = 20.0
LEAST_SCORE = 2.5
NESTED = 0.9
MAX_CHARACTERS = 800
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


def changed_words(texts: Sequence[str], after: Booleans, users: Integers) -> list[Phrase]:
    """The phrases whose share of texts changed most, by their scores; none where a side has too few texts.

    `after` and `users` are in step with the texts. At most SHOWN that became more and SHOWN that became less common.
    """
    n = np.array([(~after).sum(), after.sum()], dtype=float)
    if n.min() < MIN_TEXTS:
        return []
    words, owners, vocabulary = _coded(texts)
    if not vocabulary:
        return []
    found: list[tuple[float, tuple[int, ...], Integers, Floats]] = []
    kept = _common(words, owners, len(texts))
    base = len(vocabulary) + 1
    for length in range(1, LONGEST + 1):
        codes, places = _grams(words, owners, kept, length, base)
        if not len(codes):
            break
        pairs = _unique_pairs(codes, places, len(texts))
        names, of_pair = np.unique(pairs[0], return_inverse=True)
        counts = np.bincount(of_pair * 2 + after[pairs[1]], minlength=2 * len(names)).reshape(-1, 2).astype(float)
        scores = log_odds(counts, n)
        order = np.argsort(-np.abs(scores))[:_CANDIDATES]
        starts = np.searchsorted(of_pair, np.arange(len(names) + 1))
        for place in order:
            if counts[place].sum() < MIN_TEXTS or abs(scores[place]) < LEAST_SCORE:
                continue
            own = pairs[1][starts[place] : starts[place + 1]]
            if len(np.unique(users[own])) >= MIN_USERS:
                found.append((float(scores[place]), _spelt(int(names[place]), length, base), own, counts[place] / n))
    chosen = _without_parts(found)
    spelling = list(vocabulary)
    phrases = [
        Phrase(" ".join(spelling[word - 1] for word in gram), float(share[0]), float(share[1]), score)
        for score, gram, _, share in chosen
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
    pairs = _unique_pairs(words, owners, texts)
    counts = np.bincount(pairs[0], minlength=int(words.max()) + 1)
    common = counts >= MIN_TEXTS
    common[0] = False
    return np.asarray(common[words])


def _grams(words: Integers, owners: Integers, kept: Booleans, length: int, base: int) -> tuple[Integers, Integers]:
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


def _unique_pairs(codes: Integers, places: Integers, texts: int) -> tuple[Integers, Integers]:
    """Each phrase once a text, sorted by phrase."""
    _, dense = np.unique(codes, return_inverse=True)
    joint = np.unique(dense * texts + places)
    names = np.unique(codes)
    return names[joint // texts], joint % texts


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


def headline_words(phrases: Sequence[Phrase], most: int = 3) -> tuple[list[str], list[str]]:
    """The phrases that became more and less common, the clearest first."""
    more = itertools.islice((one.text for one in phrases if one.score > 0), most)
    less = itertools.islice((one.text for one in phrases if one.score < 0), most)
    return list(more), list(less)

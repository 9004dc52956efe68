"""Groups of similar texts that grew or shrank, and calls that are typical of both sides.

Texts are the vectors of `monitor.vectors`, of length 1. Groups are made by spherical k-means (Dhillon and Modha,
Machine Learning 42, 2001), started at texts far from each other (k-means++), and named by the words that are theirs. A
group has grown or shrunk where its shares on both sides differ by more than three standard errors, users counted.
It misleads like the vectors do: by words, not by sense.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.explain.sample import Booleans, Integers
from monitor.explain.words import MIN_USERS, Corpus, changed_words
from monitor.profile import Floats

MIN_TEXTS = 40
MAX_GROUPS = 8
TEXTS_A_GROUP = 25
ROUNDS = 12
CHANGED = 3.0
NAME_WORDS = 3


@dataclass(frozen=True)
class Topic:
    """A group of similar texts: its words, and its share of the texts on both sides."""

    words: tuple[str, ...]
    before: float
    after: float
    score: float


def changed_topics(vectors: Floats, corpus: Corpus, after: Booleans, users: Integers, seed: int) -> tuple[Topic, ...]:
    """The groups that grew or shrank, the clearest first; none where there are too few texts.

    `vectors` has one row a text, of length 1 or all zeros where a text has no words; all arguments are in step.
    """
    present: Booleans = np.asarray(vectors.any(axis=1))
    if min(int((present & ~after).sum()), int((present & after).sum())) < MIN_TEXTS:
        return ()
    groups = np.full(len(vectors), -1, dtype=np.int64)
    groups[present] = clusters(vectors[present], min(MAX_GROUPS, int(present.sum()) // TEXTS_A_GROUP), seed)
    found: list[Topic] = []
    for number in range(int(groups.max()) + 1):
        inside = groups == number
        before, since = (float(inside[present & side].mean()) for side in (~after, after))
        error = sum(_error(inside[present & side], users[present & side]) ** 2 for side in (~after, after))
        score = (since - before) / np.sqrt(error)
        if abs(score) < CHANGED:
            continue
        own = [one.text for one in changed_words(corpus, inside, users) if one.score > 0]
        if own:
            found.append(Topic(tuple(own[:NAME_WORDS]), before, since, float(score)))
    return tuple(sorted(found, key=lambda topic: -abs(topic.after - topic.before)))


def clusters(vectors: Floats, count: int, seed: int) -> Integers:
    """The group of each vector: spherical k-means with a start by k-means++."""
    random = np.random.default_rng(seed)
    centres = vectors[[int(random.integers(len(vectors)))]]
    while len(centres) < count:
        far = np.clip(1 - (vectors @ centres.T).max(axis=1), 0, None) ** 2
        if far.sum() <= 0:
            break
        centres = np.vstack([centres, vectors[int(random.choice(len(vectors), p=far / far.sum()))]])
    groups = np.zeros(len(vectors), dtype=np.int64)
    for _ in range(ROUNDS):
        fresh = np.argmax(vectors @ centres.T, axis=1)
        if (fresh == groups).all():
            break
        groups = fresh
        for number in range(len(centres)):
            total = vectors[groups == number].sum(axis=0)
            length = np.linalg.norm(total)
            if length > 0:
                centres[number] = total / length
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def typical(vectors: Floats, values: Floats, chosen: Booleans, most: int) -> list[int]:
    """Places of calls that stand for a side: nearest to its mean text, with a value that is common there.

    Calls that are alike in both are shown once. `chosen` marks the side; calls without a vector have a row of zeros.
    """
    places = np.flatnonzero(chosen)
    if not len(places):
        return []
    own, value = vectors[places], values[places]
    nearness = own @ own.mean(axis=0)
    low, middle, high = np.quantile(value, [0.1, 0.5, 0.9])
    spread = max(high - low, abs(middle) * 1e-6, 1e-12)
    badness = np.abs(value - middle) / spread - nearness
    found: list[int] = []
    for place in np.argsort(badness, kind="stable")[:200]:
        apart = all(float(own[place] @ vectors[other]) < 0.98 for other in found)
        if apart or not own[place].any():
            found.append(int(places[place]))
        if len(found) == most:
            break
    return found or [int(places[int(np.argmin(badness))])]


def _error(inside: Booleans, users: Integers) -> float:
    """Standard error of a share, users counted as the independent units."""
    together = np.bincount(np.unique(users, return_inverse=True)[1], inside - inside.mean())
    units = max(len(together), MIN_USERS)
    none = 0.25  # a group that all or none are in is not certain for that
    return float(np.sqrt((together**2).sum() * units / (units - 1) + none)) / len(inside)

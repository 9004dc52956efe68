"""Is one value of a category suddenly far more frequent than any value ever was against its own past?

For every value of a day the rise is h = log((c + 10) / (e + 10)): c of the n calls have it, and e would have at its
share of the seven days with calls before, 0 where it is new. The largest rise of each day is kept. Beyond the upper
quarter of the B days of the reference (the upper half where B < 20) such maxima are taken to fall off exponentially,
which is Pareto's tail for the counts. With k of them beyond the edge u and their mean excess m, the largest rise of a
further day exceeds

    u + k m ((level B / k)^(-1 / k) - 1)

with probability `level`, exactly, for an excess over the mean of k others follows F(2, 2k). m is taken to be 0.1 at
least.

Assumes that days are alike and independent. It misleads where such jumps are usual but rarer than the reference is
long; where some value jumps every week it finds only larger ones.

Sources: tails by excesses: Pickands, Annals of Statistics 3, 1975; the prediction: Lawless, Statistical Models and
Methods for Lifetime Data, 2003, chapter 4.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.contracts import Block
from monitor.profile import OTHER, Profile

MIN_DAYS = 7
DAYS_BEFORE = 7
_LEAST_BEFORE = 3
_THOUGHT_CALLS = 10.0
_LEAST_EXCESS = 0.1
_MANY_DAYS = 20


@dataclass(frozen=True)
class Dominance:
    """The value that rose most: its calls and share of a day, and its share before.

    `usual` is the largest share of any value on a typical day. `strength` is the rise over what is required: above 1 it
    is proven.
    """

    value: str
    calls: int
    share: float
    before: float
    usual: float
    strength: float


def dominance(today: Profile, reference: Sequence[Block], level: float) -> Dominance | None:
    """The value of a day that rose most, against the days of the reference; None where these are too few."""
    blocks = [block.profile for block in reference if block.profile.n]
    rises = [
        _largest(profile, blocks[max(0, place - DAYS_BEFORE) : place])[1]
        for place, profile in enumerate(blocks)
        if place >= _LEAST_BEFORE
    ]
    if len(rises) < MIN_DAYS or not today.n:
        return None
    before = blocks[-DAYS_BEFORE:]
    value, rise = _largest(today, before)
    calls = today.categories[value].calls if value else 0
    return Dominance(
        value=value,
        calls=calls,
        share=calls / today.n,
        before=_expected(value, before, 1.0),
        usual=float(np.median([_largest_share(profile) for profile in blocks])),
        strength=rise / limit(rises, level),
    )


def limit(rises: Sequence[float], level: float) -> float:
    """What the largest rise of a further day exceeds with probability `level`, from those of the days before."""
    ordered = np.sort(np.asarray(rises, dtype=np.float64))
    beyond = len(ordered) // (4 if len(ordered) >= _MANY_DAYS else 2)
    edge = float(ordered[-beyond - 1])
    excess = max(float(np.mean(ordered[-beyond:] - edge)), _LEAST_EXCESS)
    return edge + beyond * excess * ((level * len(ordered) / beyond) ** (-1 / beyond) - 1)


def _largest(profile: Profile, before: Sequence[Profile]) -> tuple[str, float]:
    """The value that rose most, and by how much; none where nothing rose."""
    whole = sum(one.n for one in before)
    known = Counter[str]()
    for one in before:
        known.update({name: entry.calls for name, entry in one.categories.items()})
    best, most = "", 0.0
    for name, entry in profile.categories.items():
        expected = profile.n * known[name] / whole if whole else 0.0
        rise = math.log((entry.calls + _THOUGHT_CALLS) / (expected + _THOUGHT_CALLS))
        if name != OTHER and rise > most:
            best, most = name, rise
    return best, most


def _expected(value: str, before: Sequence[Profile], n: float) -> float:
    """How many of `n` calls have the value at its share of the days before."""
    whole = sum(one.n for one in before)
    calls = sum(one.categories[value].calls for one in before if value in one.categories)
    return n * calls / whole if whole else 0.0


def _largest_share(profile: Profile) -> float:
    return max((entry.calls for name, entry in profile.categories.items() if name != OTHER), default=0) / profile.n

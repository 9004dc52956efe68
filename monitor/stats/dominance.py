"""Is one value of a category suddenly far more frequent than any value ever was against its own past?

For every value of a day the rise is h = log((c + 10) / (e + 10)): c of the n calls have it, and e would have at its
share of the 7 days with calls before, or of the 28 where that is larger; 0 where it is new. The largest rise of each
day is kept. Beyond the upper quarter of the B days of the reference (the upper half where B < 20) such maxima are taken
to fall off exponentially, which is Pareto's tail for the counts. With k of them beyond the edge u and their mean excess
m, the largest rise of a further day exceeds

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.contracts import Block
from monitor.profile import OTHER, Profile

MIN_DAYS = 7
DAYS_BEFORE = (7, 28)
_LEAST_BEFORE = 3
_THOUGHT_CALLS = 10.0
_LEAST_EXCESS = 0.1
_MANY_DAYS = 20


@dataclass(frozen=True)
class Dominance:
    """The value that rose most: its calls and share of a day, and its share before.

    `strength` is the rise over what is required: above 1 it is proven.
    """

    value: str
    calls: int
    share: float
    before: float
    strength: float


def dominance(today: Profile, reference: Sequence[Block], level: float) -> Dominance | None:
    """The value of a day that rose most, against the days of the reference; None where these are too few."""
    blocks = [block.profile for block in reference if block.profile.n]
    rises = [
        _largest(profile, _shares(blocks[:place]))[1] for place, profile in enumerate(blocks) if place >= _LEAST_BEFORE
    ]
    if len(rises) < MIN_DAYS or not today.n:
        return None
    shares = _shares(blocks)
    value, rise = _largest(today, shares)
    calls = today.categories[value].calls if value else 0
    return Dominance(value, calls, calls / today.n, shares.get(value, 0.0), rise / limit(rises, level))


def limit(rises: Sequence[float], level: float) -> float:
    """What the largest rise of a further day exceeds with probability `level`, from those of the days before."""
    ordered = np.sort(np.asarray(rises, dtype=np.float64))
    beyond = len(ordered) // (4 if len(ordered) >= _MANY_DAYS else 2)
    edge = float(ordered[-beyond - 1])
    excess = max(float(np.mean(ordered[-beyond:] - edge)), _LEAST_EXCESS)
    return edge + beyond * excess * (math.pow(level * len(ordered) / beyond, -1 / beyond) - 1)


def _largest(profile: Profile, shares: Mapping[str, float]) -> tuple[str, float]:
    """The value that rose most above these shares, and by how much; none where nothing rose."""
    best, most = "", 0.0
    for name, entry in profile.categories.items():
        expected = profile.n * shares.get(name, 0.0)
        rise = math.log((entry.calls + _THOUGHT_CALLS) / (expected + _THOUGHT_CALLS))
        if name != OTHER and rise > most:
            best, most = name, rise
    return best, most


def _shares(before: Sequence[Profile]) -> dict[str, float]:
    """The share of each value in the last days, in the shorter or the longer time, whichever is larger."""
    found: dict[str, float] = {}
    for days in DAYS_BEFORE:
        counts = Counter[str]()
        for one in before[-days:]:
            counts.update({name: entry.calls for name, entry in one.categories.items()})
        whole = sum(one.n for one in before[-days:])
        for name, calls in counts.items():
            found[name] = max(found.get(name, 0.0), calls / whole)
    return found

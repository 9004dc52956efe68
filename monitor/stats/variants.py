"""Two variants compared while people look on: an answer that stays valid however often it is asked for.

The unit is the user: one value a user, the mean of the user's calls. The interval is a confidence sequence: with 95 %
probability it holds the true difference at all times at once, so stopping when it leaves zero is no cheating.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from monitor.profile import Floats
from monitor.stats.intervals import lasting_reach

LEVEL = 0.05
MIN_USERS = 50
TUNED_AT = 1000.0
"""Users in both variants together at which the sequence is narrowest."""

Decision = Literal["better", "worse", "different", "same", "undecided", "too_few"]


@dataclass(frozen=True)
class Side:
    """The users of one variant: their number, the mean and the variance of their own means."""

    users: int
    mean: float
    variance: float

    @classmethod
    def of(cls, values: Floats) -> Side:
        """From one value a user."""
        values = np.asarray(values, dtype=np.float64)
        if not len(values):
            return cls(0, math.nan, math.nan)
        return cls(len(values), float(values.mean()), float(values.var(ddof=1)) if len(values) > 1 else 0.0)


@dataclass(frozen=True)
class Difference:
    """The second variant less the first, with its interval at all times; `missing` users (both variants together) are
    still needed for a decision, as things look now; None where it is made or cannot be foreseen."""

    decision: Decision
    effect: float
    low: float
    high: float
    relevant: float
    missing: int | None


def compare_variants(
    first: Side, second: Side, relevant: float, good: Literal["up", "down"] | None, level: float = LEVEL
) -> Difference:
    """Is the second variant better, worse, or the same for all that matters? `relevant` is in the unit of the values.

    Interval: (m2 - m1) +- sqrt(V) sqrt(2 (t r + 1) / (t r) ln(sqrt(t r + 1) / level)) with V = s1^2 / n1 + s2^2 / n2,
    t = n1 + n2 and r = (-2 ln level + ln(1 - 2 ln level)) / 1000: the asymptotic confidence sequence of
    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (arXiv:2103.06476), narrowest at 1,000 users, about a third wider
    than an interval that may be looked at once. "better" and "worse" where it leaves out zero, "same" where it lies
    within the relevant change on both sides, "different" where the signal has no better side.

    Assumes that users were put to the variants at random and stay there, that users are independent and more than 50
    on each side. It misleads where variants ran at different times: the difference then holds whatever else changed.
    """
    if min(first.users, second.users) < MIN_USERS:
        lacking = max(0, MIN_USERS - first.users) + max(0, MIN_USERS - second.users)
        effect = second.mean - first.mean if first.users and second.users else math.nan
        return Difference("too_few", effect, -math.inf, math.inf, relevant, lacking)
    users = first.users + second.users
    effect = second.mean - first.mean
    error = math.sqrt(first.variance / first.users + second.variance / second.users)
    deviation = error * math.sqrt(users)
    half = lasting_reach(deviation, users, level, TUNED_AT)
    low, high = effect - half, effect + half
    decision = _decided(low, high, relevant, good)
    missing = None
    if decision == "undecided" and error > 0:
        missing = _still_needed(users, deviation, max(abs(effect), relevant - abs(effect)), level)
    return Difference(decision, effect, low, high, relevant, missing)


def _decided(low: float, high: float, relevant: float, good: Literal["up", "down"] | None) -> Decision:
    if -relevant <= low and high <= relevant:
        return "same"
    if low <= 0 <= high:
        return "undecided"
    if good is None:
        return "different"
    return "better" if (low > 0) == (good == "up") else "worse"


def _still_needed(users: int, deviation: float, wanted: float, level: float) -> int | None:
    """How many more users until half the width is below `wanted`; None beyond ten million."""
    needed = float(users)
    while lasting_reach(deviation, needed, level, TUNED_AT) > wanted:
        needed *= 1.02
        if needed > 1e7:
            return None
    return max(1, math.ceil(needed - users))

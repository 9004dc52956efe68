"""How the alarm budget is shared out: lanes first, then streams by weight, then looks."""

from __future__ import annotations

import math
from collections.abc import Sequence

WINDOWS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 36, 48)
"""Lengths of the windows that the fast lane looks at after each hour, in hours."""

LOOKS_AN_HOUR = len(WINDOWS)
QUARTER_DAYS = 91
HOURS_A_QUARTER = QUARTER_DAYS * 24

FAST, SLOW = "hour", "day"
"""The lanes, as verdicts name them in `detail["lane"]` and the ledger does."""

SHARES = {FAST: 0.5, SLOW: 0.5}
"""What part of the budget each lane may spend."""

SUSPICIOUS = 0.01
"""As improbable as the number of false alarms must be, given what was spent, for an assumption to look broken."""

_HIGHEST = 0.1
_TERMS = 200


def look_levels(weights: Sequence[float], budget: float, beside: float = 0.0) -> list[float]:
    """The probability of a false alarm that one look of the fast lane at each stream may have.

    budget x share of the lane x (weight / all weights) / (hours of a quarter x windows an hour): looks at all streams
    in a quarter then add up to the lane's part of the budget, and by Boole's inequality no more false alarms than that
    are expected, however anything depends on anything. Never above a tenth, where a tail would mean nothing. Others
    that the lane is shared with have the weight `beside`.
    """
    whole = sum(weights) + beside
    each = budget * SHARES[FAST] / (HOURS_A_QUARTER * LOOKS_AN_HOUR)
    return [min(_HIGHEST, each * weight / whole) for weight in weights]


def levels_left(levels: Sequence[float], weights: Sequence[float], budget: float) -> list[float]:
    """The levels of further streams, by weight, out of what looks at these `levels` leave of the fast lane's part."""
    each = budget * SHARES[FAST] / (HOURS_A_QUARTER * LOOKS_AN_HOUR)
    left = max(0.0, each - sum(levels))
    return [min(_HIGHEST, left * weight / sum(weights)) for weight in weights]


def chance_of_false_alarms(number: int, spent: float) -> float:
    """How probable so many false alarms or more are where `spent` are expected at most (Poisson's tail).

    Alarms of overlapping segments come together, so that it is too small where one cause was marked false many times.
    """
    if number <= 0:
        return 1.0
    expected = max(spent, 1e-9)
    first = number * math.log(expected) - expected - math.lgamma(number + 1)
    term = total = math.exp(first)
    for count in range(number + 1, number + _TERMS):
        term *= expected / count
        total += term
    return min(1.0, total)

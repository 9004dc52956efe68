"""What a day should bring: daily amounts that grow and know the day of the week.

The forecast of a day is the mean of the seven days before it, times the usual ratio of such a day to the seven before
it (median over the same days of the week; over all days where fewer than two of them are known). Steady growth is part
of that ratio, so it never alarms. How wrong the forecast usually is, is measured on the reference itself, each day
forecast without its own ratio; a day with little in it is never thought more certain than chance allows.

Misleads for the first weeks after growth sets in or ends, and on holidays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from scipy.special import chdtri

from monitor.stats.intervals import student_quantile

MIN_DAYS = 14
_WEEK = 7
_DISPERSION_RISK = 0.25


@dataclass(frozen=True)
class Forecast:
    """Expected amount, its prediction interval at the level asked for, and the day's deviation from it.

    `deviation` is ln(amount / expected), smoothed; `reach` is how far chance takes it at that level.
    """

    expected: float
    low: float
    high: float
    deviation: float
    reach: float
    days: int


def forecast(
    days: Sequence[datetime],
    amounts: Sequence[float],
    day: datetime,
    amount: float,
    *,
    noise: float,
    smallest: float,
    level: float,
) -> Forecast | None:
    """Forecast of `day` from the days before it (consecutive, oldest first); None with fewer than 14.

    `noise` is the variance of one unit of amount relative to its mean (1 for counts), so that an expected amount e has
    the relative variance noise / (e / smallest); `smallest` is one unit (1 for counts, a usual cost for money).
    """
    x = np.asarray(amounts, dtype=np.float64)
    if len(x) < MIN_DAYS:
        return None
    levels = np.convolve(x, np.ones(_WEEK) / _WEEK, mode="valid")
    before = levels[: len(x) - _WEEK]
    actual = x[_WEEK:]
    ratios = (actual + smallest) / (before + smallest)
    weekdays = np.array([moment.weekday() for moment in days[_WEEK:]])
    errors: list[float] = []
    for place, ratio in enumerate(ratios):
        others = np.delete(ratios, place)
        usual = _usual(others, np.delete(weekdays, place), int(weekdays[place]))
        errors.append(math.log(ratio / usual))
    groups = _WEEK if min(np.bincount(weekdays, minlength=_WEEK)) >= 2 else 1
    degrees = max(len(errors) - groups, 1)
    variance = float(np.sum(np.square(errors))) / float(chdtri(degrees, 1 - _DISPERSION_RISK))
    expected = max(0.0, _usual(ratios, weekdays, day.weekday()) * (float(levels[-1]) + smallest) - smallest)
    chance = noise * smallest / (expected + smallest)
    reach = student_quantile(level, degrees) * math.sqrt(max(variance, chance))
    factor = math.exp(min(reach, 50.0))
    return Forecast(
        expected=expected,
        low=max(0.0, (expected + smallest) / factor - smallest),
        high=(expected + smallest) * factor - smallest,
        deviation=math.log((amount + smallest) / (expected + smallest)),
        reach=reach,
        days=len(x),
    )


def _usual(ratios: np.ndarray, weekdays: np.ndarray, weekday: int) -> float:
    same = ratios[weekdays == weekday]
    return float(np.median(same if len(same) >= 2 else ratios))

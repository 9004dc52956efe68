"""Amounts by the hour, such as calls and money: what is usual, and whether the last hours are far from it.

Expected. The amount of an hour is `level x season(hour of the week)`. The level is the mean of the seven healthy days
before the day that is watched, times what a day usually is of the seven before it: steady growth is in that and never
alarms. The season is the product of factors for the hour of the day, the day of the week and, from three weeks on,
the hour of the week, each shrunk to the coarser one by how much it explains (empirical Bayes). Hours beyond three
times, or below a third, of what was expected count as that much, so one wild hour does not move what is usual.

Scatter. Amounts scatter more than counts of independent calls would: users make several calls, and traffic wanders.
With M expected in a window of W hours,

    variance = unit x M + tau_W^2 x M^2                                     (a negative binomial distribution)

`unit` (calls that come together; for money the mean square of a call's cost over its mean) and tau_W are measured on
the past, forecast as it would have been: each day from the seven days before it, with the season of the other weeks. So
errors of the forecast are in tau_W, and the wander of windows of W hours is measured for each W, without a model of
its autocorrelation. tau_W is measured for rises and falls apart: bursts make rises usual, not outages. No healthy
window of the past may look more extreme than the most extreme of as many would, or tau_W is raised: bursts that come
every week are then usual.

Evidence. After each hour, for the windows that end with it, the tail of the negative binomial distribution at the
largest change that does not matter (a fifth); tau_W is widened by Student's t for how few windows it was measured
on. An alarm needs a tail below the level of its side, a relevant factor, and a gap of at least half a usual hour.

Guarantee: that of the fast lane, a sum of probabilities (Boole), each as good as its tail. It misleads where bursts are
rarer than once in the eight weeks before, in the first weeks, and where calls are made but arrive hours late.

Sources: negative binomial tails: Johnson, Kemp and Kotz, Univariate Discrete Distributions, 2005, chapter 5; the moment
estimator of variances: DerSimonian and Laird, Controlled Clinical Trials 7, 1986.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtri, stdtrit

from monitor.profile import Floats
from monitor.stats.budget import WINDOWS

HOURS_A_DAY = 24
HOURS_A_WEEK = 168
MIN_DAYS = 14
MARGIN = 1.2
"""A change by a fifth does not matter, whatever its evidence."""

UP, DOWN = 0, 1

_WILD = 3.0
_LEAST_TAU_SQUARE = 0.05**2
_MOST_TAU_SQUARE = 100.0
_HALVINGS = 20
_GUARDED = 1.0
_MOST_EXTREME = 3
_LEAST_GAP = 0.5
_KNOWN_HOURS = 0.75
_TYPICAL_TAU_SQUARE = 0.04
_WEEKS_BY_HOUR = 3
_TINY = 1e-12


@dataclass(frozen=True)
class Usual:
    """What is usual for an amount: the mean of an hour and the factors of the hours of the week (their mean is one).

    `unit` is the variance of a small amount over its mean; `wander` (sides x windows) is tau_W^2 with the degrees of
    freedom that it is known with.
    """

    level: float
    season: Floats
    unit: float
    wander: Floats
    degrees: Floats

    def expected(self, hour_of_week: int) -> float:
        """The usual amount of an hour of the week."""
        return float(self.level * self.season[hour_of_week % HOURS_A_WEEK])


@dataclass(frozen=True)
class Seen:
    """The most telling window after an hour: `evidence` is -log10 of its tail probability and `needed` that of its
    level, `side` UP or DOWN, `window` a place in WINDOWS, `ratio` what was seen over what was expected."""

    evidence: float
    needed: float
    side: int
    window: int
    ratio: float

    @property
    def alarmed(self) -> bool:
        """True where the evidence is what is needed."""
        return self.evidence >= self.needed


def learn_usual(amounts: Floats, healthy: NDArray[np.bool_], first_hour: int, unit: float) -> Usual | None:
    """What is usual on the day after these hours; None with fewer than fourteen days of healthy ones.

    Whole days from midnight, `first_hour` the hour of the week of the first; hours that are not `healthy` are left out.
    `unit` is the least that small amounts scatter by.
    """
    hours = len(amounts)
    if healthy.sum() < MIN_DAYS * HOURS_A_DAY or not amounts[healthy].sum() > 0:
        return None
    of_week = (first_hour + np.arange(hours)) % HOURS_A_WEEK
    season, tame = _seasons(amounts, healthy, of_week)
    forecast = np.zeros(hours)
    weeks = np.arange(hours)[::-1] // HOURS_A_WEEK
    for week in range(int(weeks[0]) + 1):
        others = healthy & (weeks != week)
        own, _ = _seasons(amounts, others, of_week) if others.sum() >= HOURS_A_WEEK else (season, tame)
        inside = weeks == week
        forecast[inside] = (np.repeat(_levels(tame, healthy, own[of_week]), HOURS_A_DAY) * own[of_week])[inside]
    known = np.arange(hours) >= HOURS_A_WEEK
    usable = healthy & known
    growth = _growth(tame, forecast, usable)
    unit = _unit(amounts, forecast * growth, usable, unit)
    wander, degrees = _wander(amounts, forecast * growth, usable, unit)
    newest = slice(max(0, hours - 4 * HOURS_A_WEEK), hours)
    level = _level(tame[newest], healthy[newest], season[of_week[newest]])
    return Usual(float(level * growth), season, unit, wander, degrees)


def look_at(usual: Usual, amounts: Floats, expected: Floats, levels: tuple[float, float], factor: float) -> Seen | None:
    """Looks at the windows that end with the newest hour; None where nothing is near an alarm.

    `amounts` and what was `expected` of the last 48 hours, the newest first, NaN where an hour is left out; a window is
    looked at where three quarters of its hours are known. `levels` are those of a rise and of a fall, zero where it is
    not asked; `factor` is the smallest that matters.
    """
    last = np.array(WINDOWS) - 1
    known = ~np.isnan(expected)
    is_whole = np.cumsum(known)[last] >= _KNOWN_HOURS * np.array(WINDOWS)
    seen, mean = (np.cumsum(np.where(known, part, 0.0))[last] for part in (amounts, expected))
    best: Seen | None = None
    for side in (UP, DOWN):
        if levels[side] <= 0:
            continue
        ratio = seen / np.maximum(mean, _TINY)
        matters = ratio >= factor if side == UP else ratio <= 1 / factor
        near = np.flatnonzero(is_whole & matters & (np.abs(seen - mean) >= _LEAST_GAP * usual.level) & (mean > 0))
        if not len(near):
            continue
        widened = (stdtrit(usual.degrees[near], levels[side]) / ndtri(levels[side])) ** 2
        bound = mean[near] * (MARGIN if side == UP else 1 / MARGIN)
        tails = tail(seen[near], bound, usual.unit, usual.wander[side, near] * widened, side)
        place = int(np.argmin(tails))
        evidence, needed = float(-np.log10(tails[place])), float(-np.log10(levels[side]))
        if best is None or evidence - needed > best.evidence - best.needed:
            best = Seen(evidence, needed, side, int(near[place]), float(ratio[near[place]]))
    return best


def tail(seen: Floats, mean: Floats, unit: float, tau_square: Floats, side: int) -> Floats:
    """The probability of as much as was seen, or more (UP), or less (DOWN), around a mean: a negative binomial tail."""
    size = 1 / np.maximum(tau_square, _TINY)
    units, around = seen / unit, np.maximum(mean, _TINY) / unit
    fails = around / (size + around)
    if side == UP:
        found = np.where(units > 0, betainc(np.maximum(units, _TINY), size, fails), 1.0)
    else:
        found = betainc(size, units + 1, 1 - fails)
    probable: Floats = np.clip(found, 1e-300, 1.0)
    return probable


def expected_range(usual: Usual, mean: float, window: int, level: float) -> tuple[float, float]:
    """From where to where an amount is usual that has this mean: its interval at a level on each side."""
    found = []
    for side in (DOWN, UP):
        tau_square = usual.wander[side, window : window + 1]
        low, high = (0.0, mean) if side == DOWN else (mean, max(mean, usual.unit) * 1000)
        for _ in range(60):
            middle = (low + high) / 2
            is_usual = tail(np.array([middle]), np.array([mean]), usual.unit, tau_square, side)[0] >= level
            if is_usual == (side == DOWN):
                high = middle
            else:
                low = middle
        found.append((low + high) / 2)
    return found[0], found[1]


def _seasons(amounts: Floats, healthy: NDArray[np.bool_], of_week: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The factors of the hours of the week, and the amounts with the wild ones tamed."""
    season = np.ones(HOURS_A_WEEK)
    tame = amounts
    every = np.arange(HOURS_A_WEEK)
    weeks = healthy.sum() / HOURS_A_WEEK
    for _ in range(3):
        flat = np.repeat(_levels(tame, healthy, season[of_week]), HOURS_A_DAY)
        mean = flat * season[of_week]
        tame = np.clip(amounts, mean / _WILD, mean * _WILD) if season.std() else amounts
        season = np.ones(HOURS_A_WEEK)
        for cells in (every % HOURS_A_DAY, every // HOURS_A_DAY, every):
            if len(np.unique(cells)) == HOURS_A_WEEK and weeks < _WEEKS_BY_HOUR:
                continue
            mean = flat * season[of_week]
            season = season * (1 + _shrunk(tame, mean, healthy, cells[of_week])[cells])
        season = season / max(season.mean(), _TINY)
    return season, tame


def _shrunk(amounts: Floats, mean: Floats, healthy: NDArray[np.bool_], cells: NDArray[np.int64]) -> Floats:
    """By what share the cells are above their mean, shrunk by what chance explains."""
    number = int(cells.max()) + 1
    weight = np.where(healthy, mean, 0.0)
    off = np.where(weight > 0, amounts / np.maximum(mean, _TINY) - 1, 0.0)
    of_cell = np.bincount(cells, weight, number)
    found: Floats = np.bincount(cells, weight * off, number) / np.maximum(of_cell, _TINY)
    present, filled = int((weight > 0).sum()), int((of_cell > 0).sum())
    freedom = present - filled
    total = of_cell.sum()
    if freedom < 3 or filled < 2 or total <= 0:
        return np.zeros(number)
    within = float((weight * (off - found[cells]) ** 2).sum()) / freedom
    between = float((of_cell * found**2).sum()) / (filled - 1)
    size = float(total - (of_cell**2).sum() / total) / (filled - 1)
    variance = max(0.0, between - within) / max(size, _TINY)
    return found * variance / np.maximum(variance + within / np.maximum(of_cell, _TINY), _TINY)


def _levels(amounts: Floats, healthy: NDArray[np.bool_], season: Floats) -> Floats:
    """The level before each day: that of the seven days before it; of the first seven for those."""
    seen, usual = (np.concatenate([[0.0], np.cumsum(np.where(healthy, part, 0.0))]) for part in (amounts, season))
    ends = np.arange(0, len(amounts), HOURS_A_DAY)
    ends = np.maximum(ends, HOURS_A_WEEK)
    starts = ends - HOURS_A_WEEK
    weight = usual[ends] - usual[starts]
    found = np.where(weight >= HOURS_A_DAY, (seen[ends] - seen[starts]) / np.maximum(weight, _TINY), np.nan)
    whole = seen[-1] / max(usual[-1], _TINY)
    kept = whole
    for place, level in enumerate(found.tolist()):
        kept = found[place] = kept if np.isnan(level) else level
    levels: Floats = found
    return levels


def _level(amounts: Floats, healthy: NDArray[np.bool_], season: Floats) -> float:
    """The level of the newest seven days of healthy hours."""
    newest = np.flatnonzero(healthy)[-HOURS_A_WEEK:]
    return float(amounts[newest].sum() / max(season[newest].sum(), _TINY))


def _growth(amounts: Floats, forecast: Floats, usable: NDArray[np.bool_]) -> float:
    """What a day usually is of its forecast: the median over the days."""
    by_day = [np.where(usable, part, 0.0).reshape(-1, HOURS_A_DAY).sum(axis=1) for part in (amounts, forecast)]
    known = by_day[1] > 0
    return float(np.clip(np.median(by_day[0][known] / by_day[1][known]), 0.5, 2.0)) if known.any() else 1.0


def _unit(amounts: Floats, forecast: Floats, usable: NDArray[np.bool_], least: float) -> float:
    """The part of the scatter that is as large as the mean: squared residuals over the mean, against the mean."""
    mean = forecast[usable]
    present = mean > _TINY
    mean = mean[present]
    seen = np.minimum(amounts[usable][present], _WILD * mean + 10 * least)
    scatter = (seen - mean) ** 2 / mean
    unit, tau_square = least, _TYPICAL_TAU_SQUARE
    for _ in range(8):
        weight = (unit + tau_square * mean) ** -2.0
        total, first, second = weight.sum(), (weight * mean).sum(), (weight * mean**2).sum()
        across = total * second - first**2
        if across <= _TINY * total * second:
            unit, tau_square = max(least, float((weight * scatter).sum() / total)), 0.0
            continue
        slope = (total * (weight * mean * scatter).sum() - first * (weight * scatter).sum()) / across
        tau_square = max(0.0, float(slope))
        unit = max(least, float(((weight * scatter).sum() - tau_square * first) / total))
    return unit


def _wander(amounts: Floats, forecast: Floats, usable: NDArray[np.bool_], unit: float) -> tuple[Floats, Floats]:
    """tau_W^2 of rises and falls by window, and the degrees of freedom of each window."""
    found, degrees = np.zeros((2, len(WINDOWS))), np.ones(len(WINDOWS))
    guard = np.zeros_like(found)
    days = len(amounts) / HOURS_A_DAY
    parts = (np.where(usable, amounts, 0.0), np.where(usable, forecast, 0.0), usable.astype(np.float64))
    sums = [np.concatenate([[0.0], np.cumsum(part)]) for part in parts]
    for place, length in enumerate(WINDOWS):
        # All windows of this length; every so many of them do not overlap.
        every = [part[length:] - part[:-length] for part in sums]
        seen, mean, share = (part[::-length] for part in every)
        whole = (share >= length / 2) & (mean > _TINY)
        seen, mean = seen[whole], mean[whole]
        if not len(mean):
            continue
        off, noise = seen / mean - 1, unit / mean
        weight = 1 / (noise + _TYPICAL_TAU_SQUARE)
        degrees[place] = max(1.0, len(mean) * (1 - 7 / days) / 2)
        for side in (UP, DOWN):
            beyond = off > 0 if side == UP else off < 0
            estimate = (2 * (weight * off**2 * beyond).sum() - (weight * noise).sum()) / weight.sum()
            found[side, place] = max(estimate, _LEAST_TAU_SQUARE)
            known = (every[2] >= length / 2) & (every[1] > _TINY)
            guard[side, place] = _guard(every[0][known], every[1][known], unit, side, risk=_GUARDED / len(mean))
    # A mean over longer windows never wanders more than one over shorter ones.
    found = np.maximum.accumulate(found[:, ::-1], axis=1)[:, ::-1]
    return np.maximum(found, guard), degrees


def _guard(seen: Floats, mean: Floats, unit: float, side: int, *, risk: float) -> float:
    """The tau^2 with which the most extreme of these windows is no more so than one in so many."""
    tails = tail(seen, mean, unit, np.full(len(seen), _LEAST_TAU_SQUARE), side)
    wildest = np.argsort(tails)[:_MOST_EXTREME]
    wildest = wildest[tails[wildest] < risk]
    low, high = np.full(len(wildest), _LEAST_TAU_SQUARE), np.full(len(wildest), _MOST_TAU_SQUARE)
    for _ in range(_HALVINGS if len(wildest) else 0):
        middle = np.sqrt(low * high)
        is_enough = tail(seen[wildest], mean[wildest], unit, middle, side) >= risk
        low, high = np.where(is_enough, low, middle), np.where(is_enough, middle, high)
    return float(high.max(initial=0.0))

"""What a gauge shows while all is well: by hour of the week, with its own uncertainty, for many gauges at once.

A gauge is one share-like number of a stream, a mean over users of values in [0, 1] (`monitor.detectors.gauges`).
Its healthy hours are described by

    value of hour h = level + trend + hour of day + day of week + hour of week + wander_h + noise_h / users_h.

Season. Each part is the mean of its cell, shrunk to the coarser part by n / (n + k), k = variance within / variance
between cells (empirical Bayes with the moment estimator of one-way analysis of variance): with little data or without a
season nothing is left of it. Hours of the week are told apart from four weeks on.

Trend. A straight line through the days, believed where its t value is beyond 3.3 and shrunk by 1 - 1 / t^2; the level
is the line's end. It is not carried on into the future.

Wander. Whatever users do independently, windows of W hours scatter by noise / users; what they scatter beyond that is
measured for each W on the healthy windows of that length themselves (DerSimonian and Laird, Controlled Clinical Trials
7, 1986, made median-unbiased). A process that wanders for many hours shows in the long windows and is then allowed for
there, so no model of the autocorrelation is needed. Where the scatter says that there is none, the mean of what it
may still be is taken, and a single window far beyond what was found raises it. Eight weeks say little of windows of
days: at rho 0.9 no estimator, not even one that knew the process to be AR(1), knows the variance of a mean over
48 hours better than 34 degrees of freedom would (Cramér-Rao; windows that overlap come up to it).

Misleads where the past holds trouble nobody declared, and for the first weeks after a season changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, ndtr, ndtri

from monitor.profile import Floats
from monitor.stats.budget import WINDOWS

HOURS_A_DAY = 24
HOURS_A_WEEK = 168
WANDER_TOGETHER = 3.0
"""Neighbouring days wander together: they count as a third of their number where the wander is averaged."""

_MIN_WEEKS_BY_HOUR = 4
_BELIEVED_TREND = 3.3
_GUARDED_EVENTS = 5.0
_GUARD_RISK = 0.05
_MIN_TO_LOWER = 10
_MOST_FITTED = 0.7
_TINY = 1e-12


@dataclass
class Baselines:
    """Gauges x anything: what is usual, and how far from it chance takes them.

    `level` and `season` (by hour of the week) add up to the expected value. `score` marks mean scores, whose noise is
    the same at any level; that of a share is share (1 - share). `noise` is the variance of one user's
    value, `wander` that of a window's mean beyond noise, `degrees` how well it is known, `uneven` how the users of a
    window are spread over its hours (1 / hours where evenly), `lowered` the factor on the noise where calls of a user
    hang together less than feared: each by window. `own_noise` and `own_wander` (by window:
    the cells of a season are off independently of each other) are the two parts of the variance of the baseline itself.
    """

    level: Floats
    season: Floats
    score: NDArray[np.bool_]
    noise: Floats
    wander: Floats
    degrees: Floats
    uneven: Floats
    lowered: Floats
    own_noise: Floats
    own_wander: Floats

    def expected(self, hour_of_week: int) -> Floats:
        """The usual value of each gauge in an hour of the week."""
        return np.clip(self.level + self.season[:, hour_of_week], 0.0, 1.0)


def fit(users: Floats, sums: Floats, first_hour: int, noise: Floats, least_lowered: Floats | float = 1.0) -> Baselines:
    """The baselines of gauges x hours: `users` and the `sums` of their values, zero where an hour is left out.

    The first hour is midnight, `first_hour` its hour of the week; whole days. `noise` is the variance between users'
    values of a score, and NaN for shares. `least_lowered` is the least factor by which it may be lowered.
    """
    hours = users.shape[1]
    total = np.maximum(users.sum(axis=1), _TINY)
    level = sums.sum(axis=1) / total
    hour_of_week = (first_hour + np.arange(hours)) % HOURS_A_WEEK
    rest = sums - level[:, None] * users
    season = np.zeros((len(users), HOURS_A_WEEK))
    error, hourly_error = np.zeros(len(users)), np.zeros(len(users))
    daily_fitted, hourly_fitted = np.ones(len(users)), np.zeros(len(users))
    of_week = np.arange(HOURS_A_WEEK)
    by_day = _by_day(users)
    for cells, cells_of_week, is_daily in (
        (hour_of_week % HOURS_A_DAY, of_week % HOURS_A_DAY, False),
        (hour_of_week // HOURS_A_DAY, of_week // HOURS_A_DAY, True),
        (hour_of_week, of_week, False),
    ):
        if cells is hour_of_week and hours < _MIN_WEEKS_BY_HOUR * HOURS_A_WEEK:
            continue
        if is_daily:
            offsets, own, fitted = _shrunk(by_day, _by_day(rest), cells[::HOURS_A_DAY])
        else:
            offsets, own, fitted = _shrunk(users, rest, cells)
        rest -= offsets[:, cells] * users
        season += offsets[:, cells_of_week]
        error += own * is_daily
        hourly_error += own * (not is_daily)
        daily_fitted += fitted * is_daily
        hourly_fitted += fitted * (not is_daily)
    slope, slope_variance, centre = _trend(by_day, _by_day(rest))
    days = np.arange(hours) // HOURS_A_DAY
    rest -= slope[:, None] * (days - centre[:, None]) * users
    to_end = days[-1] + 1 - centre
    share = (sums.sum(axis=1) + 0.5) / (total + 1)
    score = ~np.isnan(noise)
    unit = np.where(score, noise, share * (1 - share))
    expected = np.clip(level[:, None] + season[:, hour_of_week], 0.001, 0.999)
    spread = np.where(score[:, None], unit[:, None], expected * (1 - expected))
    wander, degrees, lowered, uneven = _wander(users, rest, spread, daily_fitted, hourly_fitted)
    day_users, of_a_day = by_day.sum(axis=1), WINDOWS.index(HOURS_A_DAY)
    evenness = np.minimum(1.0, WANDER_TOGETHER * (by_day**2).sum(axis=1) / np.maximum(day_users, _TINY) ** 2)
    lowered = np.clip(lowered, np.broadcast_to(np.asarray(least_lowered), total.shape)[:, None], 1.0)
    return Baselines(
        level=level + slope * to_end,
        season=season,
        score=score,
        noise=unit,
        wander=wander,
        degrees=degrees,
        uneven=uneven,
        lowered=lowered,
        own_noise=unit / total,
        own_wander=(wander[:, of_a_day] * evenness + error + slope_variance * to_end**2)[:, None]
        + hourly_error[:, None] / np.maximum(1.0, np.array(WINDOWS) / 2),
    )


def _by_day(values: Floats) -> Floats:
    days: Floats = values.reshape(len(values), -1, HOURS_A_DAY).sum(axis=2)
    return days


def _shrunk(users: Floats, rest: Floats, cells: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """The offset of each cell, the mean variance of what it is off by, and how many means that is worth."""
    number = int(cells.max()) + 1
    inside = np.zeros((len(cells), number))
    inside[np.arange(len(cells)), cells] = 1.0
    weight = users @ inside
    means = (rest @ inside) / np.maximum(weight, _TINY)
    present = users > 0
    value = np.where(present, rest / np.maximum(users, _TINY), 0.0)
    cells_found = np.maximum((weight > 0).sum(axis=1), 1)
    freedom = present.sum(axis=1) - cells_found
    within = (users * (value - means[:, cells]) ** 2).sum(axis=1) / np.maximum(freedom, 1)
    between = (weight * means**2).sum(axis=1) / np.maximum(cells_found - 1, 1)
    total = np.maximum(weight.sum(axis=1), _TINY)
    size = (total - (weight**2).sum(axis=1) / total) / np.maximum(cells_found - 1, 1)
    variance = np.where(
        (freedom >= 3) & (cells_found > 1), np.maximum(0.0, between - within) / np.maximum(size, _TINY), 0.0
    )
    noise = within[:, None] / np.maximum(weight, _TINY)
    believed = np.where(weight > 0, variance[:, None] / np.maximum(variance[:, None] + noise, _TINY), 0.0)
    error = (weight * np.where(weight > 0, believed * noise, 0.0)).sum(axis=1) / total
    return means * believed, error, believed.sum(axis=1)


def _trend(users: Floats, rest: Floats) -> tuple[Floats, Floats, Floats]:
    """Slope a day, its variance, and the mean day."""
    days = np.arange(users.shape[1], dtype=np.float64)
    total = np.maximum(users.sum(axis=1), _TINY)
    centre = users @ days / total
    away = days - centre[:, None]
    spread = np.maximum((users * away**2).sum(axis=1), _TINY)
    slope = (rest * away).sum(axis=1) / spread
    left = np.where(users > 0, rest / np.maximum(users, _TINY) - slope[:, None] * away, 0.0)
    freedom = np.maximum((users > 0).sum(axis=1) - 2, 1)
    variance = (users * left**2).sum(axis=1) / freedom / spread
    t_square = slope**2 / np.maximum(variance, _TINY**2)
    shrink = np.where(t_square > _BELIEVED_TREND**2, 1 - 1 / np.maximum(t_square, 1.0), 0.0)
    return slope * shrink, np.where(shrink > 0, variance, 0.0), centre


def _wander(
    users: Floats, rest: Floats, noise: Floats, daily_fitted: Floats, hourly_fitted: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """For each window length: the variance beyond noise, its degrees of freedom, the dispersion where it is below 1,
    and how unevenly the users of a window are spread over its hours.

    `daily_fitted` and `hourly_fitted` are how many means of days and of hours were learnt from these very hours.
    Windows overlap by three quarters, which tells nearly half as much again as windows side by side (Welch, IEEE
    Transactions on Audio and Electroacoustics 15, 1967).
    """
    gauges, hours = users.shape
    shape = (gauges, len(WINDOWS))
    wander, degrees = np.zeros(shape), np.ones(shape)
    noises, least, lowered, uneven = np.zeros(shape), np.zeros(shape), np.ones(shape), np.ones(shape)
    sums = [_cumulated(values) for values in (users, rest, users * noise, users**2)]
    for place, length in enumerate(WINDOWS):
        stride = max(1, length // 4)
        people, gap, spread, square = (part[:, length::stride] - part[:, :-length:stride] for part in sums)
        present = people > 0
        spread = np.maximum(spread, _TINY)
        weight = np.where(present, people**2 / spread, 0.0)
        scores = np.where(present, gap / np.sqrt(spread), 0.0)
        hourly = hourly_fitted * max(0.0, 1 - length / HOURS_A_DAY)
        left = 1 - np.minimum((daily_fitted * HOURS_A_DAY + hourly) / hours, _MOST_FITTED)
        freedom = np.maximum(present.sum(axis=1) * left, 1.0)
        known = np.maximum(freedom / _shared(scores, length, stride), 1.0)
        dispersion = (scores**2).sum(axis=1) / freedom * known / chdtri(known, 0.5)
        total = np.maximum(weight.sum(axis=1), _TINY)
        evenness = np.maximum(total - (weight**2).sum(axis=1) / total, _TINY)
        wander[:, place] = (dispersion - 1) * freedom / evenness
        noises[:, place] = freedom / evenness
        least[:, place] = _guard(people, gap, spread, length / stride)
        degrees[:, place] = known
        lowered[:, place] = np.where(known >= _MIN_TO_LOWER, np.minimum(dispersion, 1.0), 1.0)
        together = (people**2).sum(axis=1)
        uneven[:, place] = np.where(together > 0, square.sum(axis=1) / np.maximum(together, _TINY), 1.0)
    unsure = np.sqrt(2 / degrees) * (noises + np.maximum(wander, 0.0))
    return np.maximum(_hedged(_falling(wander, degrees), unsure), least), degrees, lowered, uneven


def _hedged(wander: Floats, unsure: Floats) -> Floats:
    """The mean of what the wander may be, given its estimate and standard error, where it cannot be below zero.

    Of a normal distribution cut off at zero (flat prior). What was found to be zero is not taken for zero.
    """
    away = wander / np.maximum(unsure, _TINY)
    found: Floats = wander + unsure * np.exp(-(away**2) / 2) / np.sqrt(2 * np.pi) / ndtr(away)
    return found


def _cumulated(values: Floats) -> Floats:
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)


def _shared(scores: Floats, length: int, stride: int) -> Floats:
    """How many windows say as much as one alone: 1 + 2 x the squared autocorrelations of the windows' scores."""
    parts = length // stride
    overlap = 1 - np.arange(1, parts) / parts
    square = np.maximum((scores**2).sum(axis=1), _TINY)
    apart = (scores[:, parts:] * scores[:, :-parts]).sum(axis=1) / square if scores.shape[1] > parts else 0.0
    # What is left between windows side by side fades as that of an AR(1) process does.
    lasting = np.clip(apart, 0.0, 0.95) ** 2
    shared: Floats = (1 + 2 * float((overlap**2).sum())) * (1 + lasting) / (1 - lasting)
    return shared


def _falling(values: Floats, weights: Floats) -> Floats:
    """The values that fall from window to window and are nearest (weighted least squares), none below zero.

    A mean over longer windows never wanders more; where it seems so, neighbours are averaged (isotonic regression by
    its min-max formula: Robertson, Wright and Dykstra, Order Restricted Statistical Inference, 1988).
    """
    number = values.shape[1]
    weight = np.concatenate([np.zeros((len(values), 1)), np.cumsum(weights, axis=1)], axis=1)
    total = np.concatenate([np.zeros((len(values), 1)), np.cumsum(weights * values, axis=1)], axis=1)
    found = np.empty_like(values)
    for place in range(number):
        # Rows: where the average begins, at most here; columns: where it ends, at least here.
        span = weight[:, None, place + 1 :] - weight[:, : place + 1, None]
        mean = (total[:, None, place + 1 :] - total[:, : place + 1, None]) / np.maximum(span, _TINY)
        found[:, place] = mean.max(axis=2).min(axis=1)
    return np.maximum(found, 0.0)


def _guard(people: Floats, gap: Floats, spread: Floats, overlap: float) -> Floats:
    """The wander with which no healthy window is more extreme than one in so many may be."""
    judged = spread >= _GUARDED_EVENTS
    most = -ndtri(_GUARD_RISK / 2 / np.maximum(judged.sum(axis=1) / overlap, 1))
    needed = (gap**2 / most[:, None] ** 2 - spread) / np.maximum(people, _TINY) ** 2
    largest: Floats = np.where(judged, needed, 0.0).max(axis=1, initial=0.0)
    return largest

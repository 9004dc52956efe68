"""Confidence intervals. `level` is the probability of being wrong, both sides together: 0.05 gives a 95 % interval.

The units are users within blocks, so that several calls of one user do no harm; the functions take counts of units,
which need not be whole where dependence made them fewer.
"""

from __future__ import annotations

import math

from scipy.special import ndtri, stdtrit

from monitor.contracts import Kind
from monitor.profile import Profile, bin_of

Interval = tuple[float, float]
SHOWN_LEVEL = 0.05


def normal_quantile(level: float) -> float:
    """z such that a standard normal value lies beyond +-z with probability `level`."""
    return float(-ndtri(level / 2))


def student_quantile(level: float, degrees: float) -> float:
    """t such that Student's t with so many degrees of freedom lies beyond +-t with probability `level`."""
    return float(-stdtrit(degrees, level / 2))


def wilson(share: float, n: float, level: float = SHOWN_LEVEL) -> Interval:
    """Wilson's score interval of a share: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).

    Good at 95 %; far out in the tails and near 0 or 1 it covers too little.
    Source: Wilson, JASA 22, 1927.
    """
    if n <= 0:
        return 0.0, 1.0
    z = normal_quantile(level)
    middle = share + z * z / (2 * n)
    reach = z * math.sqrt(max(0.0, share * (1 - share)) / n + z * z / (4 * n * n))
    whole = 1 + z * z / n
    return max(0.0, min(share, (middle - reach) / whole)), min(1.0, max(share, (middle + reach) / whole))


def newcombe(share: float, n: float, other: float, other_n: float, level: float = SHOWN_LEVEL) -> Interval:
    """Interval of the difference of two independent shares by squaring and adding Wilson's limits.

    Source: Newcombe, Statistics in Medicine 17, 1998, method 10.
    """
    low, high = wilson(share, n, level)
    other_low, other_high = wilson(other, other_n, level)
    difference = share - other
    return (
        difference - math.hypot(share - low, other_high - other),
        difference + math.hypot(high - share, other - other_low),
    )


def mean_interval(mean: float, variance: float | None, units: float, level: float = SHOWN_LEVEL) -> Interval | None:
    """mean -+ t sqrt(variance / units), `variance` being that between users' own means; None with fewer than two.

    Covers too little for strongly skewed numbers from few users (under about 50).
    """
    if variance is None or units < 2:
        return None
    reach = student_quantile(level, units - 1) * math.sqrt(variance / units)
    return mean - reach, mean + reach


def lasting_reach(deviation: float, units: float, level: float = SHOWN_LEVEL, tuned_at: float = 200.0) -> float:
    """Half the width of an interval for a mean that stays valid however often one looks while units are added.

    deviation sqrt(2 (t r + 1) / (t^2 r) ln(sqrt(t r + 1) / level)) after t units, with r = (-2 ln a + ln(1 - 2 ln a)) /
    t*, narrowest at t* = `tuned_at` (asymptotic confidence sequence from the Gaussian mixture martingale). Covers too
    little below some thirty units. Source: Waudby-Smith et al., Annals of Statistics 52, 2024.
    """
    if units <= 0:
        return math.inf
    rate = (-2 * math.log(level) + math.log(1 - 2 * math.log(level))) / tuned_at
    grown = units * rate + 1
    return deviation * math.sqrt(2 * grown / (units**2 * rate) * math.log(math.sqrt(grown) / level))


def possible(interval: Interval, profile: Profile, unit: str | None = None) -> Interval:
    """The part of an interval of a mean where that can lie, as far as the values of the profile tell.

    A share lies between 0 and 1. Where no number was below zero (counts, lengths, durations, costs) their mean is not
    either; numbers known to have no `unit` ("") that all lie between 0 and 1 are scores, and so is their mean.
    Misleads where such a number may be larger but has not been so far.
    """
    low, high = interval
    if profile.kind in (Kind.FLAG, Kind.CATEGORY):
        return max(low, 0.0), min(high, 1.0)
    if min(profile.bins, default=0) < 0:
        return interval
    if unit == "" and max(profile.bins, default=0) <= bin_of(1.0):
        high = min(high, 1.0)
    return max(low, 0.0), high


def ratio(
    value: float, variance: float, other: float, other_variance: float, level: float = SHOWN_LEVEL
) -> Interval | None:
    """Interval of value / other on the logarithmic scale: exp(ln r -+ z sqrt(v/value^2 + w/other^2)).

    The variances are those of the two means. None where either mean is not positive.
    Source: Katz et al., Biometrics 34, 1978.
    """
    if value <= 0 or other <= 0:
        return None
    reach = normal_quantile(level) * math.sqrt(variance / value**2 + other_variance / other**2)
    return value / other * math.exp(-reach), value / other * math.exp(reach)

"""Distances between two distributions, from counts: effect sizes that people know, never the rule of an alarm.

A distance grows with small samples (empty bins) and says nothing about chance; that is why verdicts rest on intervals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from monitor.profile import Floats, Profile, bin_values

PSI_BINS = 10
_HALF = 0.5


def population_stability_index(current: Mapping[Any, float], reference: Mapping[Any, float]) -> float:
    """PSI = sum (p - q) ln(p / q) over all values; by custom 0.1 is a small and 0.25 a large change.

    Half a count is added to each value on both sides, since a value that one side lacks would make it infinite; with
    few calls that smoothing decides the figure. Source: Siddiqi, Credit Risk Scorecards, 2006.
    """
    names = list({**reference, **current})
    if not names:
        return 0.0
    p = np.array([current.get(name, 0.0) + _HALF for name in names])
    q = np.array([reference.get(name, 0.0) + _HALF for name in names])
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((p - q) * np.log(p / q)))


def jensen_shannon(current: Mapping[Any, float], reference: Mapping[Any, float]) -> float:
    """Jensen-Shannon distance in base 2, from 0 (equal) to 1 (nothing in common): the root of the divergence.

    Needs no smoothing. Two small samples of one distribution with many values are far apart all the same.
    Source: Endres and Schindelin, IEEE Transactions on Information Theory 49, 2003.
    """
    names = list({**reference, **current})
    p = np.array([current.get(name, 0.0) for name in names], dtype=np.float64)
    q = np.array([reference.get(name, 0.0) for name in names], dtype=np.float64)
    if not p.sum() or not q.sum():
        return 0.0
    return jensen_shannon_of_shares(p / p.sum(), q / q.sum()) / math.sqrt(math.log(2))


def jensen_shannon_of_shares(p: Floats, q: Floats) -> float:
    """The root of the Jensen-Shannon divergence in nats, as `scipy.spatial.distance.jensenshannon` has it."""
    middle = (p + q) / 2
    return math.sqrt(max(0.0, (_divergence(p, middle) + _divergence(q, middle)) / 2))


def _divergence(p: Floats, q: Floats) -> float:
    present = p > 0
    return float(np.sum(p[present] * np.log(p[present] / q[present])))


def wasserstein(current: Mapping[int, int], reference: Mapping[int, int]) -> float:
    """First Wasserstein distance of two histograms of `monitor.profile` bins, in the unit of the numbers.

    The integral of the difference of the distribution functions; within 1 % of the distance of the raw numbers' scale.
    One far outlier moves it. Source: Villani, Optimal Transport, 2009.
    """
    points, first, second = _cumulative(current, reference)
    return float(np.sum(np.abs(first - second)[:-1] * np.diff(points))) if len(points) > 1 else 0.0


def kolmogorov_smirnov(current: Mapping[int, int], reference: Mapping[int, int]) -> float:
    """The largest difference of the two distribution functions, 0 to 1. Blind to changes in the far tails."""
    _, first, second = _cumulative(current, reference)
    return float(np.max(np.abs(first - second))) if len(first) else 0.0


def _cumulative(current: Mapping[int, int], reference: Mapping[int, int]) -> tuple[Floats, Floats, Floats]:
    order = sorted({**reference, **current})
    first = np.cumsum([current.get(index, 0) for index in order], dtype=np.float64)
    second = np.cumsum([reference.get(index, 0) for index in order], dtype=np.float64)
    if not order or not first[-1] or not second[-1]:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    return bin_values(np.array(order, dtype=np.int64)), first / first[-1], second / second[-1]


def decile_counts(current: Mapping[int, int], reference: Mapping[int, int]) -> tuple[dict[int, int], dict[int, int]]:
    """Both histograms in the reference's deciles, as PSI of numbers is usually taken."""
    known = np.array(sorted(reference))
    counts = np.array([reference[index] for index in known.tolist()], dtype=np.float64)
    seen = np.cumsum(counts) - counts
    decile = np.minimum(PSI_BINS - 1, seen * PSI_BINS // max(float(counts.sum()), 1.0)).astype(np.int64)

    def grouped(histogram: Mapping[int, int]) -> dict[int, int]:
        bins = np.fromiter(histogram, np.int64, len(histogram))
        place = np.maximum(np.searchsorted(known, bins, side="right") - 1, 0)
        sums = np.bincount(decile[place], np.fromiter(histogram.values(), np.float64, len(histogram)))
        return {group: int(total) for group, total in enumerate(sums.tolist()) if total}

    return grouped(current), grouped(reference)


def of_profiles(current: Profile, reference: Profile) -> dict[str, float]:
    """The distances that apply to the kind of two profiles: none for vectors, or where one side is empty."""
    if not current.n or not reference.n:
        return {}
    if current.bins and reference.bins:
        return {
            "psi": population_stability_index(*decile_counts(current.bins, reference.bins)),
            "jensen_shannon": jensen_shannon(current.bins, reference.bins),
            "wasserstein": wasserstein(current.bins, reference.bins),
            "ks": kolmogorov_smirnov(current.bins, reference.bins),
        }
    if current.categories and reference.categories:
        one = {name: entry.calls for name, entry in current.categories.items()}
        two = {name: entry.calls for name, entry in reference.categories.items()}
        return {"psi": population_stability_index(one, two), "jensen_shannon": jensen_shannon(one, two)}
    if current.vector is None and not current.bins and not current.categories:
        set_now = {True: current.total, False: current.n - current.total}
        set_before = {True: reference.total, False: reference.n - reference.total}
        return {
            "psi": population_stability_index(set_now, set_before),
            "jensen_shannon": jensen_shannon(set_now, set_before),
        }
    return {}

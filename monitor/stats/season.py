"""What a block of this day of the week is expected to add to, or take from, the average.

Days are grouped by day of the week where each has come up often enough, else by weekday and weekend, else not at all.
A season is believed only where it explains the reference clearly better than chance (F test), and then shrunk by what
chance alone would have explained; without one, the differences between days stay in the scatter, where they widen
intervals. Misleads when a holiday falls into a short history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from monitor.profile import Floats

MIN_SAME_DAYS = 3
MIN_DAY_CLASS = 4
BELIEVED_AT = 0.001
_SATURDAY = 5


@dataclass(frozen=True)
class Season:
    """Offsets from the mean for the blocks of the reference and of the window (blocks x coordinates), and how many
    groups of days were told apart (1 where none)."""

    reference: Floats
    current: Floats
    groups: int


@dataclass(frozen=True)
class Grouping:
    """The group of days that each block of reference and window belongs to, and groups x blocks of the reference."""

    reference: NDArray[np.int64]
    current: NDArray[np.int64]
    inside: Floats


@lru_cache(maxsize=512)
def day_groups(reference: tuple[datetime, ...], current: tuple[datetime, ...]) -> Grouping | None:
    """The finest grouping in which every group is known well enough; None where there is none.

    Remembered, since most streams of a project have calls on the same days.
    """
    days, now = [start.weekday() for start in reference], [start.weekday() for start in current]
    counts = Counter(days)
    if len(counts) > 1 and all(counts[day] >= MIN_SAME_DAYS for day in (*counts, *now)):
        return _grouping(days, now)
    rest = [int(day >= _SATURDAY) for day in days]
    rest_now = [int(day >= _SATURDAY) for day in now]
    classes = Counter(rest)
    if len(classes) > 1 and min(classes.values()) >= MIN_DAY_CLASS:
        return _grouping(rest, rest_now)
    return None


def _grouping(labels: Sequence[int], labels_now: Sequence[int]) -> Grouping:
    found = sorted(set(labels))
    place = np.searchsorted(found, labels)
    return Grouping(
        place, np.searchsorted(found, labels_now), (place == np.arange(len(found))[:, None]).astype(np.float64)
    )


def season(values: Floats, weights: Floats, reference: Sequence[datetime], current: Sequence[datetime]) -> Season:
    """The season of block values (blocks x coordinates) with their weights.

    Offset of group g: s (m_g - m), with s = max(0, 1 - 1/F) where F = between / within mean square is significant at
    0.1 %, else 0 (the James-Stein weight with the variance estimated by the F ratio).
    """
    groups = day_groups(tuple(reference), tuple(current))
    if groups is None or len(values) - len(groups.inside) < MIN_SAME_DAYS:
        return _none(values, current)
    inside = groups.inside * weights
    group_weight = inside.sum(axis=1)
    if not np.all(group_weight > 0):
        return _none(values, current)
    means = inside @ values / group_weight[:, None]
    mean = weights @ values / weights.sum()
    number, freedom = len(means), len(values) - len(means)
    between = (group_weight[:, None] * (means - mean) ** 2).sum(axis=0) / (number - 1)
    within = (weights[:, None] * (values - means[groups.reference]) ** 2).sum(axis=0) / freedom
    f = np.where(within > 0, between / np.where(within > 0, within, 1.0), np.where(between > 0, np.inf, 0.0))
    believed = fdtrc(number - 1, freedom, np.minimum(f, 1e12)) < BELIEVED_AT
    if not believed.any():
        return _none(values, current)
    shrink = np.where(believed, np.maximum(0.0, 1 - 1 / np.maximum(f, 1e-12)), 0.0)
    offsets = (means - mean) * shrink
    return Season(offsets[groups.reference], offsets[groups.current], number)


def _none(values: Floats, current: Sequence[datetime]) -> Season:
    return Season(np.zeros_like(values), np.zeros((len(current), values.shape[1])), 1)

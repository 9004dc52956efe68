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


def day_groups(
    reference: Sequence[datetime], current: Sequence[datetime]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """The group of days each block belongs to: the finest grouping in which every group is known well enough."""
    days, now = [start.weekday() for start in reference], [start.weekday() for start in current]
    counts = Counter(days)
    if len(counts) > 1 and all(counts[day] >= MIN_SAME_DAYS for day in (*counts, *now)):
        return np.array(days), np.array(now)
    rest = [int(day >= _SATURDAY) for day in days]
    rest_now = [int(day >= _SATURDAY) for day in now]
    classes = Counter(rest)
    if len(classes) > 1 and min(classes.values()) >= MIN_DAY_CLASS:
        return np.array(rest), np.array(rest_now)
    return None


def season(values: Floats, weights: Floats, reference: Sequence[datetime], current: Sequence[datetime]) -> Season:
    """The season of block values (blocks x coordinates) with their weights.

    Offset of group g: s (m_g - m), with s = max(0, 1 - 1/F) where F = between / within mean square is significant at
    0.1 %, else 0 (the James-Stein weight with the variance estimated by the F ratio).
    """
    none = Season(np.zeros_like(values), np.zeros((len(current), values.shape[1])), 1)
    groups = day_groups(reference, current)
    if groups is None:
        return none
    labels, labels_now = groups
    found = np.unique(labels)
    inside = np.array([labels == label for label in found], dtype=np.float64) * weights
    group_weight = inside.sum(axis=1)
    if len(values) - len(found) < MIN_SAME_DAYS or not np.all(group_weight > 0):
        return none
    means = inside @ values / group_weight[:, None]
    mean = weights @ values / weights.sum()
    position = np.searchsorted(found, labels)
    between = (group_weight[:, None] * (means - mean) ** 2).sum(axis=0) / (len(found) - 1)
    within = (weights[:, None] * (values - means[position]) ** 2).sum(axis=0) / (len(values) - len(found))
    f = np.where(within > 0, between / np.where(within > 0, within, 1.0), np.where(between > 0, np.inf, 0.0))
    believed = fdtrc(len(found) - 1, len(values) - len(found), np.minimum(f, 1e12)) < BELIEVED_AT
    if not believed.any():
        return none
    shrink = np.where(believed, np.maximum(0.0, 1 - 1 / np.maximum(f, 1e-12)), 0.0)
    offsets = (means - mean) * shrink
    return Season(offsets[position], offsets[np.searchsorted(found, labels_now)], len(found))

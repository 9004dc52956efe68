"""Shares of a window against shares of its reference: the difference, its variance, and how much it proves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, ndtri, stdtrit

from monitor.profile import Floats
from monitor.stats.intervals import normal_quantile

if TYPE_CHECKING:
    from monitor.stats.comparison import Sides

_FEW_EVENTS = 20.0


@dataclass(frozen=True)
class ShareDifference:
    """Users' mean shares of a window against a reference, one entry a share.

    `difference` has the season (`season`) taken out; `variance` is that of the difference and grows from `noise`, the
    variance of one user's share. `shrink` is (z / t)^2: the unknown size of the wander as fewer units.
    """

    share: Floats
    difference: Floats
    season: Floats
    variance: Floats
    noise: Floats
    shrink: Floats


def share_difference(sides: Sides, current: Floats, reference: Floats, level: float) -> ShareDifference:
    """Differences of shares: window blocks x shares against reference blocks x shares."""
    users, window = sides.users, sides.window_users
    total = users.sum()
    raw = window @ current / window.sum()
    smoothed = (users @ reference + 0.5) / (total + 1)
    noise = smoothed * (1 - smoothed)
    rare = np.minimum(smoothed, 1 - smoothed) * total < _FEW_EVENTS
    found = sides.spread(current, reference, noise, np.where(rare, 1.0, sides.least_lowered))
    return ShareDifference(
        share=raw,
        difference=found.difference,
        season=(raw - users @ reference / total) - found.difference,
        variance=found.current_variance + found.reference_variance,
        noise=noise,
        shrink=(normal_quantile(level) / -stdtrit(found.degrees, level / 2)) ** 2,
    )


def share_strength(found: ShareDifference, relevant: float, level: float) -> Floats:
    """How improbable each share is after the largest change that does not matter; above 1 a relevant one is proven.

    A binomial tail at p0, the expected share moved by the relevant change, with n = p0 (1 - p0) / variance units
    (variance of window and reference together): its normal quantile over that of the level. Unlike an interval around
    the share that was seen, it does not get wider because the change is large.
    """
    sign = np.where(found.difference >= 0, 1.0, -1.0)
    at_most = np.minimum(np.maximum(found.share - found.difference + sign * relevant, 1e-6), 1 - 1e-6)
    noise = at_most * (1 - at_most)
    units = noise / (found.variance * np.maximum(1.0, noise / found.noise)) * found.shrink
    hits = np.minimum(np.maximum(found.share, 0.0), 1.0) * units
    up = np.where(hits > 0, betainc(np.maximum(hits, 1e-12), units - hits + 1, at_most), 1.0)
    down = np.where(hits < units, betainc(np.maximum(units - hits, 1e-12), hits + 1, 1 - at_most), 1.0)
    tail = np.minimum(np.maximum(np.where(sign > 0, up, down), 1e-300), 1 - 1e-12)
    strength: Floats = -ndtri(tail) / normal_quantile(level)
    return strength

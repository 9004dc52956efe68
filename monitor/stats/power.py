"""How many units a question needs: what "too few" lacks, and what "ok" could have seen."""

from __future__ import annotations

import math

from monitor.stats.intervals import normal_quantile

POWER = 0.8


def users_needed(deviation: float, relevant: float, level: float, power: float = POWER) -> int:
    """Users in the window to find a change of twice the relevant size, so that its interval excludes that size.

    n = ((z_level + z_power) sd / relevant)^2, with the reference taken as much larger than the window and without
    wander between blocks: the least that is needed. `deviation` is the standard deviation between users. Zero where
    either is not positive.
    """
    if deviation <= 0 or relevant <= 0:
        return 0
    z = normal_quantile(level) + normal_quantile(2 * (1 - power))
    return math.ceil((z * deviation / relevant) ** 2)


def smallest_change(deviation: float, users: float, level: float, power: float = POWER) -> float:
    """The change that so many users would show with this power: (z_level + z_power) sd / sqrt(n)."""
    if users <= 0:
        return math.inf
    z = normal_quantile(level) + normal_quantile(2 * (1 - power))
    return z * deviation / math.sqrt(users)


def users_per_group(share: float, tolerance: float, level: float, power: float = POWER) -> int:
    """Users in each of two groups to tell a difference of shares of `tolerance`: 2 (z_level + z_power)^2 p (1-p) / t^2.

    The share is kept away from 0 and 1, where the formula would promise an answer from no data.
    """
    p = min(max(share, 0.01), 0.99)
    z = normal_quantile(level) + normal_quantile(2 * (1 - power))
    return math.ceil(2 * z * z * p * (1 - p) / tolerance**2)

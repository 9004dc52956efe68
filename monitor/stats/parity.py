"""Is one group served differently from all others? Raw, and as if both had asked for the same mix of things.

The unit is the user: one value a user, the mean of the user's calls over the whole range. Strata are the mix (feature
and model): a group that asks harder things has worse answers without being treated worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr

from monitor.profile import Floats
from monitor.stats.intervals import SHOWN_LEVEL, ratio, student_quantile
from monitor.stats.power import users_needed, users_per_group

MIN_SHOWN_USERS = 20
MIN_USERS = 50
MIN_EVENTS = 10
LEAST_IN_STRATUM = 5
LEAST_COVERED = 0.5

Mix = Literal["none", "explains", "hides", "reverses", "part"]


@dataclass(frozen=True)
class Members:
    """The users of one side: a value and a stratum (a number) for each."""

    values: Floats
    strata: np.ndarray


@dataclass(frozen=True)
class Difference:
    """The group less the others, with its interval and the probability of one so large by chance (both sides)."""

    effect: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Ratio:
    """The group's share over that of the others, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Parity:
    """The comparison of one group with the others.

    `value` and `other` are raw means over users. `standardised` is None where there is one stratum only, or where the
    strata with at least five users on both sides hold fewer than half of the group; `covered` is the share of the group
    in those strata. `missing` is how many more users the smaller side needs to tell a gap of the tolerance.
    """

    users: int
    others: int
    value: float
    other: float
    raw: Difference
    standardised: Difference | None
    covered: float
    good_ratio: Ratio | None
    bad_ratio: Ratio | None
    missing: int

    @property
    def judged(self) -> Difference:
        """The difference that counts: like compared with like where that is possible."""
        return self.standardised or self.raw

    @property
    def explained(self) -> float | None:
        """The part of the raw difference that comes of the mix."""
        return None if self.standardised is None else self.raw.effect - self.standardised.effect


def compare_groups(
    group: Members, others: Members, *, is_share: bool, tolerance: float, good: Literal["up", "down"] | None
) -> Parity:
    """Compares two sides with at least two users each. `tolerance` is in the unit of the values.

    Raw: difference of the means over users; t-interval with Welch's degrees of freedom. Standardised: the differences
    within the strata, weighted by the share of all users in them (direct standardisation). The variance of a mean is
    the larger of that from each side's own spread and that from the spread of both sides together: a side in which
    nothing ever happened has no spread of its own, and would be surer than it can be.

    Assumes independent users. It misleads where what sets the groups apart is in no stratum (harder questions within
    one feature), and where the strata are themselves a consequence of the treatment (a group that is sent to a cheaper
    model: then the raw difference is the one to read). Source: direct standardisation as in Rothman, Greenland and
    Lash, Modern Epidemiology, 2008; minimum sizes as in `docs/fairness.md`.
    """
    raw = _difference([group.values], [others.values], np.ones(1))
    standardised, covered = _standardised(group, others)
    value, other = float(group.values.mean()), float(others.values.mean())
    good_ratio = bad_ratio = None
    if is_share and good is not None:
        sides = (value, other) if good == "up" else (1 - value, 1 - other)
        variances = (_variance(group.values), _variance(others.values))
        good_ratio = _ratio(*sides, *variances)
        bad_ratio = _ratio(1 - sides[0], 1 - sides[1], *variances)
    spread = float(np.concatenate([group.values, others.values]).std())
    if is_share and set(np.unique(others.values)) <= {0.0, 1.0}:
        needed = users_per_group(min(max(other, 0.001), 0.999), tolerance, SHOWN_LEVEL)
    else:
        needed = 2 * users_needed(spread, max(tolerance, 1e-12), SHOWN_LEVEL)
    smaller = min(len(group.values), len(others.values))
    return Parity(
        users=len(group.values),
        others=len(others.values),
        value=value,
        other=other,
        raw=raw,
        standardised=standardised,
        covered=covered,
        good_ratio=good_ratio,
        bad_ratio=bad_ratio,
        missing=max(0, needed - smaller),
    )


def role_of_mix(found: Parity, tolerance: float) -> Mix:
    """What the mix does to the raw difference.

    "reverses" where both differences are beyond chance with opposite signs (Simpson's paradox), "hides" where only the
    standardised one is beyond chance, "explains" where only the raw one is, "part" where both are and a fifth of the
    tolerance or more of the raw one comes of the mix.
    """
    if found.standardised is None or found.explained is None:
        return "none"
    raw, like = _beyond_chance(found.raw), _beyond_chance(found.standardised)
    if raw and like:
        if found.raw.effect * found.standardised.effect < 0:
            return "reverses"
        return "part" if abs(found.explained) >= tolerance / 5 else "none"
    if raw:
        return "explains"
    return "hides" if like and abs(found.explained) >= tolerance / 5 else "none"


def _beyond_chance(found: Difference) -> bool:
    return found.low > 0 or found.high < 0


def _variance(values: Floats) -> float:
    """Variance of the mean."""
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0


def _ratio(value: float, other: float, variance: float, other_variance: float) -> Ratio | None:
    limits = ratio(value, variance, other, other_variance)
    return None if limits is None else Ratio(value / other, *limits)


def _difference(group: list[Floats], others: list[Floats], weights: Floats) -> Difference:
    """Weighted difference over strata; each has two users or more on both sides."""
    effect = 0.0
    own = pooled = lowest = 0.0
    for one, two, weight in zip(group, others, weights, strict=True):
        effect += float(weight * (one.mean() - two.mean()))
        both = np.concatenate([one, two]).var(ddof=1)
        parts = (weight**2 * one.var(ddof=1) / len(one), weight**2 * two.var(ddof=1) / len(two))
        own += sum(parts)
        lowest += parts[0] ** 2 / (len(one) - 1) + parts[1] ** 2 / (len(two) - 1)
        pooled += weight**2 * both * (1 / len(one) + 1 / len(two))
    variance = float(max(own, pooled))
    smallest = min(sum(map(len, group)), sum(map(len, others))) - len(group)
    degrees = max(1.0, min(float(own**2 / lowest), 1e6) if lowest > 0 else float(smallest))
    if variance <= 0:
        return Difference(effect, effect, effect, 1.0)
    error = math.sqrt(variance)
    reach = float(student_quantile(SHOWN_LEVEL, degrees) * error)
    return Difference(effect, effect - reach, effect + reach, float(2 * stdtr(degrees, -abs(effect) / error)))


def _standardised(group: Members, others: Members) -> tuple[Difference | None, float]:
    everywhere = np.union1d(group.strata, others.strata)
    if len(everywhere) < 2:
        return None, 1.0
    one: list[Floats] = []
    two: list[Floats] = []
    for stratum in everywhere:
        own, rest = group.values[group.strata == stratum], others.values[others.strata == stratum]
        if min(len(own), len(rest)) >= LEAST_IN_STRATUM:
            one.append(own)
            two.append(rest)
    covered = sum(map(len, one)) / len(group.values)
    if covered < LEAST_COVERED:
        return None, covered
    weights = np.array([len(own) + len(rest) for own, rest in zip(one, two, strict=True)], dtype=np.float64)
    return _difference(one, two, weights / weights.sum()), covered

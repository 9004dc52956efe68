"""The fast lane: is any of the last windows worse than the baseline by more than matters? For many gauges at once.

After each closed hour the windows of the last 1, 2, 3, 4, 6, 8, 12, 16, 24, 36 and 48 hours are held against the
largest change that does not matter: p0 = usual value of these very hours + margin. The evidence is a binomial tail at
p0 with as many units as the variance of the difference leaves,

    units = p0 (1 - p0) / (noise / users + wander_W + variance of the baseline),

`wander_W` being what healthy windows of that length scatter beyond independent users (`monitor.detectors.baseline`);
how little is known of it enters by Student's t. An alarm is a tail below the level of its gauge and side.

Guarantee. The expected number of false alarms of a gauge is at most the number of looks times the level (Boole): a sum
of probabilities, each of which holds whatever the other looks did. So nothing is needed of how hours, windows, gauges
or streams depend on each other: above all not that hours are independent, which is where cumulative sums and
e-detectors break (an hourly one at rho 0.9 gives eight times what it promises). What is needed is that a healthy
window of W hours deviates as healthy windows of W hours did.

Why not cumulative sums. A scan over windows that grow by a third to a half needs at most sqrt(3 / 2) times the users
that the best window would need, so it stays near the best delay possible for every size of change; and the tail of one
window is sharper than the bound log(run length) that a likelihood ratio must reach, by about log(z sqrt(2 pi)).

State: users and sums of the last 48 hours, so a block costs the same whatever came before, and two states of the same
hours add. Misleads where a healthy hour may be far more extreme than any of the weeks before.

Sources: Boole; Willsky and Jones, IEEE Transactions on Automatic Control 21, 1976 (window-limited tests); Lai, IEEE
Transactions on Information Theory 44, 1998 (their optimality under dependence).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtri, stdtrit

from monitor.detectors.baseline import HOURS_A_WEEK, Baselines
from monitor.profile import Floats
from monitor.stats.budget import WINDOWS

REACH = WINDOWS[-1]
MIN_USERS = 30.0
"""A window with fewer users is not judged: thin traffic is judged by its longer windows."""

_LAST_HOUR = np.array(WINDOWS) - 1
# Below this normal value the exact tail, which costs more, is not asked for.
_WORTH_A_LOOK = 2.5
_PLENTY = 1e6
_TINY = 1e-300

UP, DOWN = 0, 1


@dataclass
class Rules:
    """Gauges: what matters, and the level of one look on each side (rise, fall), 0 where it is not asked.

    The margin is `relative` times the rarer side, at least `least` and at most `most`; an alarm also needs an estimated
    change of at least `shown`.
    """

    relative: Floats
    least: Floats
    most: Floats
    shown: Floats
    level: Floats

    def margin(self, expected: Floats) -> Floats:
        """The largest change that does not matter, gauges x windows."""
        rarer = np.minimum(expected, 1 - expected) * self.relative[:, None]
        return np.minimum(np.maximum(rarer, self.least[:, None]), self.most[:, None])


@dataclass
class Rings:
    """State: gauges x the last 48 hours, the newest first. `usual` is the sum that the baseline expected."""

    users: Floats
    sums: Floats
    usual: Floats

    @classmethod
    def empty(cls, gauges: int) -> Rings:
        """Rings of hours in which nothing was seen."""
        return cls(*(np.zeros((gauges, REACH)) for _ in range(3)))

    def push(self, users: Floats, sums: Floats, usual: Floats) -> None:
        """Adds an hour; the oldest falls out."""
        for ring, news in ((self.users, users), (self.sums, sums), (self.usual, usual)):
            ring[:, 1:] = ring[:, :-1]
            ring[:, 0] = news

    def forget(self, gauges: NDArray[np.bool_]) -> None:
        """Starts these gauges anew."""
        for ring in (self.users, self.sums, self.usual):
            ring[gauges] = 0.0


@dataclass(frozen=True)
class Look:
    """The most telling window of each gauge after an hour. `evidence` is -log10 of its tail probability, `needed` that
    of its level; `side` is UP or DOWN, `window` a place in WINDOWS. Where nothing is near, `evidence` is zero."""

    evidence: Floats
    needed: Floats
    side: NDArray[np.int64]
    window: NDArray[np.int64]

    @property
    def alarmed(self) -> NDArray[np.bool_]:
        """The gauges whose evidence is what is needed."""
        return (self.evidence >= self.needed) & (self.evidence > 0)


def advance(
    rings: Rings, baselines: Baselines, rules: Rules, hour_of_week: int, *, users: Floats, sums: Floats
) -> Look:
    """Adds a closed hour (users and the sums of their values, a number a gauge) and looks at all windows."""
    rings.push(users, sums, users * baselines.expected(hour_of_week % HOURS_A_WEEK))
    return look(rings, baselines, rules)


def look(rings: Rings, baselines: Baselines, rules: Rules) -> Look:
    """Looks at all windows that end with the newest hour."""
    people, seen, usual = (np.cumsum(ring, axis=1)[:, _LAST_HOUR] for ring in (rings.users, rings.sums, rings.usual))
    safe = np.maximum(people, 1.0)
    value, expected = seen / safe, usual / safe
    margin = rules.margin(expected)
    level_noise = np.clip(baselines.level * (1 - baselines.level), 1e-4, None)[:, None]
    shape = np.where(baselines.score[:, None], 1.0, np.clip(expected * (1 - expected) / level_noise, 0.1, 10.0))
    noise = baselines.noise[:, None] * shape * baselines.lowered / safe
    variance = noise + baselines.wander + baselines.own_noise[:, None] + baselines.own_wander
    gap = value - expected
    far = np.abs(gap) - margin
    near = (people >= MIN_USERS) & (np.abs(gap) >= rules.shown[:, None]) & (far > 0)
    near &= far**2 > _WORTH_A_LOOK**2 * variance
    near &= np.where(gap > 0, rules.level[:, UP, None], rules.level[:, DOWN, None]) > 0
    gauges, windows = np.nonzero(near)
    number = len(value)
    evidence, needed = np.zeros(number), np.full(number, np.inf)
    side, window = np.zeros(number, dtype=np.int64), np.zeros(number, dtype=np.int64)
    if len(gauges):
        found_side = np.where(gap[gauges, windows] > 0, UP, DOWN)
        level = rules.level[gauges, found_side]
        known = noise[gauges, windows] + baselines.own_noise[gauges]
        tails = tail(
            value[gauges, windows],
            expected[gauges, windows] + np.where(found_side == UP, 1, -1) * margin[gauges, windows],
            usual=np.where(baselines.score[gauges], 0.5, expected[gauges, windows]),
            known=known,
            wander=variance[gauges, windows] - known,
            degrees=baselines.degrees[gauges, windows],
            level=level,
        )
        strength = -np.log10(tails)
        order = np.argsort(strength + np.log10(level), kind="stable")
        evidence[gauges[order]], needed[gauges[order]] = strength[order], -np.log10(level[order])
        side[gauges[order]], window[gauges[order]] = found_side[order], windows[order]
    return Look(evidence, needed, side, window)


def tail(
    value: Floats, bound: Floats, *, usual: Floats, known: Floats, wander: Floats, degrees: Floats, level: Floats
) -> Floats:
    """How probable a share is that is as far beyond `bound`, the largest change that does not matter, as `value`.

    `known` and `wander` are the two parts of the variance of the difference at the `usual` value; where a share at the
    bound varies more than one at the usual value, they grow with it. A binomial tail with bound (1 - bound) /
    variance units, times (z / t)^2 for what is not known of the wander.
    """
    bound = np.clip(bound, 1e-6, 1 - 1e-6)
    own = bound * (1 - bound)
    usual = np.clip(usual, 1e-6, 1 - 1e-6)
    grown = np.maximum(1.0, own / (usual * (1 - usual)))
    whole = (known + wander) * grown
    freedom = np.minimum(_PLENTY, (known + wander) ** 2 / (wander**2 / degrees + known**2 / _PLENTY + _TINY))
    shrink = (ndtri(level) / stdtrit(freedom, level)) ** 2
    units = own / np.maximum(whole, _TINY) * shrink
    hits = np.clip(value, 0.0, 1.0) * units
    up = np.where(hits > 0, betainc(np.maximum(hits, 1e-12), units - hits + 1, bound), 1.0)
    down = np.where(hits < units, betainc(np.maximum(units - hits, 1e-12), hits + 1, 1 - bound), 1.0)
    found: Floats = np.clip(np.where(value > bound, up, down), 1e-300, 1.0)
    return found

"""The fast lane: is any of the last windows worse than the baseline by more than matters? For many gauges at once.

After each closed hour the windows of the last 1, 2, 3, 4, 6, 8, 12, 16, 24, 36 and 48 hours are held against the usual
value p0 of these very hours. The evidence is a binomial tail at p0 with p0 (1 - p0) / (noise / users + variance of the
baseline) units, averaged over where wander may have taken p0:

    P(share >= observed) = E[ binomial tail at expit(logit p0 + size_W t) ],   t of Student's distribution,

`size_W` being what healthy windows of that length scatter beyond independent users, on the log odds: what moves a rate
multiplies it (`monitor.detectors.baseline`). The degrees of freedom are how well eight weeks tell that size.

An alarm needs two things. That nothing changed is refuted at the level of the gauge and side, which is its part of the
alarm budget; and the change is relevant: at least `shown` is seen, and that it is no more than the margin is refuted
with a risk of one in a thousand. So the budget counts alarms on nothing, and no amount of traffic makes a change
that does not matter alarm.

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
from scipy.special import betainc, expit, logit, stdtr

from monitor.detectors.baseline import HOURS_A_WEEK, Baselines
from monitor.profile import Floats
from monitor.stats.budget import WINDOWS

REACH = WINDOWS[-1]
MIN_USERS = 30.0
"""A window with fewer users is not judged: thin traffic is judged by its longer windows."""

RELEVANCE_RISK = 0.001
"""With what risk a look may call a change relevant that is not."""

_LAST_HOUR = np.array(WINDOWS) - 1
# Below these normal values the exact tail, which costs more, is not asked for.
_NEAR = 2.0
_WORTH_A_LOOK = 3.0
_TINY = 1e-300
# Where the tail's average is taken: in widths around its centre, up to there, and then as multiples of the last.
_EDGES = np.linspace(-8.0, 8.0, 25)
_BEGIN, _NEARER = -6.0, np.arange(8) / 8
_FURTHER = 2.0 ** np.arange(1, 6)

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
    least = rules.least[:, None]
    usual = np.clip(expected, least, 1 - least)
    # What was never seen, or always, is taken to have been a little short of it, with the noise that belongs to that.
    unit, own = baselines.noise[:, None] * shape, usual * (1 - usual)
    raised = np.where(
        (usual != expected) & ~baselines.score[:, None], np.maximum(1.0, own / np.maximum(unit, _TINY)), 1.0
    )
    noise = unit * raised * baselines.lowered / safe
    own_noise = baselines.own_noise[:, None] * raised
    square = np.cumsum(rings.users**2, axis=1)[:, _LAST_HOUR]
    uneven = np.maximum(1.0, square / safe**2 / baselines.uneven)
    wander = baselines.wander * shape**2 * uneven + baselines.own_wander
    variance = noise + wander + own_noise
    gap = value - expected
    near = (people >= MIN_USERS) & (np.abs(gap) >= rules.shown[:, None]) & (np.abs(gap) > margin)
    near &= np.where(gap > 0, rules.level[:, UP, None], rules.level[:, DOWN, None]) > 0
    near &= gap**2 > _NEAR**2 * variance
    # What falls towards nothing is far away on the log odds, which decide, before it is on the scale of shares.
    away = (logit(np.clip(value[near], 1e-9, 1 - 1e-9)) - logit(usual[near])) * usual[near] * (1 - usual[near])
    near[near] = np.maximum(gap[near] ** 2, away**2) > _WORTH_A_LOOK**2 * variance[near]
    gauges, windows = np.nonzero(near)
    number = len(value)
    evidence, needed = np.zeros(number), np.full(number, np.inf)
    side, window = np.zeros(number, dtype=np.int64), np.zeros(number, dtype=np.int64)
    if len(gauges):
        found_side = np.where(gap[near] > 0, UP, DOWN)
        level = rules.level[gauges, found_side]
        strength = _strengths(
            value[near],
            usual[near],
            margin[near] * np.where(found_side == UP, 1, -1),
            middle=np.where(baselines.score[gauges], 0.5, usual[near]),
            known=noise[near] + own_noise[near],
            wander=wander[near],
            degrees=baselines.degrees[near],
        )
        order = np.argsort(strength + np.log10(level), kind="stable")
        evidence[gauges[order]], needed[gauges[order]] = strength[order], -np.log10(level[order])
        side[gauges[order]], window[gauges[order]] = found_side[order], windows[order]
    return Look(evidence, needed, side, window)


def _strengths(value: Floats, usual: Floats, matters: Floats, **spread: Floats) -> Floats:
    """-log10 of the tails beyond what is usual; zero where the change may well be one that does not matter."""
    tails = tail(value, usual, **spread)
    asked = tails <= RELEVANCE_RISK
    spread = {name: part[asked] for name, part in spread.items()}
    asked[asked] = tail(value[asked], (usual + matters)[asked], **spread) <= RELEVANCE_RISK
    return np.where(asked, -np.log10(tails), 0.0)


def tail(value: Floats, bound: Floats, *, middle: Floats, known: Floats, wander: Floats, degrees: Floats) -> Floats:
    """How probable a share is that is as far beyond `bound` as `value`.

    `known` (users) and `wander` are the two parts of the variance of the difference at the value `middle`. A binomial
    tail with bound (1 - bound) / known units, averaged over where the wander may have taken the bound: by a Student t
    with `degrees`, on the log odds, because what moves a rate multiplies it and so scatters further up than down.
    """
    bound = np.clip(bound, 1e-6, 1 - 1e-6)
    own, around = bound * (1 - bound), middle * (1 - middle)
    units = own / np.maximum(known * np.maximum(1.0, own / around), _TINY)
    size = np.sqrt(wander) / around + 1e-9
    half = np.minimum(0.5 / units, 0.5)
    away = np.abs(logit(np.clip(value, half, 1 - half)) - logit(bound))
    # Where the product of the two densities is largest, and how wide it is there, were both normal.
    noise = 1 / (units * own)
    whole = size**2 + noise
    centre, width = away * size / whole, np.sqrt(noise / whole)
    near = centre[:, None] + width[:, None] * _EDGES
    begin = np.minimum(_BEGIN, near[:, :1])
    near = np.hstack([begin + (near[:, :1] - begin) * _NEARER, near])
    far = near[:, -1:] * _FURTHER
    edges, steps = np.hstack([near, far]), np.hstack([(near[:, 1:] + near[:, :-1]) / 2, far])
    is_up = (value > bound)[:, None]
    moved = expit(logit(bound)[:, None] + np.where(is_up, 1.0, -1.0) * size[:, None] * steps)
    moved = np.where(is_up, moved, 1 - moved)
    hits = np.where(is_up, value[:, None], 1 - value[:, None]) * units[:, None]
    beyond = betainc(np.maximum(hits, 1e-12), np.maximum(units[:, None] - hits, 0.0) + 1, moved)
    above = stdtr(degrees[:, None], -edges)
    mass = (beyond * -np.diff(above, axis=1)).sum(axis=1) + above[:, -1] + beyond[:, 0] * (1 - above[:, 0])
    found: Floats = np.clip(mass, 1e-300, 1.0)
    return found

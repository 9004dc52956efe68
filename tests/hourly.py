"""Simulated gauges by the hour, many at once: seasons, returning users, wander that lasts, bursts, growth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from monitor.detectors.baseline import HOURS_A_WEEK, Baselines, fit
from monitor.detectors.gauges import LEAST, RELATIVE, SCORE_MARGIN, SHOWN
from monitor.detectors.lane import REACH, Rings, Rules, advance
from monitor.profile import Floats

REFERENCE_WEEKS = 8
QUARTER_HOURS = 91 * 24
REFIT_HOURS = 10 * 24
HARM = 0.8
"""Part of the level of a stream that the worse side gets."""

_FLAG_SHARE = 0.6


@dataclass(frozen=True)
class Plan:
    """Gauges: their share or mean score, users in a usual hour, and how they wander.

    `rho` is the coefficient of the AR(1) process by the hour, `wander` its standard deviation (log odds for shares,
    score for numbers), `returning` the standard deviation of what users differ by (log odds), who come back in
    `staying` of the next hour's visits.
    """

    share: Floats
    is_share: np.ndarray
    users: Floats
    rho: Floats
    wander: Floats
    returning: Floats
    staying: float = 0.7
    growth: float = 1.6

    @property
    def gauges(self) -> int:
        """How many there are."""
        return len(self.share)


def project(chance: np.random.Generator, gauges: int = 300) -> Plan:
    """A project of gauges of all sorts: three in five are shares from 0.5 % to 50 %, the others scores of numbers."""
    is_share = np.arange(gauges) < _FLAG_SHARE * gauges
    share = np.where(is_share, np.exp(chance.uniform(np.log(0.005), np.log(0.5), gauges)), 0.48)
    rho = chance.choice([0.0, 0.5, 0.9], gauges, p=[0.2, 0.4, 0.4])
    return Plan(
        share=share,
        is_share=is_share,
        users=np.exp(chance.normal(np.log(40), 0.9, gauges)),
        rho=rho,
        wander=np.where(rho > 0, chance.uniform(0.05, 0.3, gauges), 0.0) * np.where(is_share, 1.0, 0.15),
        returning=chance.uniform(0.0, 1.0, gauges) * np.where(is_share, 1.0, 0.15),
    )


def alike(gauges: int, share: float, users: float, rho: float = 0.0, wander: float = 0.0) -> Plan:
    """Gauges that are all the same."""
    same = np.ones(gauges)
    return Plan(share * same, same > 0, users * same, rho * same, wander * same, 0.3 * same, growth=1.0)


class Stream:
    """The hours of a plan, one after the other; hour 0 is Monday midnight."""

    def __init__(self, plan: Plan, chance: np.random.Generator, *, seasonal: bool = True) -> None:
        self._plan, self._chance = plan, chance
        self._hour = 0
        self._level = plan.wander * chance.standard_normal(plan.gauges)
        self._cohort = chance.standard_normal(plan.gauges)
        self._phase = chance.uniform(0, 24, plan.gauges)
        self._season = chance.uniform(0, 0.3, plan.gauges) * np.where(plan.is_share, 1.0, 0.1) * seasonal
        self._seasonal = seasonal
        self._burst = np.zeros(plan.gauges)

    def next(self, shift: Floats | float = 0.0) -> tuple[Floats, Floats]:
        """Users and sums of the next hour; `shift` is added to the log odds (to the score for numbers)."""
        plan, chance, hour = self._plan, self._chance, self._hour
        self._hour += 1
        self._level = plan.rho * self._level + plan.wander * np.sqrt(1 - plan.rho**2) * chance.standard_normal(
            plan.gauges
        )
        self._cohort = plan.staying * self._cohort + np.sqrt(1 - plan.staying**2) * chance.standard_normal(plan.gauges)
        of_day, of_week = hour % 24, hour % HOURS_A_WEEK // 24
        usual = plan.users * plan.growth ** (hour / (REFERENCE_WEEKS * HOURS_A_WEEK))
        if self._seasonal:
            usual = usual * (0.45 if of_week >= 5 else 1.0) * (1 + 0.8 * np.sin(2 * np.pi * (of_day - 6) / 24))
            starts = chance.random(plan.gauges) < 1 / 400
            self._burst = np.where(starts, 3.0, np.maximum(self._burst - 1, 0.0))
            usual = usual * np.where(self._burst > 0, 4.0, 1.0)
        users = chance.poisson(usual).astype(np.float64)
        away = self._level + plan.returning * self._cohort / np.sqrt(np.maximum(users, 1.0)) + shift
        away = (
            away + self._season * np.sin(2 * np.pi * (of_day - self._phase) / 24) + 0.5 * self._season * (of_week >= 5)
        )
        odds = plan.share / (1 - plan.share) * np.exp(away)
        hits = chance.binomial(users.astype(np.int64), odds / (1 + odds)).astype(np.float64)
        score = np.clip(plan.share + away, 0.01, 0.99) * users + np.sqrt(users / 12) * chance.standard_normal(
            plan.gauges
        )
        return users, np.where(plan.is_share, hits, np.clip(score, 0.0, users))


def learn(stream: Stream, plan: Plan, weeks: int = REFERENCE_WEEKS) -> Baselines:
    """The baselines of the next weeks, which are healthy."""
    return learnt(plan, *hours_of(stream, weeks * HOURS_A_WEEK))


def hours_of(stream: Stream, hours: int) -> tuple[Floats, Floats]:
    """Users and sums of the next hours, gauges x hours."""
    found = [stream.next() for _ in range(hours)]
    users, sums = (np.stack(part, axis=1) for part in zip(*found, strict=True))
    return users, sums


def learnt(plan: Plan, users: Floats, sums: Floats, first_hour: int = 0) -> Baselines:
    """The baselines of these hours; the first is a midnight."""
    return fit(users, sums, first_hour, np.where(plan.is_share, np.nan, 1 / 12), 1.0)


def quarter(seed: int, gauges: int, level: float) -> list[tuple[int, int, int]]:
    """The alarms of a healthy quarter of a project, as (hour, gauge, window place).

    Baselines are made afresh every ten days from the eight weeks before, as `monitor.detectors.hours` does. What was
    falsely alarmed is not left out of them.
    """
    chance = np.random.default_rng(seed)
    plan = project(chance, gauges)
    before = REFERENCE_WEEKS * HOURS_A_WEEK
    users, sums = hours_of(Stream(plan, chance), before + QUARTER_HOURS)
    chosen, rings = rules(plan, level), Rings.empty(gauges)
    found: list[tuple[int, int, int]] = []
    for hour in range(QUARTER_HOURS):
        of_week, now = hour % HOURS_A_WEEK, before + hour
        if hour % REFIT_HOURS == 0:
            baselines = learnt(plan, users[:, hour:now], sums[:, hour:now], of_week)
            for back in range(min(hour, REACH)):
                rings.usual[:, back] = rings.users[:, back] * baselines.expected((of_week - 1 - back) % HOURS_A_WEEK)
        seen = advance(rings, baselines, chosen, of_week, users=users[:, now], sums=sums[:, now])
        if seen.alarmed.any():
            found += [(hour, int(gauge), int(seen.window[gauge])) for gauge in np.flatnonzero(seen.alarmed)]
            rings.forget(seen.alarmed)
    return found


def rules(plan: Plan, level: Floats | float, *, harm: float = HARM) -> Rules:
    """What matters, as `monitor.detectors.gauges` has it: for flags with a relevant change of five points, and numbers
    with one of 10 %; all get worse upwards."""
    zero = np.zeros(plan.gauges)
    rarer = np.minimum(plan.share, 1 - plan.share)
    shown = np.minimum(0.05, np.maximum(SHOWN * LEAST, SHOWN * RELATIVE * rarer))
    return Rules(
        relative=np.where(plan.is_share, RELATIVE, zero),
        least=np.where(plan.is_share, LEAST, SCORE_MARGIN),
        most=np.where(plan.is_share, 0.05 / SHOWN, SCORE_MARGIN),
        shown=np.where(plan.is_share, shown, SCORE_MARGIN),
        level=np.stack([level * harm + zero, level * (1 - harm) + zero], axis=1),
    )


def watch(
    stream: Stream,
    baselines: Baselines,
    chosen: Rules,
    hours: int,
    shift: Floats | float = 0.0,
    start: int = 0,
    *,
    is_once: bool = False,
) -> list[tuple[int, int, int]]:
    """Alarms as (hour, gauge, window place); a gauge that alarmed starts anew.

    The `shift` comes with hour `start`. With `is_once` it ends when every gauge has alarmed since, and gauges that have
    are no longer asked.
    """
    rings = Rings.empty(len(baselines.level))
    chosen = replace(chosen, level=chosen.level.copy())
    found = []
    for hour in range(hours):
        users, sums = stream.next(shift if hour >= start else 0.0)
        seen = advance(rings, baselines, chosen, hour % HOURS_A_WEEK, users=users, sums=sums)
        if seen.alarmed.any():
            found += [(hour, int(gauge), int(seen.window[gauge])) for gauge in np.flatnonzero(seen.alarmed)]
            rings.forget(seen.alarmed)
            if is_once and hour >= start:
                chosen.level[seen.alarmed] = 0.0
                if not chosen.level.any():
                    break
    return found

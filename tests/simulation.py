"""Simulated streams: day blocks of users and calls with all that makes real traffic awkward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from monitor.contracts import WHOLE, Block, Evidence, Indicator, Kind, Signal, Verdict
from monitor.profile import Profile
from monitor.stats.windows import windows

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
Values = Callable[[np.random.Generator, int, float], Sequence[Any]]


@dataclass(frozen=True)
class Traffic:
    """How many users come on a day, what they ask, and how the days differ.

    `growth` is the factor over 8 weeks, `weekend` the factor on Saturdays and Sundays, `wander` the standard deviation
    of an AR(1) process with coefficient 0.5 that the values get (relative for numbers, on the logit scale for shares),
    `season` a shift of the values at weekends on the same scale, `returning` the share of the day's variation that
    belongs to the user.
    """

    users: float = 60.0
    calls_a_user: float = 2.0
    growth: float = 1.0
    weekend: float = 1.0
    wander: float = 0.0
    season: float = 0.0
    returning: float = 0.0


def lognormal(spread: float = 1.0, typical: float = 300.0) -> Values:
    """Skewed lengths; `shift` moves their logarithm."""

    def values(chance: np.random.Generator, n: int, shift: float) -> Sequence[Any]:
        return (typical * np.exp(shift + spread * chance.standard_normal(n))).tolist()

    return values


def flag(share: float) -> Values:
    """Flags set with this share; `shift` moves its logit."""

    def values(chance: np.random.Generator, n: int, shift: float) -> Sequence[Any]:
        odds = share / (1 - share) * np.exp(shift)
        return (chance.random(n) < odds / (1 + odds)).tolist()

    return values


def category(*shares: float, first: str = "v0") -> Values:
    """Categories; `shift` moves the logit of the first."""
    names = [first, *(f"v{place}" for place in range(1, len(shares)))]

    def values(chance: np.random.Generator, n: int, shift: float) -> Sequence[Any]:
        weights = np.array(shares)
        weights[0] *= np.exp(shift)
        return [names[place] for place in chance.choice(len(shares), n, p=weights / weights.sum())]

    return values


def vector(size: int = 64) -> Values:
    """Sparse texts in so many coordinates; `shift` moves the first."""

    def values(chance: np.random.Generator, n: int, shift: float) -> Sequence[Any]:
        found = chance.standard_normal((n, size)) * (chance.random((n, size)) < 0.3)
        found[:, 0] += shift
        return found.tolist()

    return values


def simulate(
    kind: Kind,
    values: Values,
    traffic: Traffic,
    *,
    days: int,
    seed: int,
    change_on: int | None = None,
    change: float = 0.0,
) -> list[Block]:
    """Day blocks, the first on a Monday; from day `change_on` the values are shifted by `change`."""
    chance = np.random.default_rng(seed)
    blocks: list[Block] = []
    level = traffic.wander * chance.standard_normal()
    for day in range(days):
        level = 0.5 * level + traffic.wander * np.sqrt(0.75) * chance.standard_normal()
        is_weekend = day % 7 >= 5
        expected = traffic.users * traffic.growth ** (day / 56) * (traffic.weekend if is_weekend else 1.0)
        shift = level + (traffic.season if is_weekend else 0.0)
        if change_on is not None and day >= change_on:
            shift += change
        people = chance.poisson(expected)
        sizes = 1 + chance.poisson(max(traffic.calls_a_user - 1, 0.0), people)
        by_user = [values(chance, int(size), shift + traffic.returning * chance.standard_normal()) for size in sizes]
        if people:
            blocks.append(Block(MONDAY + timedelta(days=day), Profile.of(kind, by_user)))
    return blocks


def judge_series(
    indicator: Indicator, signal: Signal, blocks: Sequence[Block], looks: int, first: int = 7
) -> list[tuple[datetime, Verdict]]:
    """The verdicts on every day from the `first` on, as the driver would ask for them while no alert is open."""
    verdicts: list[tuple[datetime, Verdict]] = []
    for place in range(first, len(blocks)):
        day = blocks[place].start
        chosen: Verdict | None = None
        for window in windows(blocks[max(0, place - 63) : place + 1], day):
            evidence = Evidence(
                signal,
                WHOLE,
                window.start,
                day + timedelta(days=1),
                day + timedelta(days=1, minutes=15),
                window.current,
                window.reference,
                looks,
            )
            verdict = indicator.compute(evidence)
            if chosen is None or verdict.state in ("moved", "bad") or chosen.state == "too_few":
                chosen = verdict
            if verdict.state in ("moved", "bad"):
                break
        if chosen is not None:
            verdicts.append((day, chosen))
    return verdicts


def alarms(verdicts: Sequence[tuple[datetime, Verdict]]) -> list[tuple[datetime, Verdict]]:
    """Those that would raise an alert: runs of trouble count once, as their first day."""
    found: list[tuple[datetime, Verdict]] = []
    before: datetime | None = None
    for day, verdict in verdicts:
        if verdict.state in ("moved", "bad"):
            if before is None or day - before > timedelta(days=3):
                found.append((day, verdict))
            before = day
    return found

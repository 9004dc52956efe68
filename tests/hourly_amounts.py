"""Simulated calls and money by the hour: users with several calls, seasons, growth, bursts, traffic that wanders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from monitor import tables
from monitor.clock import BlockLength, to_microseconds
from monitor.contracts import Kind
from monitor.detectors.amounts import HOURS_A_DAY, HOURS_A_WEEK, Usual, learn_usual, look_at
from monitor.profile import Floats, Profile, bin_of, merge
from monitor.stats.budget import LOOKS_AN_HOUR, WINDOWS
from monitor.store import Store
from tests.simulation import MONDAY

QUARTER_DAYS = 91
REFERENCE_DAYS = 56
REACH = WINDOWS[-1]


@dataclass(frozen=True)
class Traffic:
    """Calls in a usual hour, and how they come.

    `wander` is the standard deviation of an AR(1) process by the hour with coefficient `rho`, on the logarithm; of
    users' calls in an hour there are `calls_a_user` on average. `growth` is the factor over eight weeks, `bursts` how
    many hours there are from one to the next (0: none), each of three hours with four times as much. `costs` is the
    standard deviation of the logarithm of a call's cost; 0 counts calls.
    """

    calls: float = 100.0
    wander: float = 0.15
    rho: float = 0.7
    calls_a_user: float = 2.0
    growth: float = 1.6
    weekend: float = 0.45
    bursts: float = 0.0
    costs: float = 0.0


def simulate(traffic: Traffic, days: int, chance: np.random.Generator) -> Floats:
    """The amounts of so many days by the hour, from Monday midnight on."""
    hours = days * HOURS_A_DAY
    at = np.arange(hours)
    of_day, day = at % HOURS_A_DAY, at // HOURS_A_DAY
    mean = traffic.calls * traffic.growth ** (day / REFERENCE_DAYS)
    mean = mean * np.where(day % 7 >= 5, traffic.weekend, 1.0) * (1 + 0.9 * np.sin(2 * np.pi * (of_day - 7) / 24))
    noise = traffic.wander * np.sqrt(1 - traffic.rho**2) * chance.standard_normal(hours)
    level, wander = traffic.wander * chance.standard_normal(), np.zeros(hours)
    for hour in range(hours):
        level = wander[hour] = traffic.rho * level + noise[hour]
    mean = mean * np.exp(wander)
    if traffic.bursts:
        starts = np.flatnonzero(chance.random(hours) < 1 / traffic.bursts)
        for start in starts:
            mean[start : start + 3] *= 4
    users = chance.poisson(mean / traffic.calls_a_user)
    more = traffic.calls_a_user - 1
    # The calls of users beyond their first are geometric, so of many users together negative binomial.
    calls = users + (chance.negative_binomial(np.maximum(users, 1), 1 / (1 + more)) * (users > 0) if more else 0)
    if not traffic.costs:
        return calls.astype(np.float64)
    return np.array([0.01 * np.exp(traffic.costs * chance.standard_normal(int(number))).sum() for number in calls])


def least_unit(traffic: Traffic) -> float:
    """What small amounts scatter by at least: one call, or the mean square of a cost over its mean."""
    return 0.01 * float(np.exp(1.5 * traffic.costs**2)) if traffic.costs else 1.0


def watch(
    amounts: Floats,
    traffic: Traffic,
    levels: tuple[float, float],
    *,
    factor: float = 2.0,
    first_day: int = REFERENCE_DAYS,
    every: int = 1,
) -> list[tuple[int, int, int]]:
    """Alarms as (hour, side, window) from `first_day` on; baselines are made afresh every so many days. After an alarm
    the memory starts anew."""
    found = []
    usual: Usual | None = None
    rings = np.full((2, REACH), np.nan)
    for day in range(first_day, len(amounts) // HOURS_A_DAY):
        start = day * HOURS_A_DAY
        if usual is None or (day - first_day) % every == 0:
            past = amounts[max(0, start - REFERENCE_DAYS * HOURS_A_DAY) : start]
            of_week = (start - len(past)) % HOURS_A_WEEK
            usual = learn_usual(past, np.ones(len(past), dtype=np.bool_), of_week, least_unit(traffic))
            assert usual is not None
        for hour in range(start, start + HOURS_A_DAY):
            rings[:, 1:] = rings[:, :-1]
            rings[:, 0] = amounts[hour], usual.expected(hour % HOURS_A_WEEK)
            seen = look_at(usual, rings[0], rings[1], levels, factor)
            if seen is not None and seen.alarmed:
                found.append((hour, seen.side, seen.window))
                rings[:] = np.nan
    return found


def level_of(streams: float, budget: float = 0.5) -> float:
    """The level of one look at one of so many streams of equal weight, for so many false alarms a quarter in all."""
    return budget / streams / (QUARTER_DAYS * HOURS_A_DAY * LOOKS_AN_HOUR)


def write_amounts(store: Store, project_id: int, calls: Sequence[int], cost: Sequence[float]) -> None:
    """Profiles by the hour and the day, from a Monday midnight on: so many calls an hour, each by a user of its own,
    and what each of them costs in that hour."""

    def row(length: BlockLength, start: datetime, signal: str, profile: Profile) -> dict[str, Any]:
        sums = (profile.total, profile.total_square, profile.user_total, profile.user_total_square)
        names = ("total", "total_square", "user_total", "user_total_square")
        return {
            "project_id": project_id,
            "length": str(length),
            "dimension": "",
            "value": "",
            "signal": signal,
            "start": to_microseconds(start),
            "kind": str(profile.kind),
            "n": profile.n,
            "users": profile.users,
            **dict(zip(names, sums, strict=True)),
            "sketch": profile.to_sketch(),
        }

    rows = []
    for signal, kind in (("calls", Kind.FLAG), ("cost_usd", Kind.NUMBER)):
        profiles = []
        for number, each in zip(calls, cost, strict=True):
            value = 1.0 if kind is Kind.FLAG else each
            bins = {bin_of(each): number} if kind is Kind.NUMBER else {}
            sums = (value * number, value**2 * number) * 2
            profiles.append(Profile(kind, number, number, *sums, bins=bins))
        for hour, profile in enumerate(profiles):
            if profile.n:
                rows.append(row(BlockLength.HOUR, MONDAY + timedelta(hours=hour), signal, profile))
        for day in range(len(profiles) // HOURS_A_DAY):
            of_day = merge(profiles[day * HOURS_A_DAY : (day + 1) * HOURS_A_DAY], kind)
            if of_day.n:
                rows.append(row(BlockLength.DAY, MONDAY + timedelta(days=day), signal, of_day))
    with store.write() as connection:
        store.insert(connection, tables.Profile, rows)

"""Simulated hours in a store, and the alarms that the engine alone gives for the same hours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, overload

import numpy as np

from monitor import tables
from monitor.clock import BlockLength, to_microseconds
from monitor.contracts import Block, Indicator, Kind, Segment, Signal, Verdict
from monitor.detectors.amount_lane import AmountTask
from monitor.detectors.baseline import HOURS_A_WEEK, Baselines, fit
from monitor.detectors.gauges import Scale, scale_of
from monitor.detectors.hours import Said, Task, watch
from monitor.detectors.lane import REACH, Rings, Rules, advance
from monitor.detectors.learning import Candidate
from monitor.detectors.standings import Standings
from monitor.profile import Floats, Profile, merge
from monitor.stats.budget import WINDOWS, look_levels
from monitor.store import Store
from tests.simulation import MONDAY

REFERENCE_DAYS = 56
_DAY = timedelta(days=1)


@dataclass
class Watched:
    """One stream: its signal and segment, and the profiles of its hours from Monday midnight on."""

    signal: Signal
    segment: Segment
    hours: Sequence[Profile]

    def __post_init__(self) -> None:
        self.days = [
            merge(self.hours[24 * day : 24 * day + 24], self.signal.kind) for day in range(len(self.hours) // 24)
        ]


class Shares(Sequence[Profile]):
    """The hours of a flag from users and hits, made when they are asked for."""

    def __init__(self, users: Floats, hits: Floats) -> None:
        self._users, self._hits = users.astype(int).tolist(), hits.astype(int).tolist()

    def __len__(self) -> int:
        return len(self._users)

    @overload
    def __getitem__(self, place: int) -> Profile: ...

    @overload
    def __getitem__(self, place: slice) -> list[Profile]: ...

    def __getitem__(self, place: int | slice) -> Profile | list[Profile]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        users, hits = self._users[place], self._hits[place]
        return Profile(Kind.FLAG, users, users, hits, hits, hits, hits)


def profile_row(
    project_id: int, segment: Segment, signal: str, length: BlockLength, start: datetime, profile: Profile
) -> dict[str, Any]:
    """A profile as the store has it."""
    return {
        "project_id": project_id,
        "length": str(length),
        "dimension": segment.dimension,
        "value": segment.value,
        "signal": signal,
        "start": to_microseconds(start),
        "kind": str(profile.kind),
        "n": profile.n,
        "users": profile.users,
        "total": profile.total,
        "total_square": profile.total_square,
        "user_total": profile.user_total,
        "user_total_square": profile.user_total_square,
        "sketch": profile.to_sketch(),
    }


def write_stream(store: Store, project_id: int, stream: Watched) -> None:
    """Writes the hours and days in which there was something."""
    rows = [
        profile_row(project_id, stream.segment, stream.signal.name, length, MONDAY + number * length.duration, profile)
        for length, profiles in ((BlockLength.HOUR, stream.hours), (BlockLength.DAY, stream.days))
        for number, profile in enumerate(profiles)
        if profile.n
    ]
    with store.write() as connection:
        store.insert(connection, tables.Profile, rows)


def of_store(
    store: Store, project_id: int, streams: Sequence[Watched], learnt: int, days: int, budget: float
) -> list[Said]:
    """What the lane says of the days from `learnt` on, all through the store; nobody opens an alert."""

    def days_of(stream: Watched, day: int) -> list[Block]:
        first = max(0, day - REFERENCE_DAYS)
        found = enumerate(stream.days[first:day], first)
        return [Block(MONDAY + number * _DAY, profile) for number, profile in found if profile.n]

    def compute(_: object) -> Verdict:
        raise AssertionError

    asked = Indicator("drift", "drift", "Drift", "?", lambda _: True, compute)
    names = {stream.signal.name: stream.signal for stream in streams}
    standings = Standings(BlockLength.HOUR)
    task = Task(
        store=store,
        project_id=project_id,
        budget=budget,
        first=MONDAY,
        candidates=lambda day: [
            Candidate(asked, stream.signal, stream.segment, days_of(stream, (day - MONDAY) // _DAY))
            for stream in streams
        ],
        signal=lambda name, _: names[name],
        standings=standings,
        amounts=AmountTask(store, project_id, (), standings, budget),
        is_ready=lambda _: True,
    )
    found: list[Said] = []
    hour: datetime | None = MONDAY + learnt * _DAY - timedelta(hours=1)
    end = MONDAY + (learnt + days) * _DAY
    while hour is not None and hour < end - timedelta(hours=1):
        said, hour = watch(task, hour, end)
        found += said
    return found


@dataclass(frozen=True)
class Alarmed:
    """An alarm of the engine: the place of the stream, the hour, the hours of its window and its evidence."""

    stream: int
    hour: int
    window: int
    evidence: float


class _Engine:
    """All gauges of all streams as one set of arrays, from the profiles themselves."""

    def __init__(self, streams: Sequence[Watched], day: int, budget: float) -> None:
        first = max(0, day - REFERENCE_DAYS)
        levels = look_levels([stream.signal.weight for stream in streams], budget)
        self._scales, self.owner = [], []
        users, sums, noise, lowered, rules = [], [], [], [], []
        for place, (stream, level) in enumerate(zip(streams, levels, strict=True)):
            days = [profile for profile in stream.days[first:day] if profile.n]
            scale = scale_of(stream.signal, merge(days, stream.signal.kind), harm_only=False)
            assert scale is not None
            past = stream.hours[24 * first : 24 * day]
            people, measured = measured_of(scale, past)
            self._scales.append(scale)
            for number, gauge in enumerate(scale.gauges):
                users.append(people)
                sums.append(measured[:, number])
                noise.append(np.nan if gauge.noise is None else gauge.noise)
                lowered.append(min(1.0, people.sum() / sum(profile.n for profile in past)))
                rules.append(
                    (gauge.relative, gauge.least, gauge.most, gauge.shown, level * gauge.up, level * gauge.down)
                )
                self.owner.append(place)
        self.users, self.sums = np.array(users), np.array(sums)
        self.baselines: Baselines = fit(
            self.users, self.sums, 24 * first % HOURS_A_WEEK, np.array(noise), np.array(lowered)
        )
        table = np.array(rules)
        self.rules = Rules(*table[:, :4].T, level=table[:, 4:])

    def hour(self, streams: Sequence[Watched], hour: int) -> tuple[Floats, Floats]:
        users, sums = [], []
        for stream, scale in zip(streams, self._scales, strict=True):
            people, measured = measured_of(scale, [stream.hours[hour]])
            users += [people[0]] * len(scale.gauges)
            sums += measured[0].tolist()
        return np.array(users), np.array(sums)

    def rings(self, day: int) -> Rings:
        rings = Rings.empty(len(self.users))
        for back in range(min(REACH, self.users.shape[1])):
            rings.users[:, back], rings.sums[:, back] = self.users[:, -1 - back], self.sums[:, -1 - back]
            rings.usual[:, back] = rings.users[:, back] * self.baselines.expected((24 * day - 1 - back) % HOURS_A_WEEK)
        return rings


def measured_of(scale: Scale, profiles: Sequence[Profile]) -> tuple[Floats, Floats]:
    """Users and sums of gauges, zero where nothing was."""
    there = np.array([profile.n > 0 for profile in profiles])
    users, sums = np.zeros(len(profiles)), np.zeros((len(profiles), len(scale.gauges)))
    if there.any():
        users[there], sums[there] = scale.measure([profile for profile in profiles if profile.n])
    return users, sums


def of_engine(streams: Sequence[Watched], learnt: int, days: int, budget: float) -> Iterator[Alarmed]:
    """The alarms of the same days by the engine that the simulator runs. Baselines are made afresh as by the lane."""
    fitted: int | None = None
    newest: set[int] = set()
    for day in range(learnt, learnt + days):
        if fitted is None or day - fitted >= min(10, max(3, day / 2)):
            engine, fitted = _Engine(streams, day, budget), day
            owner, rings = np.array(engine.owner), engine.rings(day)
            rings.forget(np.isin(owner, list(newest)))
        for hour in range(24 * day, 24 * day + 24):
            users, sums = engine.hour(streams, hour)
            seen = advance(rings, engine.baselines, engine.rules, hour % HOURS_A_WEEK, users=users, sums=sums)
            newest = set(owner[seen.alarmed].tolist())
            for place in sorted(newest):
                own = np.flatnonzero((owner == place) & seen.alarmed)
                best = own[np.argmax((seen.evidence - seen.needed)[own])]
                yield Alarmed(place, hour, WINDOWS[seen.window[best]], float(seen.evidence[best]))
                rings.forget(owner == place)


def stream_of(kind: str, place: int, seed: int, hours: int, jump_at: int, *, is_changed: bool) -> Watched:
    """A stream with a season of the day and the week, wander, growth, bursts, users who come back, and gaps."""
    chance = np.random.default_rng([seed, place])
    rho, wander, typical = (
        float(chance.choice([0.0, 0.5, 0.9])),
        float(chance.uniform(0.05, 0.25)),
        chance.uniform(25, 70),
    )
    phase, season, growth = chance.uniform(0, 24), chance.uniform(0.0, 0.3), chance.uniform(0.8, 1.6)
    persons = chance.normal(0.0, 0.4, 400)
    lost = int(chance.integers(24, hours - 48))
    level, profiles = 0.0, []
    for hour in range(hours):
        level = rho * level + wander * np.sqrt(1 - rho**2) * chance.standard_normal()
        usual = (
            typical
            * growth ** (hour / hours)
            * (0.5 if hour // 24 % 7 >= 5 else 1.0)
            * (3 if chance.random() < 0.01 else 1)
        )
        people = 0 if lost <= hour < lost + 5 or chance.random() < 0.01 else int(chance.poisson(usual))
        shift = level + season * np.sin(2 * np.pi * (hour % 24 - phase) / 24) + 0.9 * (is_changed and hour >= jump_at)
        own = persons[chance.integers(0, len(persons), people)]
        profiles.append(Profile.of(KINDS[kind].kind, [_values(kind, chance, shift + one) for one in own]))
    return Watched(KINDS[kind], Segment("team", f"{kind} {place}"), profiles)


def _values(kind: str, chance: np.random.Generator, shift: float) -> list[Any]:
    calls = 1 + int(chance.random() < 0.3)
    if kind == "rate":
        return (chance.random(calls) < 1 / (1 + np.exp(2.5 - shift))).tolist()
    if kind == "mean":
        return (400 * np.exp(0.4 * shift + 0.8 * chance.standard_normal(calls))).tolist()
    if kind == "count":
        return chance.poisson(3 * np.exp(0.4 * shift), calls).astype(float).tolist()
    if kind == "quantile":
        slow = chance.random(calls) < 0.03 * np.exp(1.5 * shift)
        return np.where(slow, 30.0, np.exp(0.3 * chance.standard_normal(calls))).tolist()
    shares = np.array([0.15 * np.exp(shift), 0.5, 0.25, 0.1])
    return [f"v{value}" for value in chance.choice(4, calls, p=shares / shares.sum())]


KINDS = {
    "rate": Signal("refused", Kind.FLAG, "Refusals", "d", "drift", good="down"),
    "mean": Signal("length", Kind.NUMBER, "Length", "d", "drift"),
    "count": Signal("tools", Kind.NUMBER, "Tool calls", "d", "drift", good="down"),
    "quantile": Signal("seconds", Kind.NUMBER, "Latency", "d", "drift", good="down", relevant=0.2),
    "category": Signal("language", Kind.CATEGORY, "Language", "d", "drift"),
}

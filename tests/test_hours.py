"""The fast lane: baselines, windows, gauges of each kind, and the driver that gives what the simulator gives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from monitor import tables
from monitor.alerts import update
from monitor.clock import BlockLength
from monitor.contracts import WHOLE, Kind, Segment, Signal
from monitor.detectors.baseline import HOURS_A_WEEK, fit
from monitor.detectors.gauges import Scale, scale_of
from monitor.detectors.lane import Rings, Rules, advance
from monitor.detectors.memory import Detector, Fleet, parsed_baseline, parsed_state
from monitor.indicators import judge, skip_days
from monitor.profile import Floats, Profile, merge
from monitor.queries.alerts import AlertRecord, incidents
from monitor.queries.ledger import discoveries, ledger, mark_false, worth_a_look
from monitor.settings import Settings
from monitor.stats.budget import LOOKS_AN_HOUR, WINDOWS, chance_of_false_alarms, look_levels
from monitor.stats.intervals import lasting_reach
from monitor.store import Store, table_of
from tests.delays import WANDERS, all_delays, changed, limit, measured
from tests.hourly import QUARTER_HOURS, Plan, Stream, alike, learn, project, rules, watch
from tests.hourly_store import profile_row
from tests.simulation import MONDAY, category, flag, lognormal
from tests.simulation import Values as DrawValues

PROJECT_LEVEL = 0.5 / 300 / (QUARTER_HOURS * LOOKS_AN_HOUR)


def odds(share: float) -> float:
    return float(np.log(share / (1 - share)))


def delays(plan: Plan, factor: float, *, level: float = PROJECT_LEVEL, hours: int = 120, seed: int = 1) -> Floats:
    """Hours until each gauge alarms after its share is multiplied, in a stream that has run for a day."""
    stream = Stream(plan, np.random.default_rng(seed), seasonal=False)
    baselines = learn(stream, plan)
    shift = odds(float(plan.share[0]) * factor) - odds(float(plan.share[0]))
    first = {}
    for hour, gauge, _ in watch(stream, baselines, rules(plan, level), 24 + hours, shift, 24, is_once=True):
        if hour >= 24:
            first.setdefault(gauge, hour - 23)
    return np.array([first.get(gauge, hours + 1) for gauge in range(plan.gauges)], dtype=np.float64)


# Baselines.


def hours_of(chance: np.random.Generator, share: Floats, users: float) -> tuple[Floats, Floats]:
    people = chance.poisson(users, share.shape).astype(np.float64)
    return people, chance.binomial(people.astype(np.int64), share).astype(np.float64)


def test_a_season_is_learnt_and_none_is_invented() -> None:
    chance = np.random.default_rng(1)
    of_week = np.arange(8 * HOURS_A_WEEK) % HOURS_A_WEEK
    true = 0.1 + 0.04 * np.sin(2 * np.pi * (of_week % 24) / 24) + 0.03 * (of_week >= 120)
    both = np.stack([true, np.full_like(true, 0.1)])
    found = fit(*hours_of(chance, both, 80), 0, np.full(2, np.nan))
    expected = np.stack([found.expected(hour) for hour in range(HOURS_A_WEEK)], axis=1)
    assert np.sqrt(np.mean((expected[0] - true[:HOURS_A_WEEK]) ** 2)) < 0.012
    assert np.ptp(expected[1]) < 0.02
    assert found.wander.max() < 1e-3


def test_the_wander_of_each_window_is_what_was_simulated() -> None:
    chance = np.random.default_rng(2)
    level, hours, rho, size = 0.0, 8 * HOURS_A_WEEK, 0.9, 0.02
    wander = []
    for _ in range(hours):
        level = rho * level + size * np.sqrt(1 - rho**2) * chance.standard_normal()
        wander.append(level)
    people, sums = hours_of(chance, np.clip(0.2 + np.array([wander]), 0, 1), 400)
    found = fit(people, sums, 0, np.array([np.nan])).wander[0]
    for place, length in enumerate(WINDOWS):
        lags = np.arange(1, length)
        true = size**2 / length * (1 + 2 * float(((1 - lags / length) * rho**lags).sum()))
        assert 0.4 * true < found[place] < 3 * true, length
    assert np.all(np.diff(found) <= 0), "a longer mean never wanders more"


def test_a_trend_moves_the_level_to_its_end() -> None:
    chance = np.random.default_rng(3)
    people, sums = hours_of(chance, np.linspace(0.1, 0.2, 8 * HOURS_A_WEEK)[None], 100)
    found = fit(people, sums, 0, np.array([np.nan]))
    assert found.level[0] == pytest.approx(0.2, abs=0.01)


# Windows.


def test_a_doubled_rate_is_found_within_a_day_and_an_outage_within_two_hours() -> None:
    for rho, wander in ((0.0, 0.0), (0.5, 0.1), (0.5, 0.2), (0.9, 0.1)):
        plan = alike(60, 0.05, 60, rho, wander)
        assert np.median(delays(plan, 2.0)) <= 24, rho
        assert np.median(delays(plan, 5.0, hours=24)) <= 2, rho


def test_healthy_gauges_stay_far_within_what_they_may_spend() -> None:
    """At a level a hundred times that of a quarter: the looks of these weeks may cost 10 false alarms."""
    hours = 4 * HOURS_A_WEEK
    chance = np.random.default_rng(5)
    plan = project(chance, 60)
    stream = Stream(plan, chance)
    baselines = learn(stream, plan)
    found = watch(stream, baselines, rules(plan, 10 / 60 / (hours * LOOKS_AN_HOUR)), hours)
    assert len(found) <= 10


def test_ar_1_breaks_a_lane_that_takes_hours_for_independent() -> None:
    """What is measured of the wander is needed: without it, the same streams alarm."""
    plan = alike(100, 0.1, 200, 0.9, 0.25)
    stream = Stream(plan, np.random.default_rng(6), seasonal=False)
    baselines = learn(stream, plan)
    chosen = rules(plan, PROJECT_LEVEL)
    state = stream.__dict__.copy()
    assert len(watch(stream, baselines, chosen, 200)) <= 1
    stream.__dict__ |= state
    baselines.wander[:], baselines.own_wander[:] = 0.0, 0.0
    assert len(watch(stream, baselines, chosen, 200)) > 20


def test_a_stream_without_a_single_hour_of_past_says_nothing() -> None:
    nothing = np.zeros((1, 14 * 24))
    baselines = fit(nothing, nothing, 0, np.array([np.nan]))
    chosen = Rules(np.array([0.1]), np.array([0.01]), np.array([0.05]), np.array([0.02]), np.full((1, 2), 1e-6))
    rings = Rings.empty(1)
    for users, hits in ((0.0, 0.0), (50.0, 40.0)):
        seen = advance(rings, baselines, chosen, 0, users=np.array([users]), sums=np.array([hits]))
        assert not seen.alarmed.any()


def test_one_exception_to_what_was_always_so_is_no_alarm() -> None:
    chance = np.random.default_rng(11)
    always = chance.poisson(3.0, (1, 4 * HOURS_A_WEEK)).astype(float)
    baselines = fit(always, always.copy(), 0, np.array([np.nan]))
    chosen = Rules(np.array([0.1]), np.array([0.0025]), np.array([0.025]), np.array([0.005]), np.full((1, 2), 1e-6))
    rings = Rings.empty(1)
    for hour, seen in enumerate([3.0] * 30 + [2.0] + [3.0] * 10 + [2.0]):
        found = advance(rings, baselines, chosen, hour, users=np.array([3.0]), sums=np.array([seen]))
        assert not found.alarmed.any()
    for hour in range(12):
        found = advance(rings, baselines, chosen, hour, users=np.array([3.0]), sums=np.array([1.0]))
    assert found.alarmed.any()


def test_thin_traffic_is_judged_by_longer_windows_only() -> None:
    baselines = fit(*hours_of(np.random.default_rng(7), np.full((1, 8 * HOURS_A_WEEK), 0.1), 8), 0, np.array([np.nan]))
    chosen = Rules(np.array([0.1]), np.array([0.01]), np.array([0.05]), np.array([0.02]), np.full((1, 2), 1e-6))
    rings, first = Rings.empty(1), None
    for hour in range(8):
        seen = advance(rings, baselines, chosen, hour, users=np.array([8.0]), sums=np.array([8.0]))
        if seen.alarmed[0] and first is None:
            first = hour
            assert WINDOWS[seen.window[0]] >= 4
    assert first == 3, "32 users are the first that are enough"


def test_the_delay_is_within_twice_the_best_possible() -> None:
    for kind, change in (("rate of 5%", 2.0), ("rate of 20%", 1.35), ("rate of 20%", 1.8), ("mean", 0.3)):
        found = measured(kind, change, gauges=60)
        assert found.mean <= 2 * found.best, found


@pytest.mark.slow
def test_the_delay_is_within_twice_the_best_possible_for_all_that_is_drawn() -> None:
    for found in all_delays():
        assert found.mean <= 2 * found.best, found


def test_a_wander_as_large_as_this_hides_a_doubling_from_every_method_for_a_day() -> None:
    assert limit(0.1, 0.0, 0.0) <= 11
    assert limit(0.1, 0.9, 0.1) <= 12
    assert limit(0.1, 0.9, 0.2) > 24


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_doubled_rate_under_wander_takes_no_more_than_three_times_the_limit() -> None:
    for rho, wander in WANDERS:
        median = changed(2.0, rho, wander)
        assert median <= 3 * limit(0.1, rho, wander), (rho, wander)
        assert median <= 24 or wander * rho > 0.1, (rho, wander)
        assert changed(5.0, rho, wander) <= 2, (rho, wander)


# Gauges of each kind, on profiles of real calls.


def hourly_profiles(kind: Kind, values: DrawValues, *, hours: int, seed: int, shift: float = 0.0) -> list[Profile]:
    chance = np.random.default_rng(seed)
    found = []
    for _ in range(hours):
        sizes = 1 + chance.poisson(0.6, int(chance.poisson(50)))
        found.append(Profile.of(kind, [values(chance, int(size), shift) for size in sizes]))
    return found


def detector_of(signal: Signal, past: list[Profile], level: float) -> Detector:
    scale = scale_of(signal, merge(past, signal.kind), harm_only=False)
    assert scale is not None
    users, sums = scale.measure(past)
    noise = np.array([np.nan if gauge.noise is None else gauge.noise for gauge in scale.gauges])
    calls = sum(profile.n for profile in past)
    baselines = fit(np.repeat(users[None], len(scale.gauges), axis=0), sums.T, 0, noise, users.sum() / calls)
    rings = np.zeros((1 + len(scale.gauges), WINDOWS[-1]))
    return Detector("drift", signal.name, WHOLE, scale, baselines, level, 0, 0, rings=rings)


def first_alarm(detector: Detector, profiles: list[Profile]) -> tuple[int, str, int] | None:
    """The hour, the gauge and the side."""
    fleet = Fleet([detector], HOURS_A_WEEK - 1)
    users, sums = detector.scale.measure(profiles)
    for hour in range(len(profiles)):
        seen = fleet.advance(hour, np.repeat(users[hour], fleet.gauges), sums[hour])
        if seen.alarmed.any():
            gauge = int(np.argmax(seen.alarmed))
            return hour, detector.scale.gauges[gauge].name, int(seen.side[gauge])
    return None


def signal_of(kind: Kind, good: Any = None) -> Signal:
    return Signal("s", kind, "Signal", "d", "drift", good=good)


def with_new(share: float) -> DrawValues:
    return category(share or 1e-9, 0.6, 0.3, 0.1, first="brand new")


KINDS: dict[str, tuple[Signal, DrawValues, DrawValues, float, str, int]] = {
    "a flag doubles": (signal_of(Kind.FLAG, "down"), flag(0.1), flag(0.1), 0.95, "share", 0),
    "praise falls": (signal_of(Kind.FLAG, "up"), flag(0.8), flag(0.8), -1.2, "share", 1),
    "answers grow by half": (signal_of(Kind.NUMBER), lognormal(0.8), lognormal(0.8), 0.41, "higher", 0),
    "answers shrink": (signal_of(Kind.NUMBER), lognormal(0.8), lognormal(0.8), -0.5, "lower", 1),
    "a new value": (signal_of(Kind.CATEGORY), with_new(0.0), with_new(0.15), 0.0, "(new)", 0),
    "a value vanishes": (signal_of(Kind.CATEGORY), category(0.2, 0.5, 0.3), category(0.2, 0.5, 0.3), -9.0, "v0", 1),
}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_each_kind_finds_its_change_and_nothing_before(name: str) -> None:
    signal, before, after, shift, gauge, side = KINDS[name]
    past = hourly_profiles(signal.kind, before, hours=2 * HOURS_A_WEEK, seed=1)
    detector = detector_of(signal, past, PROJECT_LEVEL)
    assert first_alarm(detector, hourly_profiles(signal.kind, before, hours=100, seed=2)) is None
    found = first_alarm(detector, hourly_profiles(signal.kind, after, hours=30, seed=3, shift=shift))
    assert found is not None
    hour, named, rose = found
    assert hour <= 24
    assert rose == side
    assert named == gauge or signal.kind is Kind.CATEGORY


def test_the_slow_tail_alone_is_seen_where_more_is_worse() -> None:
    chance = np.random.default_rng(4)

    def slow(share: float) -> Callable[[np.random.Generator, int, float], Any]:
        def values(_: np.random.Generator, n: int, __: float) -> Any:
            return np.where(chance.random(n) < share, 30.0, np.exp(0.3 * chance.standard_normal(n))).tolist()

        return values

    signal = Signal("s", Kind.NUMBER, "Latency", "d", "usage", good="down", relevant=0.2)
    detector = detector_of(signal, hourly_profiles(Kind.NUMBER, slow(0.02), hours=384, seed=1), PROJECT_LEVEL)
    assert first_alarm(detector, hourly_profiles(Kind.NUMBER, slow(0.02), hours=60, seed=2)) is None
    found = first_alarm(detector, hourly_profiles(Kind.NUMBER, slow(0.2), hours=24, seed=3))
    assert found is not None
    assert found[1] == "tail"


@pytest.mark.parametrize("kind", [Kind.FLAG, Kind.NUMBER, Kind.CATEGORY])
def test_state_and_baseline_come_back_as_they_were_in_under_a_kilobyte(kind: Kind) -> None:
    values = {
        Kind.FLAG: flag(0.3),
        Kind.NUMBER: lognormal(1.0),
        Kind.CATEGORY: category(*[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]),
    }[kind]
    detector = detector_of(signal_of(kind, "down"), hourly_profiles(kind, values, hours=384, seed=1), 1e-7)
    users, sums = detector.scale.measure(hourly_profiles(kind, values, hours=WINDOWS[-1], seed=2))
    detector.rings = np.concatenate([users[None], sums.T])
    assert len(detector.state()) < 1000
    rings, trouble = parsed_state(detector.state())
    assert trouble is None
    assert rings == pytest.approx(detector.rings, rel=2e-3, abs=1e-3)
    scale, baselines = parsed_baseline(detector.baseline())
    assert scale == detector.scale
    for name in ("level", "season", "noise", "wander", "own_wander", "score"):
        assert getattr(baselines, name) == pytest.approx(getattr(detector.baselines, name), rel=1e-5, abs=1e-8)


def test_a_block_of_500_streams_takes_well_under_a_second() -> None:
    import time

    detector = detector_of(
        signal_of(Kind.NUMBER, "down"), hourly_profiles(Kind.NUMBER, lognormal(1.0), hours=384, seed=1), 1e-7
    )
    fleet = Fleet([detector] * 500, HOURS_A_WEEK - 1)
    users, sums = detector.scale.measure(hourly_profiles(Kind.NUMBER, lognormal(1.0), hours=1, seed=2))
    began = time.process_time()
    fleet.advance(0, np.repeat(users, fleet.gauges), np.tile(sums[0], 500))
    assert time.process_time() - began < 1.0


# The driver, on both databases, against the same hours in memory.


def write_hours(store: Store, project_id: int, segment: Segment, signal: str, profiles: list[Profile]) -> None:
    def row(length: BlockLength, start: datetime, profile: Profile) -> dict[str, Any]:
        return profile_row(project_id, segment, signal, length, start, profile)

    rows = [row(BlockLength.HOUR, MONDAY + timedelta(hours=at), profile) for at, profile in enumerate(profiles)]
    for day in range(len(profiles) // 24):
        of_day = profiles[24 * day : 24 * day + 24]
        rows.append(row(BlockLength.DAY, MONDAY + timedelta(days=day), merge(of_day, of_day[0].kind)))
    with store.write() as connection:
        store.insert(connection, tables.Profile, rows)


def told(store: Store, project_id: int) -> list[AlertRecord]:
    """The alerts that are not about the monitor itself."""
    return [alert for item in incidents(store, project_id) for alert in item.alerts if alert.signal]


def shares(counts: list[tuple[int, int]]) -> list[Profile]:
    return [Profile(Kind.FLAG, users, users, hits, hits, hits, hits) for users, hits in counts]


def test_the_driver_alarms_when_the_simulator_does_and_says_when_it_is_over(
    store: Store, settings: Settings, project: int
) -> None:
    chance = np.random.default_rng(8)
    learnt, outage, back = 14 * 24, 6, 30
    counts = []
    for hour in range(learnt + 10 + outage + back + 8):
        users = int(chance.poisson(60))
        share = 0.3 if learnt + 10 <= hour < learnt + 10 + outage else 0.05
        counts.append((users, int(chance.binomial(users, share))))
    profiles = shares(counts)
    write_hours(store, project, WHOLE, "refusal", profiles)
    skip_days(store, "default", MONDAY + timedelta(hours=learnt))
    began = MONDAY + timedelta(hours=learnt + 10)
    opened = None
    hour = MONDAY + timedelta(hours=learnt)
    while hour < MONDAY + timedelta(hours=len(profiles)):
        now = hour + timedelta(hours=1, minutes=12)
        while judge(store, settings, now):
            update(store, settings, now)
        if opened is None and told(store, project):
            opened = hour
        hour += timedelta(hours=1)
    (alert,) = told(store, project)
    assert alert.detail["lane"] == "hour"
    assert opened is not None
    assert began <= opened <= began + timedelta(hours=1), "within two hours"
    assert alert.opened == opened + timedelta(hours=1, minutes=12)
    assert abs(alert.since - began) <= timedelta(hours=1)
    assert alert.reason.startswith("Refusals rose from")
    assert alert.state == "resolved"
    assert alert.resolved is not None
    assert began + timedelta(hours=outage + 5) <= alert.resolved <= began + timedelta(hours=outage + 30)
    # The same hours through the same engine, without a store.
    with store.read() as connection:
        row = connection.execute(
            select(table_of(tables.Detector)).where(table_of(tables.Detector).c.signal == "refusal")
        ).one()
    scale, baselines = parsed_baseline(row.baseline)
    users, sums = scale.measure(profiles)
    assert parsed_state(row.state)[0][0, 0] == pytest.approx(users[-1])
    newest = slice(learnt - 1, learnt - 1 - WINDOWS[-1], -1)
    fleet = Fleet(
        [
            Detector(
                "quality",
                "refusal",
                WHOLE,
                scale,
                baselines,
                row.level,
                0,
                0,
                rings=np.stack([users[newest], sums[newest, 0]]),
            )
        ],
        (learnt - 1) % HOURS_A_WEEK,
    )
    alone = next(
        at
        for at in range(learnt, len(profiles))
        if fleet.advance(at % HOURS_A_WEEK, users[at : at + 1], sums[at]).alarmed[0]
    )
    assert MONDAY + timedelta(hours=alone) == opened
    book = ledger(store, settings, project, MONDAY, MONDAY + timedelta(days=91))
    assert 0 < book.spent < book.allowed
    assert (book.raised, book.marked_false, book.is_suspicious) == (1, 0, False)
    mark_false(store, project, alert.id, by="ops", now=hour)
    book = ledger(store, settings, project, MONDAY, MONDAY + timedelta(days=91))
    assert book.marked_false == 1
    mark_false(store, project, alert.id, by="ops", now=hour, is_false=False)
    assert ledger(store, settings, project, MONDAY, hour).marked_false == 0
    assert worth_a_look(store, project, hour) == []


# The budget.


def test_the_looks_of_a_quarter_add_up_to_the_lanes_part_of_the_budget() -> None:
    levels = look_levels([1.0, 10.0, 3.0], 2.0)
    assert sum(levels) * QUARTER_HOURS * LOOKS_AN_HOUR == pytest.approx(1.0)
    assert levels[1] == pytest.approx(10 * levels[0])


def test_false_alarms_beyond_what_was_spent_are_suspicious() -> None:
    assert chance_of_false_alarms(0, 0.0) == 1.0
    assert chance_of_false_alarms(1, 1.0) == pytest.approx(1 - np.exp(-1))
    assert chance_of_false_alarms(2, 0.1) == pytest.approx(0.00467884, rel=1e-5)


def test_discoveries_are_those_of_benjamini_and_yekutieli() -> None:
    assert discoveries([]) == 0
    assert discoveries([0.2, 0.5]) == 0
    assert discoveries([0.0001, 0.001, 0.2, 0.9]) == 2


def test_a_lasting_interval_covers_at_all_times() -> None:
    chance = np.random.default_rng(9)
    missed = 0
    for _ in range(200):
        values = chance.standard_normal(800)
        means = np.cumsum(values) / np.arange(1, 801)
        reach = np.array([lasting_reach(1.0, units) for units in range(1, 801)])
        missed += bool((np.abs(means)[29:] > reach[29:]).any())
    assert missed <= 200 * 0.05 + 3 * np.sqrt(200 * 0.05 * 0.95)


def test_a_scale_reads_only_what_it_knows() -> None:
    scale = scale_of(signal_of(Kind.CATEGORY), Profile.of(Kind.CATEGORY, [["a"] * 3, ["b"]] * 40), harm_only=False)
    assert isinstance(scale, Scale)
    assert [gauge.name for gauge in scale.gauges] == ["a", "b", "(new)"]
    users, sums = scale.measure([Profile.of(Kind.CATEGORY, [["a", "c"], ["c"]])])
    assert users.tolist() == [2.0]
    assert sums.tolist() == [[0.5, 0.0, 1.5]]
    assert scale_of(signal_of(Kind.VECTOR), Profile(Kind.VECTOR), harm_only=False) is None

"""What the lane says of a store is what the engine says of the same hours, for each kind of stream."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from monitor.contracts import Segment
from monitor.detectors.baseline import HOURS_A_WEEK
from monitor.store import Store
from tests.hourly import QUARTER_HOURS, REFERENCE_WEEKS, Plan, Stream, hours_of
from tests.hourly import project as plan_of
from tests.hourly_store import KINDS, Shares, Watched, of_engine, of_store, stream_of, write_stream
from tests.simulation import MONDAY


def compare(store: Store, project: int, streams: list[Watched], learnt: int, days: int, budget: float) -> int:
    """Asserts that store and engine agree on every alarm of every stream; answers how many there were."""
    for stream in streams:
        write_stream(store, project, stream)
    told = sorted(
        of_store(store, project, streams, learnt, days, budget), key=lambda said: (said.hour, said.segment.value)
    )
    expected = sorted(
        of_engine(streams, learnt, days, budget), key=lambda alarm: (alarm.hour, streams[alarm.stream].segment.value)
    )
    hour = timedelta(hours=1)
    assert [((said.hour - MONDAY) // hour, said.segment.value) for said in told] == [
        (alarm.hour, streams[alarm.stream].segment.value) for alarm in expected
    ]
    for said, alarm in zip(told, expected, strict=True):
        assert said.verdict.detail["window_hours"] == alarm.window
        assert said.verdict.detail["evidence"] == pytest.approx(alarm.evidence, rel=0.02, abs=0.05)
    return len(told)


def batch(seed: int, each: int, days: int, jump_day: int) -> list[Watched]:
    """Streams of every kind; every second one changes."""
    return [
        stream_of(kind, place, seed, 24 * days, 24 * jump_day + 9, is_changed=place % 2 == 0)
        for place, kind in enumerate(kind for kind in KINDS for _ in range(each))
    ]


def test_the_store_gives_the_alarms_of_the_engine(store: Store, project: int) -> None:
    """Ten days learnt, six watched, with new baselines on the way."""
    assert compare(store, project, batch(1, 1, 16, 14), 10, 6, 1.0) >= 3


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(4))
def test_the_store_gives_the_alarms_of_the_engine_for_many_streams(store: Store, project: int, seed: int) -> None:
    """A budget of twenty, so that streams near the edge alarm too."""
    assert compare(store, project, batch(10 + seed, 6, 42, 35), 24, 18, 20.0) >= 10


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_whole_quarter_through_the_store_keeps_to_the_budget(store: Store, project: int) -> None:
    """Three hundred rates, default budget, every hour of thirteen weeks after eight that were learnt."""
    chance = np.random.default_rng(7)
    healthy = plan_of(chance, 500)
    rates = [field[healthy.is_share] if np.ndim(field) else field for field in vars(healthy).values()]
    users, hits = hours_of(Stream(Plan(*rates), chance), REFERENCE_WEEKS * HOURS_A_WEEK + QUARTER_HOURS)
    streams = [
        Watched(KINDS["rate"], Segment("team", f"rate {place:03}"), Shares(*both))
        for place, both in enumerate(zip(users, hits, strict=True))
    ]
    assert len(streams) == 300
    found = compare(store, project, streams, REFERENCE_WEEKS * 7, QUARTER_HOURS // 24, 1.0)
    print(f"{found} alarms in a quarter of {len(streams)} streams through the store")  # noqa: T201
    assert found <= 3

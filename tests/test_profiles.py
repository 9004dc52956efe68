"""Profiles: the algebra, the columnar build against the plain one, refresh, rebuild, late data, feedback."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from monitor import tables
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.contracts import WHOLE, Kind, Segment
from monitor.dirty import mark_times
from monitor.identifiers import new_id
from monitor.model_names import model_family
from monitor.profile import Profile, merge
from monitor.profiles import rebuild, refresh
from monitor.profiles.build import CallSignals, build
from monitor.profiles.segments import MAX_VALUES, capped, dimension_values, dimensions
from monitor.queries.series import read_profiles
from monitor.settings import Settings
from monitor.store import Store, table_of
from monitor.vectors import decode_vector, encode_vector, text_vectors
from tests.enrichments import put_signals

DAY = datetime(2026, 3, 10, tzinfo=UTC)

numbers = st.floats(-1e6, 1e6, allow_nan=False)
values_of = {
    Kind.NUMBER: numbers,
    Kind.FLAG: st.booleans(),
    Kind.CATEGORY: st.sampled_from("abcde"),
    Kind.VECTOR: st.lists(st.integers(-1000, 1000).map(lambda part: part / 1000), min_size=3, max_size=3),
}


@st.composite
def profiles(draw: st.DrawFn, kind: Kind) -> Profile:
    return Profile.of(kind, draw(st.lists(st.lists(values_of[kind], max_size=4), max_size=5)))


def close(one: Profile, two: Profile, vectors: float = 1e-6) -> None:
    """The same but for rounding in sums; `vectors` is how much of its largest component a vector may be off."""
    assert (one.kind, one.n, one.users, one.bins) == (two.kind, two.n, two.users, two.bins)
    for name in ("total", "total_square", "user_total", "user_total_square"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), rel=1e-9, abs=1e-6)
    assert set(one.categories) == set(two.categories)
    for name, entry in one.categories.items():
        other = two.categories[name]
        assert entry.calls == other.calls
        assert (entry.share, entry.share_square) == pytest.approx((other.share, other.share_square))
    for name in ("vector", "vector_square"):
        first, second = getattr(one, name), getattr(two, name)
        assert (first is None) == (second is None)
        if first is not None:
            assert first == pytest.approx(second, abs=vectors * 2 * np.abs(second).max() + 1e-6)


@pytest.mark.parametrize("kind", list(Kind))
def test_merge_is_associative_and_commutative_with_the_empty_profile_as_identity(kind: Kind) -> None:
    @given(profiles(kind), profiles(kind), profiles(kind))
    def check(one: Profile, two: Profile, three: Profile) -> None:
        close(one.merge(two).merge(three), one.merge(two.merge(three)))
        close(one.merge(two), two.merge(one))
        close(one.merge(Profile(kind)), one)
        close(merge([one, two, three], kind), three.merge(one).merge(two))

    check()


@pytest.mark.parametrize("kind", list(Kind))
def test_the_columnar_build_gives_what_counting_one_by_one_gives(kind: Kind) -> None:
    call = st.tuples(st.integers(0, 4), st.sampled_from([None, "x", "y"]), st.one_of(st.none(), values_of[kind]))

    @given(st.lists(call, max_size=25))
    def check(rows: list[tuple[int, str | None, Any]]) -> None:
        calls = [
            CallSignals(
                bytes([user]),
                (Segment("feature", value),) if value else (),
                {} if observed is None else {"s": observed},
            )
            for user, value, observed in rows
        ]
        built = {segment: profile for segment, _, profile in build(calls, {"s": kind})}
        for segment in (WHOLE, Segment("feature", "x"), Segment("feature", "y")):
            by_user: dict[int, list[Any]] = {}
            for user, value, observed in rows:
                if observed is not None and (segment == WHOLE or value == segment.value):
                    by_user.setdefault(user, []).append(observed)
            assert (segment in built) == bool(by_user)
            if by_user:
                close(built[segment], Profile.of(kind, by_user.values()))

    check()


@pytest.mark.parametrize("kind", list(Kind))
def test_a_profile_survives_storing(kind: Kind) -> None:
    @given(profiles(kind))
    def check(profile: Profile) -> None:
        stored = Profile.load(kind, profile.n, profile.users, profile.sums(), profile.to_sketch())
        close(stored, profile, vectors=1 / 13 if profile.n == 1 else 1e-4)

    check()


def test_a_profile_of_one_call_is_stored_as_its_value() -> None:
    (meaning,) = text_vectors(["What is the price of the invoice of March?"])
    assert meaning is not None
    vector = decode_vector(encode_vector(meaning))
    for kind, value, size in ((Kind.NUMBER, 12.5, 0), (Kind.FLAG, True, 0), (Kind.VECTOR, vector, 35)):
        profile = Profile.of(kind, [[value]])  # type: ignore[list-item]
        assert profile.sums()[1:] == (None, None, None)
        assert len(profile.to_sketch() or b"") == size
        close(Profile.load(kind, 1, 1, profile.sums(), profile.to_sketch()), profile, vectors=1e-12)


def test_vectors_stored_in_single_precision_stay_readable() -> None:
    old = np.array([1.0, -2.0, 3.0, 4.0], dtype="<f4").tobytes()
    profile = Profile.load(Kind.VECTOR, 5, 2, (None, None, None, None), old)
    assert profile.vector is not None
    assert profile.vector_square is not None
    assert (profile.vector.tolist(), profile.vector_square.tolist()) == ([1, -2], [3, 4])


def test_a_quantile_is_reached_by_its_share_of_the_calls() -> None:
    few = Profile.of(Kind.NUMBER, [[0.001], [0.8]])
    assert few.quantile(0.5) == pytest.approx(0.001, rel=0.02)
    assert few.quantile(0.95) == few.quantile(1.0) == pytest.approx(0.8, rel=0.02)
    many = Profile.of(Kind.NUMBER, [[float(value)] for value in range(1, 101)])
    assert [many.quantile(share) for share in (0.0, 0.5, 0.95, 1.0)] == pytest.approx([1, 50, 95, 100], rel=0.02)


def test_values_that_are_no_numbers_are_left_out() -> None:
    calls = [CallSignals(b"u", (), {"s": value}) for value in (1.0, float("nan"), float("inf"), "text", 3)]
    ((_, _, profile),) = build(calls, {"s": Kind.NUMBER})
    assert (profile.n, profile.mean) == (2, 2.0)


def test_model_families() -> None:
    families = {
        "gpt-4-0613": "gpt-4",
        "gpt-3.5-turbo-0301": "gpt-3.5-turbo",
        "claude-3-5-sonnet-20241022": "claude-3-5-sonnet",
        "gpt-4o-2024-08-06": "gpt-4o",
        "gemini-1.5-pro-002": "gemini-1.5-pro",
        "claude-3-5-sonnet@20240620": "claude-3-5-sonnet",
        "gpt-4o": "gpt-4o",
        "llama-3-70b": "llama-3-70b",
        "mistral-large-latest": "mistral-large",
        "anthropic.claude-3-haiku-20240307-v1:0": "anthropic.claude-3-haiku",
    }
    assert {model: model_family(model) for model in families} == families


def test_dimensions_of_a_call() -> None:
    settings = Settings(segment_tags="plan", segment_pairs="model_family+feature,tag.plan+language")
    wanted = dimensions(settings)
    values = dimension_values(
        {"model": "gpt-4-0314", "feature": "prime", "environment": " "}, "en", {"plan": 3, "other": "x"}, wanted
    )
    found = dict(zip(wanted, values, strict=True))
    assert found["model_family+feature"] == "gpt-4 + prime"
    assert found["tag.plan+language"] == "3 + en"
    assert found["tag.plan"] == "3"
    assert found["environment"] is None
    assert "tag.other" not in found


def test_a_dimension_has_at_most_so_many_values_and_keeps_those_it_knows() -> None:
    known = {"rare"}
    column = [f"v{number % 80}" for number in range(800)] + ["rare", None]
    result = capped(column, known)
    assert len(set(result) - {None}) == MAX_VALUES + 1
    assert result[-2:] == ["rare", None]
    assert capped(["brand new"], known) == ["(other)"]


def add_call(store: Store, project: int, time: datetime, trace: str, signals: dict[str, Any], **columns: Any) -> None:
    identifier = new_id(time)
    span = {
        "project_id": project,
        "id": identifier,
        "trace_id": trace.encode(),
        "span_id": columns.pop("span_id", f"{identifier}").encode(),
        "time": to_microseconds(time),
        "received": to_microseconds(time),
        "kind": "llm",
        "status": 0,
        **columns,
    }
    with store.write() as connection:
        store.insert(connection, tables.Span, [span])
        if span["kind"] == "llm":
            put_signals(store, connection, project, [(identifier, signals)])
    mark(store, project, time)


def add_feedback(store: Store, project: int, time: datetime, name: str, value: float, **columns: Any) -> None:
    identifier = new_id(time)
    row = {
        "project_id": project,
        "id": identifier,
        "identity": str(identifier).encode(),
        "time": to_microseconds(time),
        "received": to_microseconds(time),
        "trace_id": None,
        "span_id": None,
        "session_id": None,
        "name": name,
        "value": value,
        "flag": 1,
        "annotator": "human",
        **columns,
    }
    with store.write() as connection:
        store.insert(connection, tables.Feedback, [row])


def mark(store: Store, project: int, time: datetime) -> None:
    with store.write() as connection:
        for length in BlockLength:
            start = to_microseconds(block_start(time, length))
            row = {"project_id": project, "length": str(length), "start": start, "since": to_microseconds(time)}
            store.insert_new(connection, tables.DirtyBlock, [row])


def everything(store: Store) -> list[tuple[Any, ...]]:
    table = table_of(tables.Profile)
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]


def fill(store: Store, project: int, seed: int = 1, n: int = 60) -> None:
    chance = random.Random(seed)
    for number in range(n):
        time = DAY + timedelta(minutes=chance.randrange(2 * 24 * 60))
        signals = {"calls": True, "length": chance.lognormvariate(5, 1), "language": chance.choice(["en", "fr"])}
        add_call(
            store,
            project,
            time,
            f"t{number}",
            signals,
            model=chance.choice(["gpt-4-0314", "gpt-4-0613"]),
            user=chance.choice([b"ann", b"bob", None]),
            tags={"plan": "free"},
        )


def test_rebuild_gives_what_refresh_gave(store: Store, settings: Settings, project: int, now: datetime) -> None:
    fill(store, project)
    assert refresh(store, settings, now) > 2
    first = everything(store)
    assert refresh(store, settings, now) == 0
    rebuild(store, settings, "default", DAY, DAY + timedelta(days=2))
    assert everything(store) == first


def test_the_order_in_which_calls_arrive_does_not_matter(
    store: Store, settings: Settings, project: int, now: datetime
) -> None:
    times = [DAY + timedelta(hours=hour, minutes=minute) for hour in (1, 5, 9) for minute in range(5)]
    random.Random(3).shuffle(times)
    for number, time in enumerate(times):
        add_call(store, project, time, f"t{time}", {"calls": True, "length": time.hour + time.minute}, user=b"ann")
        if number in (4, 9):
            refresh(store, settings, now)
    refresh(store, settings, now)
    read = read_profiles(store, project, BlockLength.DAY, DAY, DAY + timedelta(days=1))
    (block,) = read[(WHOLE, "length")]
    close(block.profile, Profile.of(Kind.NUMBER, [[time.hour + time.minute for time in times]]))
    hours = read_profiles(store, project, BlockLength.HOUR, DAY, DAY + timedelta(days=1))[(WHOLE, "length")]
    assert [item.profile.n for item in hours] == [5, 5, 5]
    assert hours[0].profile.users == 1


def test_segments_remember_when_they_were_first_and_last_seen(
    store: Store, settings: Settings, project: int, now: datetime
) -> None:
    add_call(store, project, DAY + timedelta(hours=5), "a", {"calls": True}, model="gpt-4-0314", feature="prime")
    refresh(store, settings, now)
    add_call(store, project, DAY + timedelta(hours=3), "b", {"calls": True}, model="gpt-4-0613", feature="prime")
    refresh(store, settings, now)
    with store.read() as connection:
        rows = connection.execute(select(table_of(tables.Segment))).all()
    found = {(row.dimension, row.value): (row.first_seen, row.last_seen) for row in rows}
    three, five = (to_microseconds(DAY + timedelta(hours=hour)) for hour in (3, 5))
    assert found[("model_family+feature", "gpt-4 + prime")] == (three, five)
    assert found[("model", "gpt-4-0314")] == (five, five)
    assert found[("model", "gpt-4-0613")] == (three, three)


def test_feedback_counts_for_its_call_its_traces_last_call_or_the_whole(
    store: Store, settings: Settings, project: int, now: datetime
) -> None:
    at = DAY + timedelta(hours=1)
    add_call(store, project, at, "t", {"calls": True}, span_id="one", feature="early")
    add_call(
        store, project, at + timedelta(days=1), "t", {"calls": True}, span_id="two", feature="late", session_id=b"talk"
    )
    add_call(store, project, at, "t", {}, span_id="chain", kind="chain")
    add_feedback(store, project, now, "thumb", 1, trace_id=b"t", span_id=b"one")
    add_feedback(store, project, now, "thumb", 0, trace_id=b"t")
    add_feedback(store, project, now, "thumb", 0, trace_id=b"t", span_id=b"chain")
    add_feedback(store, project, now, "thumb", 1, session_id=b"talk")
    mark(store, project, now)
    refresh(store, settings, now)
    read = read_profiles(store, project, BlockLength.DAY, DAY, DAY + timedelta(days=3), signals=["feedback.thumb"])
    counted = {
        segment.value: [(block.start.day, block.profile.n, block.profile.total) for block in blocks]
        for (segment, _), blocks in read.items()
        if segment.dimension in ("", "feature")
    }
    assert counted["early"] == [(10, 1, 1.0)]
    assert counted["late"] == [(11, 2, 0.0)]
    assert counted[""] == [(10, 1, 1.0), (11, 3, 1.0)]


def test_a_late_last_call_takes_its_traces_feedback_with_it(
    store: Store, settings: Settings, project: int, now: datetime
) -> None:
    add_call(store, project, DAY, "t", {"calls": True})
    add_feedback(store, project, DAY, "thumb", 1, trace_id=b"t")
    refresh(store, settings, now)
    add_call(store, project, DAY + timedelta(days=1), "t", {"calls": True})
    refresh(store, settings, now)
    read = read_profiles(
        store, project, BlockLength.DAY, DAY, DAY + timedelta(days=3), signals=["feedback.thumb"], segments=[WHOLE]
    )
    assert [block.start.day for block in read[(WHOLE, "feedback.thumb")]] == [11]


def test_a_mark_set_while_its_block_is_rebuilt_is_kept(
    store: Store, settings: Settings, project: int, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monitor import profiles

    add_call(store, project, DAY, "a", {"calls": True})
    original = profiles.read_calls
    late: list[bool] = []

    def interrupted(*arguments: Any, **more: Any) -> Any:
        found = original(*arguments, **more)
        if not late:
            late.append(True)
            add_call(store, project, DAY, "b", {"calls": True})
        return found

    monkeypatch.setattr(profiles, "read_calls", interrupted)
    refresh(store, settings, now)
    refresh(store, settings, now)
    read = read_profiles(
        store, project, BlockLength.DAY, DAY, DAY + timedelta(days=1), signals=["calls"], segments=[WHOLE]
    )
    assert read[(WHOLE, "calls")][0].profile.n == 2


def test_a_refresh_waits_for_the_transaction_that_marks_a_marked_block_again(
    store: Store, settings: Settings, project: int, now: datetime
) -> None:
    add_call(store, project, DAY, "a", {"calls": True})
    feedback = {
        "project_id": project,
        "id": new_id(DAY),
        "identity": b"1",
        "time": to_microseconds(DAY),
        "received": to_microseconds(DAY),
        "trace_id": b"a",
        "name": "thumb",
        "value": 1.0,
        "flag": 1,
    }
    with ThreadPoolExecutor() as threads:
        with store.write() as connection:
            store.insert(connection, tables.Feedback, [feedback])
            mark_times(store, connection, project, [DAY], now)
            refreshed = threads.submit(refresh, store, settings, now)
            with pytest.raises(TimeoutError):
                refreshed.result(timeout=0.5)
        assert refreshed.result(timeout=30) == 2
    read = read_profiles(store, project, BlockLength.DAY, DAY, DAY + timedelta(days=1), segments=[WHOLE])
    assert read[(WHOLE, "feedback.thumb")][0].profile.n == 1


def test_a_mark_keeps_its_age(store: Store, project: int, now: datetime) -> None:
    for moment in (DAY, now):
        with store.write() as connection:
            mark_times(store, connection, project, [DAY], moment)
    with store.read() as connection:
        assert set(connection.execute(select(table_of(tables.DirtyBlock).c.since)).scalars()) == {to_microseconds(DAY)}


def test_a_crash_in_the_middle_loses_no_mark(
    store: Store, settings: Settings, project: int, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monitor import profiles

    add_call(store, project, DAY, "a", {"calls": True})
    with monkeypatch.context() as patch:
        patch.setattr(profiles, "read_calls", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            refresh(store, settings, now)
    assert refresh(store, settings, now) == 2


def test_a_large_block_that_still_fills_waits_an_hour(
    store: Store, settings: Settings, project: int, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.profiles.LARGE_BLOCK_CALLS", 1)
    add_call(store, project, now, "a", {"calls": True})
    assert refresh(store, settings, now) == 2
    add_call(store, project, now, "b", {"calls": True})
    assert refresh(store, settings, now) == 0
    assert refresh(store, settings, now + timedelta(hours=1)) == 2

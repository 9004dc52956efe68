"""The filter in the address: what is understood, what is left out and said so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboards import filters
from dashboards.app import Context
from monitor.contracts import WHOLE, Segment
from monitor.settings import Settings
from monitor.store import Store
from tests.conftest import NOW

LATEST = datetime(2026, 2, 3, 9, 30, tzinfo=UTC)
EVE = datetime(2026, 2, 4, tzinfo=UTC)


def asked(search: str, latest: datetime | None = LATEST, now: datetime = NOW) -> filters.Asked:
    given, project, problems = filters.parse(search, ["default", "other"], "default")
    return filters.check(given, project, latest, now, problems)


def test_without_parameters_it_is_eight_weeks_up_to_the_newest_day() -> None:
    found = asked("")
    assert (found.start, found.end, found.range) == (EVE - timedelta(days=56), EVE, "56d")
    assert (found.segment, found.compare, found.project, found.problems) == (WHOLE, None, "default", ())


def test_without_data_or_with_data_from_the_future_it_ends_today() -> None:
    tomorrow = datetime(2026, 3, 12, tzinfo=UTC)
    assert asked("", latest=None).end == tomorrow
    assert asked("", latest=NOW + timedelta(days=400)).end == tomorrow


@pytest.mark.parametrize(
    ("search", "start", "end", "preset"),
    [
        ("?range=7d", EVE - timedelta(days=7), EVE, "7d"),
        ("?range=12h", EVE - timedelta(hours=12), EVE, "12h"),
        ("?range=8w", EVE - timedelta(weeks=8), EVE, "8w"),
        (
            "?from=2026-01-01&to=2026-01-03",
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 1, 3, tzinfo=UTC),
            "custom",
        ),
        (
            "?from=2026-01-01T12:00%2B02:00&to=2026-01-01T11:00Z",
            datetime(2026, 1, 1, 10, tzinfo=UTC),
            datetime(2026, 1, 1, 11, tzinfo=UTC),
            "custom",
        ),
        ("?from=2026-02-01", datetime(2026, 2, 1, tzinfo=UTC), EVE, "custom"),
        ("?to=2026-02-01", datetime(2025, 12, 7, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), "custom"),
    ],
)
def test_ranges(search: str, start: datetime, end: datetime, preset: str) -> None:
    found = asked(search)
    assert (found.start, found.end, found.range, found.problems) == (start, end, preset, ())


@pytest.mark.parametrize(
    ("search", "problem"),
    [
        ("?range=yesterday", "'yesterday'"),
        ("?range=9999w", "'9999w'"),
        ("?from=noon", "'noon'"),
        ("?from=2026-01-03&to=2026-01-01", "begin before it ends"),
        ("?from=0001-01-01", "0001-01-01"),
        ("?from=1971-01-02&to=2199-01-01", "ten years"),
        ("?segment=gpt-4", "dimension:value"),
        ("?compare=:", "dimension:value"),
        ("?project=nobody", "no project 'nobody'"),
        ("?text=" + "x" * 3000, "too long"),
        ("?" + "&".join(f"a{number}=1" for number in range(90)), "too many parameters"),
    ],
)
def test_nonsense_is_left_out_and_said(search: str, problem: str) -> None:
    found = asked(search)
    assert len(found.problems) == 1
    assert problem in found.problems[0]
    assert found.end - found.start == timedelta(days=56)
    assert (found.project, found.segment, found.compare) == ("default", WHOLE, None)


def test_segments_and_own_parameters() -> None:
    found = asked(
        "?project=other&segment=model_family%2Bfeature:gpt-4+%2B+prime&compare=tag.plan:a:b&incident=7&x=%00y"
    )
    assert found.project == "other"
    assert found.segment == Segment("model_family+feature", "gpt-4 + prime")
    assert found.compare == Segment("tag.plan", "a:b")
    assert found.parameters == {"incident": "7", "x": "y"}


def test_a_link_keeps_the_filter_and_is_understood_again(store: Store, settings: Settings, project: int) -> None:
    context = Context(store, settings)
    request = context.request("/drift", "?range=7d&segment=feature:a+%26+b&compare=model:m&signal=x", NOW)
    again = context.request("/drift", request.link(signal="y").partition("?")[2], NOW)
    assert (again.range, again.segment, again.compare) == ("7d", Segment("feature", "a & b"), Segment("model", "m"))
    assert again.parameters == {"signal": "y"}
    moved = context.request(
        "/explorer", request.link("/explorer", start=NOW, end=NOW + timedelta(hours=1), segment=WHOLE)[9:], NOW
    )
    assert (moved.start, moved.end, moved.segment) == (
        NOW.replace(second=0),
        NOW.replace(second=0) + timedelta(hours=1),
        WHOLE,
    )


def test_blocks_suit_the_range(store: Store, settings: Settings, project: int) -> None:
    context = Context(store, settings)
    assert context.request("/", "?range=1d", NOW).length == "hour"
    assert context.request("/", "?range=7d", NOW).length == "day"
    request = context.request("/", "?range=7d", NOW)
    assert request.previous == (request.start - timedelta(days=7), request.start)

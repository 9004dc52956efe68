"""Writes verdicts, profiles and segments as the stages before the alerts would."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor import tables
from monitor.clock import BlockLength, to_microseconds
from monitor.contracts import Indicator, Kind, Rule, Segment, Signal, Verdict
from monitor.profile import Profile
from monitor.store import Store
from tests.hourly_store import profile_row

DAY = timedelta(days=1)
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
SWITCH = START + 9 * DAY
PRIME = Segment("model_family+feature", "gpt-4 + prime")
NOON = START + 9 * DAY + timedelta(hours=12)
ACCURACY = "feedback.accuracy"
LENGTH = "response_characters"


def _any_signal(_signal: Signal) -> bool:
    return True


def _never(*_: Any) -> Verdict:
    return Verdict("no_data", "Not asked.")


def pack(**rules: Rule | None) -> Mapping[str, Indicator]:
    """A rule pack of indicators with these names; `drift` and `quality` with the default rule are always in it."""
    named: dict[str, Rule | None] = {"drift": None, "quality": None, **rules}
    return {
        name: Indicator(name, "drift", name.capitalize(), "Did it change?", _any_signal, _never, rule=rule)
        for name, rule in named.items()
    }


def evening(day: int) -> datetime:
    """When the jobs run after a day is closed."""
    return START + (day + 1) * DAY + timedelta(minutes=20)


def say(
    store: Store,
    day: int,
    state: str,
    *,
    project: str = "default",
    indicator: str = "quality",
    signal: str = ACCURACY,
    segment: Segment = PRIME,
    before: float | None = 0.84,
    after: float | None = 0.511,
    n: int = 200,
    days: int = 1,
    since: datetime | None = SWITCH,
    detail: Mapping[str, Any] | None = None,
    computed: datetime | None = None,
    reason: str = "It changed.",
) -> None:
    """Writes the verdict of one stream on one day."""
    trouble = state in ("moved", "bad")
    found = dict(detail or {})
    if trouble and since is not None:
        found.setdefault("since", since.isoformat())
    start = START + day * DAY
    judged = state in ("ok", "moved", "bad")
    moment = to_microseconds(computed or evening(day))
    row = {
        "project_id": store.project(project, moment),
        "indicator": indicator,
        "signal": signal,
        "dimension": segment.dimension,
        "value": segment.value,
        "start": to_microseconds(start),
        "end": to_microseconds(start + DAY),
        "window_start": to_microseconds(start + DAY - days * DAY),
        "computed": moment,
        "state": state,
        "reason": reason,
        "number": (after if trouble else before) if judged else None,
        "low": after - 0.05 if trouble and after is not None else None,
        "high": after + 0.05 if trouble and after is not None else None,
        "n": n if judged else 0,
        "effective_n": float(n),
        "baseline": before if judged else None,
        "effect": after - before if trouble and after is not None and before is not None else None,
        "effect_low": None,
        "effect_high": None,
        "detail": found,
    }
    with store.write() as connection:
        store.upsert(connection, tables.Verdict, [row])


def write_profile(
    store: Store, day: int, signal: str, segment: Segment, profile: Profile, project: str = "default"
) -> None:
    """Writes the profile of one stream on one day."""
    start = START + day * DAY
    row = profile_row(store.project(project, to_microseconds(start)), segment, signal, BlockLength.DAY, start, profile)
    with store.write() as connection:
        store.upsert(connection, tables.Profile, [row])


def flags(share: float, n: int) -> Profile:
    """The profile of a flag that is set on a share of n calls, each by a user of its own."""
    true = round(share * n)
    return Profile.of(Kind.FLAG, [[number < true] for number in range(n)])


def numbers(mean: float, n: int) -> Profile:
    """The profile of a number that is the same on all of n calls."""
    return Profile.of(Kind.NUMBER, [[mean] for _ in range(n)])


def appear(store: Store, dimension: str, value: str, moment: datetime, project: str = "default") -> None:
    """Says when a segment was first seen."""
    row = {
        "project_id": store.project(project, to_microseconds(moment)),
        "dimension": dimension,
        "value": value,
        "first_seen": to_microseconds(moment),
        "last_seen": to_microseconds(moment),
    }
    with store.write() as connection:
        store.upsert(connection, tables.Segment, [row])

"""Scans closed weeks: reads the calls of a week hour by hour, compares, and stores one document a week."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import select

from monitor import tables
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.contracts import WHOLE
from monitor.fairness.mentions import NOBODY, SEVERAL, read_mentions
from monitor.fairness.scan import STRATA, compare_all, is_compared, with_pairs
from monitor.fairness.values import UserValues, values_of
from monitor.profiles.calls import read_calls
from monitor.profiles.segments import dimension_values
from monitor.queries.fairness import MENTIONED, Scan, calls_between, is_scanned, newest_call, users_below
from monitor.queries.samples import bodies, sampled_calls
from monitor.records import Span
from monitor.settings import Settings
from monitor.signals import registry
from monitor.store import Store, table_of

WEEK = timedelta(days=7)
SETTLES = timedelta(hours=1)
MOST_CALLS = 300_000
"""Of a week with more calls only a part of the users is read, by a hash of the pseudonym: whole users, never parts."""
MOST_TEXTS = 5_000
_HOUR = timedelta(hours=1)
_PROJECT = table_of(tables.Project)


def scan_due(store: Store, settings: Settings, now: datetime) -> int:
    """Scans, for each project, the newest closed week with calls that has no scan yet; answers how many those were."""
    with store.read() as connection:
        projects = list(connection.execute(select(_PROJECT.c.id).order_by(_PROJECT.c.id)).scalars())
    done = 0
    for project_id in projects:
        newest = newest_call(store, project_id)
        if newest is None:
            continue
        start = week_start(min(now - SETTLES, newest + WEEK)) - WEEK
        if not is_scanned(store, project_id, start):
            save(store, project_id, scan_range(store, settings, project_id, start=start, end=start + WEEK, now=now))
            done += 1
    return done


def week_start(moment: datetime) -> datetime:
    """The Monday, 00:00 UTC, of a moment's week."""
    day = block_start(moment, BlockLength.DAY)
    return day - timedelta(days=day.weekday())


def save(store: Store, project_id: int, scan: Scan) -> None:
    """Stores a scan; one of the same week is replaced."""
    row = {
        "project_id": project_id,
        "start": to_microseconds(scan.start),
        "made": to_microseconds(scan.made),
        "data": msgspec.to_builtins(scan),
    }
    with store.write() as connection:
        store.upsert(connection, tables.FairnessScan, [row])


def scan_range(
    store: Store, settings: Settings, project_id: int, *, start: datetime, end: datetime, now: datetime
) -> Scan:
    """Compares all groups, and what prompts mention, over the calls that began in [start, end)."""
    values, share = _read(store, settings, project_id, start, end)
    compared, questions, hidden = compare_all(values, with_pairs(settings.group_dimensions))
    mentioned = _mentions(store, settings, project_id, start, end)
    about, asked, small = compare_all(mentioned, [MENTIONED])
    about = [item for item in about if item.group not in (NOBODY, SEVERAL)]
    return Scan(
        start=start,
        end=end,
        made=now,
        calls=values.calls,
        users=values.users,
        share=share,
        questions=questions + asked,
        hidden=hidden | small,
        compared=[*compared, *about],
    )


def _read(
    store: Store, settings: Settings, project_id: int, start: datetime, end: datetime
) -> tuple[UserValues, float]:
    parts = [part for dimension in settings.group_dimensions for part in dimension.split("+")]
    values = UserValues(tuple(dict.fromkeys((*parts, *STRATA))))
    calls = calls_between(store, project_id, start, end)
    share = min(1.0, MOST_CALLS / calls) if calls else 1.0
    condition = users_below(share) if share < 1 else None
    known: dict[str, set[str]] = {name: set() for name in values.dimensions}
    hour = start
    while hour < end:
        with store.read() as connection:
            found = read_calls(
                connection,
                project_id,
                hour,
                hour + _HOUR,
                dimensions=values.dimensions,
                known=known,
                condition=condition,
            ).calls
        for call in found:
            own = {segment.dimension: segment.value for segment in call.segments}
            values.add(
                call.user,
                tuple(own.get(name) for name in values.dimensions),
                values_of(call.signals, call.feedback),
            )
        hour += _HOUR
    return values, share


def _mentions(store: Store, settings: Settings, project_id: int, start: datetime, end: datetime) -> UserValues:
    """Values by what the prompts of a sample mention; a user counts once for each."""
    mentions = read_mentions(settings.mention_terms)
    values = UserValues((MENTIONED, *STRATA))
    calls = sampled_calls(
        store,
        project_id,
        start,
        end,
        segment=WHOLE,
        signal="calls",
        keep={"language", *(name for name, signal in registry().items() if is_compared(signal))},
        limit=MOST_TEXTS,
        seed=to_microseconds(start),
    )
    for call, body in zip(calls, bodies(store, project_id, [call.id for call in calls]), strict=True):
        text = Span(trace_id="", span_id="", time=start, prompt=body.prompt).prompt_text
        if not text:
            continue
        named = mentions.of(text)
        language = call.signals.get("language")
        layers = dimension_values(call.columns, language if isinstance(language, str) else None, call.tags, STRATA)
        values.add(call.user + named.encode(), (named, *layers), values_of(call.signals, ()))
    return values

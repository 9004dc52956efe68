"""Moves the alerts of one project by its new verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, func, or_, select, tuple_

from monitor import tables
from monitor.alerts.rules import Move, Phase, Reason, Standing, move, rule_of, severity
from monitor.alerts.telling import worst
from monitor.clock import BlockLength, to_microseconds
from monitor.contracts import Indicator, Kind
from monitor.identifiers import new_id
from monitor.queries.alerts import SEVERITIES
from monitor.signals import COUNTED, FEEDBACK_PREFIX, describe, registry
from monitor.stats.budget import FAST
from monitor.store import Store, table_of

Stream = tuple[str, str, str, str]
"""Indicator, signal, dimension and value."""

_verdict = table_of(tables.Verdict)
_alert = table_of(tables.Alert)
_profile = table_of(tables.Profile)
_value = table_of(tables.Value)
_STREAM = (_verdict.c.indicator, _verdict.c.signal, _verdict.c.dimension, _verdict.c.value)
_READ_AT_ONCE = 2000


class Mark(msgspec.Struct, frozen=True):
    """How far verdicts were read: all computed up to this moment, so many of them in that very microsecond.

    The number finds those that another process was still writing when the last ones were read.
    """

    computed: int = -1
    number: int = 0


@dataclass
class Work:
    """The alerts of a project in memory while they move. `rows` holds the newest alert of each stream, as its row."""

    project_id: int
    now: datetime
    pack: Mapping[str, Indicator]
    rows: dict[Stream, dict[str, Any]] = field(default_factory=dict)
    moved: dict[int, dict[str, Any]] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    kinds: dict[str, Kind] = field(default_factory=dict)
    transitions: int = 0


def lock_mark(connection: Connection, store: Store, project_id: int) -> Mark:
    """The mark of a project; until the transaction ends no other process gets past this line for the project."""
    name = _mark_name(project_id)
    empty = msgspec.json.encode(Mark()).decode()
    store.insert_new(connection, tables.Value, [{"name": name, "data": empty}])
    data = connection.execute(select(_value.c.data).where(_value.c.name == name).with_for_update()).scalar_one()
    return msgspec.json.decode(data, type=Mark)


def newest(connection: Connection, project_id: int, mark: Mark) -> Mark | None:
    """The mark after all verdicts that are there now; None where there is nothing new."""
    computed = connection.execute(
        select(func.max(_verdict.c.computed)).where(
            _verdict.c.project_id == project_id, _verdict.c.computed >= mark.computed
        )
    ).scalar_one()
    if computed is None:
        return None
    number = connection.execute(
        select(func.count()).where(_verdict.c.project_id == project_id, _verdict.c.computed == computed)
    ).scalar_one()
    reached = Mark(computed, number)
    return None if reached == mark else reached


def save_mark(connection: Connection, project_id: int, mark: Mark) -> None:
    """Says that all verdicts up to the mark have been taken into account."""
    connection.execute(
        _value.update().where(_value.c.name == _mark_name(project_id)).values(data=msgspec.json.encode(mark).decode())
    )


def move_alerts(connection: Connection, work: Work, mark: Mark, reached: Mark) -> None:
    """Takes the verdicts after `mark`, up to `reached`, into account, in order of window and computation."""
    load(connection, work, mark)
    for verdict in _verdicts(connection, work, mark, reached):
        _take(connection, work, verdict)


def _mark_name(project_id: int) -> str:
    return f"alerts.mark.{project_id}"


def load(connection: Connection, work: Work, mark: Mark) -> None:
    """Reads the newest alert of each stream that is open, or moved with the newest verdicts."""
    # Alerts resolved by the newest verdicts are needed too: these verdicts may be read a second time.
    rows = connection.execute(
        select(_alert)
        .where(
            _alert.c.project_id == work.project_id,
            or_(_alert.c.state.in_([Phase.PENDING, Phase.FIRING]), _alert.c.changed >= mark.computed),
        )
        .order_by(_alert.c.opened, _alert.c.id)
    ).mappings()
    for row in rows:
        work.rows[row["indicator"], row["signal"], row["dimension"], row["value"]] = dict(row)


def _verdicts(connection: Connection, work: Work, mark: Mark, reached: Mark) -> Iterator[RowMapping]:
    new = (
        _verdict.c.project_id == work.project_id,
        _verdict.c.computed >= mark.computed,
        _verdict.c.computed <= reached.computed,
    )
    states = {state for indicator in work.pack.values() for state in rule_of(indicator).states}
    states |= set(rule_of(None).states)
    troubled = {tuple(row) for row in connection.execute(select(*_STREAM).where(*new, _verdict.c.state.in_(states)))}
    wanted = sorted(troubled | set(work.rows))
    found: list[RowMapping] = []
    for start in range(0, len(wanted), 200):
        found += (
            connection.execute(select(_verdict).where(*new, tuple_(*_STREAM).in_(wanted[start : start + 200])))
            .mappings()
            .all()
        )
    yield from sorted(found, key=lambda row: (row["start"], row["computed"]))


def _take(connection: Connection, work: Work, verdict: RowMapping) -> None:
    stream: Stream = (verdict["indicator"], verdict["signal"], verdict["dimension"], verdict["value"])
    row = work.rows.get(stream)
    last = (row["detail"] or {}).get("start", -1) if row else -1
    if row and verdict["start"] < last:
        return
    indicator = work.pack.get(stream[0])
    rule = rule_of(indicator)
    if row and verdict["start"] == last:
        if row["state"] in (Phase.PENDING, Phase.FIRING) and verdict["state"] not in ("no_data", "too_few"):
            _refresh(connection, work, row, verdict, kept="")
        return
    standing = Standing(Phase(row["state"]), row["streak"]) if row else Standing()
    step = move(standing, verdict["state"], rule)
    if standing.phase is Phase.FIRING and (verdict["detail"] or {}).get("over"):
        step = Move(Phase.RESOLVED, 0, Reason.RESOLVED)
    if step.phase in (Phase.PENDING, Phase.FIRING) and standing.phase in (Phase.QUIET, Phase.RESOLVED):
        row = _opened(work, stream, verdict)
        work.rows[stream] = row
    if row is None or standing.phase is step.phase is Phase.RESOLVED:
        return
    if step.phase is not standing.phase:
        work.transitions += 1
    _apply(connection, work, row, verdict, step)
    if step.phase is Phase.QUIET:
        work.dropped.add(row["id"])
        del work.rows[stream]


def _opened(work: Work, stream: Stream, verdict: RowMapping) -> dict[str, Any]:
    indicator, signal, dimension, value = stream
    return {
        "project_id": work.project_id,
        "id": new_id(work.now),
        "incident_id": None,
        "indicator": indicator,
        "signal": signal,
        "dimension": dimension,
        "value": value,
        "state": str(Phase.PENDING),
        "severity": "notice",
        "since": verdict["window_start"],
        "opened": to_microseconds(work.now),
        "changed": verdict["computed"],
        "resolved": None,
        "marked_false": None,
        "marked_by": None,
        "streak": 0,
        "detail": {},
    }


def _apply(connection: Connection, work: Work, row: dict[str, Any], verdict: RowMapping, step: Move) -> None:
    kept = str(step.reason) if step.reason in (Reason.NO_DATA, Reason.TOO_FEW) else ""
    row["state"] = str(step.phase)
    row["streak"] = step.streak
    if step.phase is Phase.RESOLVED:
        row["resolved"] = to_microseconds(work.now)
    _refresh(connection, work, row, verdict, kept)


def _refresh(connection: Connection, work: Work, row: dict[str, Any], verdict: RowMapping, kept: str) -> None:
    """Writes the newest figures into an alert.

    Those of the trouble itself come from windows in trouble, and from all calls since the change where the verdict has
    them; a calm window only says how things are now, and one that could not be judged leaves them and says so.
    """
    indicator = work.pack.get(row["indicator"])
    rule = rule_of(indicator)
    said = verdict["detail"] or {}
    kind = _kind(connection, work, row["signal"])
    if "interval" in said and kind is Kind.FLAG:
        kind = Kind.NUMBER  # judged against a forecast: the value is how many calls, not which share
    detail = dict(row["detail"] or {}) | {"start": verdict["start"], "end": verdict["end"], "kept": kept}
    row["changed"] = verdict["computed"]
    if verdict["state"] in rule.states:
        detail |= _figures(verdict) | {
            "kind": str(kind),
            "title": indicator.title if indicator else "",
            "against": indicator.against if indicator else "past",
            "notify": rule.notify,
            "window_start": verdict["window_start"],
        }
        found = severity(verdict["state"], describe(row["signal"], kind), detail["before"], detail["after"])
        if said.get("statistic"):
            found = min(found, "serious", key=SEVERITIES.index)  # only the tail changed: most calls are as they were
        row["severity"] = worst((row["severity"], found))
        if said.get("since"):
            row["since"] = _dated(row["since"], detail.get("lane"), said)
        if said.get("lane"):
            detail |= {name: said[name] for name in ("lane", "evidence", "threshold")}
    if verdict["state"] != "ok" and kind is not Kind.CATEGORY:
        detail |= _since_change(said)
    if not kept:
        detail["now"] = verdict["number"]
    row["detail"] = detail
    work.moved[row["id"]] = row


def _dated(before: int, lane: str | None, said: Mapping[str, Any]) -> int:
    """When the trouble began: what was dated to the hour stays so where the days say the same day."""
    since = to_microseconds(datetime.fromisoformat(said["since"]))
    day = BlockLength.DAY.duration // timedelta(microseconds=1)
    is_finer = lane == FAST and said.get("lane") != FAST and since <= before < since + day
    return before if is_finer else since


def _figures(verdict: RowMapping) -> dict[str, Any]:
    said = verdict["detail"] or {}
    return (
        {
            "reason": verdict["reason"],
            "before": verdict["baseline"],
            "after": verdict["number"],
            "low": verdict["low"],
            "high": verdict["high"],
            "n": verdict["n"],
            "effective_n": verdict["effective_n"],
            "effect": verdict["effect"],
            "effect_low": verdict["effect_low"],
            "effect_high": verdict["effect_high"],
        }
        | {name: said[name] for name in ("categories", "distances", "interval") if name in said}
        | {"statistic": said.get("statistic"), "per": said.get("per")}
    )


def _since_change(said: Mapping[str, Any]) -> dict[str, Any]:
    since_change = said.get("since_change") or {}
    names = {"value": "after", "low": "low", "high": "high", "n": "n"}
    return {name: since_change[given] for given, name in names.items() if since_change.get(given) is not None}


def _kind(connection: Connection, work: Work, signal: str) -> Kind:
    """The kind of a stored signal: as declared, or for feedback as its profiles have it."""
    if signal not in work.kinds:
        declared = COUNTED.get(signal) or registry().get(signal)
        kind = declared.kind if declared is not None else Kind.NUMBER
        if signal.startswith(FEEDBACK_PREFIX):
            stored = connection.execute(
                select(_profile.c.kind)
                .where(_profile.c.project_id == work.project_id, _profile.c.length == "day")
                .where(_profile.c.dimension == "", _profile.c.value == "", _profile.c.signal == signal)
                .limit(1)
            ).scalar_one_or_none()
            kind = Kind(stored) if stored else Kind.FLAG
        work.kinds[signal] = kind
    return work.kinds[signal]

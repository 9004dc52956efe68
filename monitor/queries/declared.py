"""Times that people declare: incidents and holidays that say nothing of what is usual, and new beginnings.

=========  ========================================================================================================
kind       meaning
=========  ========================================================================================================
incident   in [start, until) nothing is judged, and nothing of it teaches a baseline
holiday    nothing of it teaches a baseline; how many calls there are and what they cost is not judged, all else is
cut        what is usual begins anew at `start`: a change that somebody accepts as the new normal
=========  ========================================================================================================

A cut is of a segment (of all streams where it names none), or of the streams of an incident, each from the beginning of
its own alert. What was taken back stays in the table, with the time when it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from monitor import tables, wording
from monitor.clock import from_microseconds, to_microseconds
from monitor.contracts import WHOLE, Segment
from monitor.errors import InputError, NotFound
from monitor.identifiers import new_id
from monitor.store import Store, table_of

DeclaredKind = Literal["incident", "holiday", "cut"]

LONGEST = timedelta(days=31)
"""Nobody means to leave out more in one piece: it would leave the baselines without a past."""

NEAR_CUT = timedelta(days=1)
"""An alert that begins at most so long after a cut is about what the cut accepts: beginnings are estimates."""

NEAR_INCIDENT = timedelta(weeks=8)
"""As far back what is usual reaches."""

MOST_TOLD = 3
MAX_REASON = 200

_DECLARED = table_of(tables.DeclaredTime)
_INCIDENT = table_of(tables.Incident)


@dataclass(frozen=True)
class DeclaredTime:
    """What somebody declared; `until` is None for a cut, `incident_id` names the incident whose level was accepted."""

    id: int
    kind: DeclaredKind
    start: datetime
    until: datetime | None
    reason: str
    segment: Segment
    incident_id: int | None
    made: datetime
    made_by: str

    @property
    def told(self) -> str:
        """In words: "14 Oct 2023, 08:00 UTC, for 3 hours: load test"."""
        if self.until is None:
            return f"what is usual begins anew on {wording.moment_text(self.start)}: {self.reason}"
        length = wording.duration(self.until - self.start)
        return f"{wording.moment_text(self.start)}, for {length}: {self.reason}"

    def touches(self, start: datetime, end: datetime) -> bool:
        """True where a piece of [start, end) is declared, or begins anew."""
        return self.start < end and (self.until or self.start) >= start


def leave_out(
    store: Store,
    project_id: int,
    start: datetime,
    until: datetime,
    *,
    reason: str,
    by: str,
    now: datetime,
    holiday: bool = False,
) -> DeclaredTime:
    """Declares an incident or a holiday; one that is known already, with the same times and kind, is answered.

    Raises InputError where the time is empty or longer than 31 days, or nothing says why.
    """
    if until <= start:
        raise InputError("A time that is left out must end after it begins.")
    if until - start > LONGEST:
        raise InputError(f"At most {LONGEST.days} days can be left out in one piece.")
    _words(reason)
    kind: DeclaredKind = "holiday" if holiday else "incident"
    for known in declared(store, project_id):
        if (known.kind, known.start, known.until) == (kind, start, until):
            return known
    return _add(store, project_id, kind, start, reason=reason, by=by, now=now, until=until)


def begin_anew(
    store: Store, project_id: int, moment: datetime, *, reason: str, by: str, now: datetime, segment: Segment = WHOLE
) -> DeclaredTime:
    """Declares that what is usual in a segment (everywhere where it is the whole) begins anew at a moment.

    Raises InputError for a moment to come, or where nothing says why.
    """
    if moment > now:
        raise InputError("What is usual can begin anew now or in the past; what is to come has taught nothing yet.")
    return _add(store, project_id, "cut", moment, reason=reason, by=by, now=now, segment=segment)


def accept(store: Store, project_id: int, incident_id: int, *, reason: str, by: str, now: datetime) -> DeclaredTime:
    """Declares the level of an incident normal: its streams begin anew where its alerts began.

    Accepted once is enough: a second time answers the first. Raises NotFound where there is no such incident.
    """
    known = next((one for one in declared(store, project_id) if one.incident_id == incident_id), None)
    if known is not None:
        return known
    of_incident = (_INCIDENT.c.project_id == project_id, _INCIDENT.c.id == incident_id)
    with store.read() as connection:
        since = connection.execute(select(_INCIDENT.c.since).where(*of_incident)).scalar()
    if since is None:
        raise NotFound(f"There is no incident {incident_id} in this project.")
    start = from_microseconds(since)
    return _add(store, project_id, "cut", start, reason=reason, by=by, now=now, incident_id=incident_id)


def take_back(store: Store, project_id: int, declared_id: int, now: datetime) -> DeclaredTime:
    """Takes a declaration back. Raises NotFound where there is none with this id."""
    found = next((one for one in declared(store, project_id) if one.id == declared_id), None)
    if found is None:
        raise NotFound(f"Nothing declared has the id {declared_id} in this project.")
    with store.write() as connection:
        connection.execute(
            _DECLARED.update()
            .where(_DECLARED.c.project_id == project_id, _DECLARED.c.id == declared_id)
            .values(removed=to_microseconds(now))
        )
    return found


def declared(store: Store, project_id: int) -> list[DeclaredTime]:
    """All that is declared and was not taken back, the latest first."""
    with store.read() as connection:
        return read_declared(connection, project_id)


def read_declared(connection: Connection, project_id: int) -> list[DeclaredTime]:
    """The same, within a transaction."""
    rows = connection.execute(
        select(_DECLARED)
        .where(_DECLARED.c.project_id == project_id, _DECLARED.c.removed.is_(None))
        .order_by(_DECLARED.c.start.desc(), _DECLARED.c.id.desc())
    )
    return [_record(row) for row in rows]


def told_near(store: Store, project_id: int, segments: Sequence[Segment], since: datetime) -> str:
    """What is declared for these segments of the time that an incident is compared with, and of its own, the latest
    first, in words; empty where nothing is."""
    known = declared(store, project_id)
    about = {one.id for segment in segments for one in of_stream(known, segment)}
    found = [one for one in known if one.id in about and (one.until or one.start) >= since - NEAR_INCIDENT]
    more = f"; and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    return "; ".join(one.told for one in found[:MOST_TOLD]) + more


def changed(store: Store, project_id: int) -> datetime | None:
    """When something was last declared or taken back; None where nothing ever was."""
    statement = select(func.max(_DECLARED.c.made), func.max(_DECLARED.c.removed)).where(
        _DECLARED.c.project_id == project_id
    )
    with store.read() as connection:
        moments = [moment for moment in connection.execute(statement).one() if moment is not None]
    return from_microseconds(max(moments)) if moments else None


def of_stream(known: Sequence[DeclaredTime], segment: Segment) -> list[DeclaredTime]:
    """What concerns the streams of a segment; cuts by accepted incidents are told at their alerts."""
    own = [one for one in known if one.incident_id is None]
    return [one for one in own if one.kind != "cut" or one.segment.holds(segment)]


def _add(
    store: Store,
    project_id: int,
    kind: DeclaredKind,
    start: datetime,
    *,
    reason: str,
    by: str,
    now: datetime,
    until: datetime | None = None,
    segment: Segment = WHOLE,
    incident_id: int | None = None,
) -> DeclaredTime:
    words = _words(reason)
    number = new_id(now)
    row = {
        "project_id": project_id,
        "id": number,
        "kind": kind,
        "start": to_microseconds(start),
        "until": None if until is None else to_microseconds(until),
        "reason": words,
        "dimension": segment.dimension,
        "value": segment.value,
        "incident_id": incident_id,
        "made": to_microseconds(now),
        "made_by": by,
        "removed": None,
    }
    with store.write() as connection:
        connection.execute(_DECLARED.insert().values(row))
    return DeclaredTime(number, kind, start, until, words, segment, incident_id, now, by)


def _words(reason: str) -> str:
    """The reason on one line; raises InputError where it is empty or too long."""
    words = " ".join(reason.split())
    if not words:
        raise InputError("Say why: people who look at the baselines later will ask.")
    if len(words) > MAX_REASON:
        raise InputError(f"The reason has more than {MAX_REASON} characters.")
    return words


def _record(row: Any) -> DeclaredTime:
    return DeclaredTime(
        id=row.id,
        kind=row.kind,
        start=from_microseconds(row.start),
        until=None if row.until is None else from_microseconds(row.until),
        reason=row.reason,
        segment=Segment(row.dimension, row.value),
        incident_id=row.incident_id,
        made=from_microseconds(row.made),
        made_by=row.made_by,
    )

"""What redaction took out of the newest calls, by kind: the counts that each call carries, added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from monitor.contracts import WHOLE, Segment
from monitor.identifiers import id_floor, id_time
from monitor.queries.conditions import SPAN, CallFilter, where
from monitor.store import Store

LOOKED_AT = 5_000
"""The newest spans of the range that are looked at."""


@dataclass(frozen=True)
class Masked:
    """How often each kind was masked, in how many calls, among the newest `looked_at` spans back to `since`.

    `complete` where those are all spans of the range.
    """

    kinds: Mapping[str, int]
    calls: int
    looked_at: int
    since: datetime
    complete: bool


def masked_lately(store: Store, project_id: int, start: datetime, end: datetime, *, segment: Segment = WHOLE) -> Masked:
    """The counts for the newest calls of a segment that begin in [start, end)."""
    inside = (SPAN.c.project_id == project_id, SPAN.c.id >= id_floor(start), SPAN.c.id < id_floor(end))
    newest = select(SPAN.c.id).where(*inside).order_by(SPAN.c.id.desc())
    condition = where(store, project_id, CallFilter(segment=segment)).clauses
    with store.read() as connection:
        edge = connection.execute(newest.offset(LOOKED_AT - 1).limit(1)).scalar()
        low = id_floor(start) if edge is None else edge
        statement = select(SPAN.c.masked).where(*inside, SPAN.c.id >= low, SPAN.c.masked.is_not(None), *condition)
        found = [masked for masked in connection.execute(statement).scalars() if masked]
        looked_at = LOOKED_AT if edge is not None else len(connection.execute(newest.limit(LOOKED_AT)).all())
    kinds: Counter[str] = Counter()
    for masked in found:
        kinds.update(masked)
    return Masked(
        dict(kinds.most_common()), len(found), looked_at, start if edge is None else id_time(edge), edge is None
    )

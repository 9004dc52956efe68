"""What alerts and people said of each stream: what may teach its baseline, and what is judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select

from monitor import tables
from monitor.clock import BlockLength, block_start, from_microseconds
from monitor.contracts import Segment
from monitor.detectors.verdicts import AlertStream
from monitor.queries.declared import NEAR_CUT, DeclaredTime, declared, of_stream
from monitor.stats.windows import HEALTHY, Standing
from monitor.store import Store, table_of

_ALERT = table_of(tables.Alert)


@dataclass
class Standings:
    """The standing of every stream, in blocks of one length. `amounts` are the indicators of calls and money, which
    holidays are not judged for."""

    length: BlockLength
    by_alerts: Mapping[AlertStream, Standing] = field(default_factory=dict)
    known: Sequence[DeclaredTime] = ()
    accepted: Mapping[AlertStream, tuple[datetime, datetime]] = field(default_factory=dict)
    amounts: Collection[str] = ()
    _made: dict[AlertStream, Standing] = field(default_factory=dict)

    def of(self, stream: AlertStream) -> Standing:
        """The standing of a stream."""
        if not self.known:
            return self.by_alerts.get(stream, HEALTHY)
        if stream not in self._made:
            self._made[stream] = self._with_declared(stream, self.by_alerts.get(stream, HEALTHY))
        return self._made[stream]

    def _with_declared(self, stream: AlertStream, standing: Standing) -> Standing:
        said = of_stream(self.known, Segment(*stream[2:]))
        cuts = [(one.start, one.made) for one in said if one.kind == "cut"]
        cuts += [self.accepted[stream]] if stream in self.accepted else []
        cut, accepted = max(cuts, default=(None, None))
        left_out = {
            kind: tuple(
                (block_start(one.start, self.length), one.until) for one in said if one.kind == kind and one.until
            )
            for kind in ("incident", "holiday")
        }
        if cut is not None:
            standing = _accepting(standing, cut)
        return replace(
            standing,
            left_out=left_out["incident"] + left_out["holiday"],
            unjudged=left_out["incident"] + (left_out["holiday"] if stream[0] in self.amounts else ()),
            cut=None if cut is None else _whole_block(cut, self.length),
            accepted=accepted,
        )


def standings(store: Store, project_id: int, length: BlockLength, amounts: Collection[str] = ()) -> Standings:
    """What alerts and people say of each stream: since when one is open, the times of trouble that are over, and what
    was declared.

    Times begin with the block (hour or day) in which a trouble began, since all of that block is touched by it.
    """
    statement = select(
        _ALERT.c.indicator,
        _ALERT.c.signal,
        _ALERT.c.dimension,
        _ALERT.c.value,
        _ALERT.c.state,
        _ALERT.c.since,
        _ALERT.c.resolved,
        _ALERT.c.incident_id,
    ).where(_ALERT.c.project_id == project_id)
    known = declared(store, project_id)
    by_incident = {one.incident_id: one.made for one in known if one.incident_id is not None}
    found: dict[AlertStream, Standing] = {}
    accepted: dict[AlertStream, tuple[datetime, datetime]] = {}
    with store.read() as connection:
        for row in connection.execute(statement):
            key = (row.indicator, row.signal, row.dimension, row.value)
            standing = found.get(key, HEALTHY)
            since = from_microseconds(row.since)
            begun = block_start(since, length)
            if row.incident_id in by_incident and row.state != "pending":
                accepted[key] = max(accepted.get(key, (since, since)), (since, by_incident[row.incident_id]))
            elif row.state == "firing":
                found[key] = replace(standing, open_since=begun)
            elif row.resolved is not None:
                over = from_microseconds(row.resolved)
                found[key] = replace(standing, troubled=(*standing.troubled, (begun, over)))
    return Standings(length, found, known, accepted, amounts)


def _accepting(standing: Standing, cut: datetime) -> Standing:
    """Without the trouble that began before the cut, or so soon after it that it is what somebody accepts."""
    near = cut + NEAR_CUT
    is_open = standing.open_since is not None and standing.open_since >= near
    troubled = tuple((begun, over if begun >= near else min(over, cut)) for begun, over in standing.troubled)
    return replace(standing, open_since=standing.open_since if is_open else None, troubled=troubled)


def _whole_block(moment: datetime, length: BlockLength) -> datetime:
    """Where the first block begins that is all after a moment."""
    start = block_start(moment, length)
    return start if start == moment else start + length.duration

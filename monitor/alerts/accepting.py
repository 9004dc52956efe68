"""Closes the alerts whose level somebody accepted as the new normal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.alerts.rules import Phase
from monitor.alerts.streams import Work
from monitor.clock import from_microseconds, to_microseconds
from monitor.contracts import Segment
from monitor.queries.declared import NEAR_CUT, DeclaredTime


def close_accepted(work: Work, cuts: Sequence[DeclaredTime]) -> None:
    """Resolves the open alerts that a cut accepts, and drops those that have not fired yet."""
    for stream, row in list(work.rows.items()):
        if row["state"] not in (Phase.PENDING, Phase.FIRING):
            continue
        cut = next((one for one in cuts if _accepts(one, row)), None)
        if cut is None:
            continue
        work.moved[row["id"]] = row
        work.transitions += 1
        if row["state"] == Phase.PENDING:
            work.dropped.add(row["id"])
            del work.rows[stream]
            continue
        row |= {"state": str(Phase.RESOLVED), "resolved": to_microseconds(work.now), "streak": 0}
        accepted = {"reason": cut.reason, "by": cut.made_by, "made": cut.made.isoformat()}
        row["detail"] = dict(row["detail"] or {}) | {"accepted": accepted, "kept": ""}


def _accepts(cut: DeclaredTime, row: Mapping[str, Any]) -> bool:
    if cut.incident_id is not None:
        return bool(cut.incident_id == row["incident_id"])
    is_about = cut.segment.holds(Segment(row["dimension"], row["value"])) and row["signal"] != ""
    return is_about and from_microseconds(row["since"]) < cut.start + NEAR_CUT

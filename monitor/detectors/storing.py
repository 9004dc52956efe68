"""Detectors, and what lanes spend of the alarm budget, in the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

from sqlalchemy import Connection, bindparam, delete, select

from monitor import tables
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.contracts import Segment
from monitor.detectors.amount_memory import AmountDetector, parsed_rings, parsed_usual
from monitor.detectors.memory import Detector, parsed_baseline, parsed_state
from monitor.stats.budget import FAST, LOOKS_AN_HOUR
from monitor.store import Store, table_of

_DETECTOR = table_of(tables.Detector)
_ALLOWANCE = table_of(tables.Allowance)
_KEY = ("indicator", "signal", "dimension", "value")
_CHANGED = ("reached", "blocks", "evidence", "state")


Form = Literal["share", "amount"]
"""What a detector reads: shares and scores of users, or how much there is of something."""


class Stored(Protocol):
    """What a row of the table holds of a detector of either form."""

    started: int
    fitted: int
    blocks: int
    level: float
    evidence: float

    @property
    def stream(self) -> tuple[str, str, str, str]: ...
    @property
    def threshold(self) -> float: ...
    def state(self) -> bytes: ...
    def baseline(self) -> bytes: ...


def read_amounts(store: Store, project_id: int) -> list[AmountDetector]:
    """The detectors of amounts of a project, in order of their streams."""
    found: list[AmountDetector] = []
    statement = select(_DETECTOR).where(_DETECTOR.c.project_id == project_id, _DETECTOR.c.form == "amount")
    with store.read() as connection:
        for row in connection.execute(statement.order_by(_DETECTOR.c.indicator, _DETECTOR.c.signal)):
            rings, trouble = parsed_rings(row.state)
            found.append(
                AmountDetector(
                    indicator=row.indicator,
                    signal=row.signal,
                    usual=parsed_usual(row.baseline),
                    level=row.level,
                    started=row.started,
                    fitted=row.fitted,
                    blocks=row.blocks,
                    evidence=row.evidence,
                    rings=rings,
                    trouble=trouble,
                )
            )
    return found


def read_detectors(store: Store, project_id: int) -> list[Detector]:
    """The detectors of shares and scores of a project, in order of their streams."""
    found: list[Detector] = []
    statement = select(_DETECTOR).where(_DETECTOR.c.project_id == project_id, _DETECTOR.c.form == "share")
    with store.read() as connection:
        for row in connection.execute(statement.order_by(*(_DETECTOR.c[name] for name in _KEY))):
            scale, baselines = parsed_baseline(row.baseline)
            rings, trouble = parsed_state(row.state)
            found.append(
                Detector(
                    indicator=row.indicator,
                    signal=row.signal,
                    segment=Segment(row.dimension, row.value),
                    scale=scale,
                    baselines=baselines,
                    level=row.level,
                    started=row.started,
                    fitted=row.fitted,
                    blocks=row.blocks,
                    evidence=row.evidence,
                    rings=rings,
                    trouble=trouble,
                )
            )
    return found


def replace_detectors(
    store: Store, project_id: int, detectors: Sequence[Stored], reached: datetime, form: Form = "share"
) -> None:
    """Puts these in place of all of this form that a project has."""
    rows = [
        {
            "project_id": project_id,
            **dict(zip(_KEY, detector.stream, strict=True)),
            "started": detector.started,
            "fitted": detector.fitted,
            "level": detector.level,
            "threshold": detector.threshold,
            "baseline": detector.baseline(),
            "form": form,
            **_changes(detector, reached),
        }
        for detector in detectors
    ]
    with store.write() as connection:
        connection.execute(delete(_DETECTOR).where(_DETECTOR.c.project_id == project_id, _DETECTOR.c.form == form))
        store.insert(connection, tables.Detector, rows)


def save_hours(store: Store, project_id: int, detectors: Sequence[Stored], reached: datetime, hours: int) -> None:
    """Writes the states after so many hours, the newest `reached`, and what the looks at them may have cost."""
    statement = _DETECTOR.update().where(
        _DETECTOR.c.project_id == project_id, *(_DETECTOR.c[name] == bindparam(f"of_{name}") for name in _KEY)
    )
    rows = [
        {f"of_{name}": part for name, part in zip(_KEY, detector.stream, strict=True)}
        | {f"new_{name}": changed for name, changed in _changes(detector, reached).items()}
        for detector in detectors
    ]
    looks = len(detectors) * hours * LOOKS_AN_HOUR
    cost = sum(detector.level for detector in detectors) * hours * LOOKS_AN_HOUR
    with store.write() as connection:
        connection.execute(statement.values({name: bindparam(f"new_{name}") for name in _CHANGED}), rows)
        spend(store, connection, project_id, lane=FAST, moment=reached, looks=looks, cost=cost)


def spend(
    store: Store, connection: Connection, project_id: int, *, lane: str, moment: datetime, looks: int, cost: float
) -> None:
    """Adds judgements of a lane, and the false alarms they may cost, to the ledger of the day of `moment`."""
    row = {
        "project_id": project_id,
        "lane": lane,
        "day": to_microseconds(block_start(moment, BlockLength.DAY)),
        "looks": looks,
        "spent": cost,
    }
    statement = store.insert_statement(tables.Allowance)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["project_id", "lane", "day"],
            set_={
                "looks": _ALLOWANCE.c.looks + statement.excluded.looks,
                "spent": _ALLOWANCE.c.spent + statement.excluded.spent,
            },
        ),
        row,
    )


def _changes(detector: Stored, reached: datetime) -> dict[str, object]:
    return {
        "reached": to_microseconds(reached),
        "blocks": detector.blocks,
        "evidence": detector.evidence,
        "state": detector.state(),
    }

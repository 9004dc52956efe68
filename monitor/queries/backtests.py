"""Back-tests of a project's own history: what was asked for, how far it got, and what was found; one a project.

They are made by `monitor.hindsight`; here they are asked for and read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, select

from monitor import tables
from monitor.errors import Busy, InputError
from monitor.store import Store, table_of

MAX_WEEKS = 26
MAX_BUDGET = 1000.0
DEAD_AFTER = timedelta(minutes=5)
"""A run that was silent for so long has stopped."""

_VALUE = table_of(tables.Value)
_NAME = "backtest "

State = Literal["asked", "running", "done", "failed"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to replay: so many of the newest weeks, by closed days or hours, with a budget of false alarms a quarter."""

    weeks: int
    block: Literal["day", "hour"]
    budget: float


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a back-test stands. `result` is that of the newest one that ended well, `made` when; `beat` the last sign of
    life; `note` says why the newest one failed."""

    state: State
    wanted: Wanted
    asked: datetime
    beat: datetime
    done_days: int = 0
    days: int = 0
    note: str = ""
    made: datetime | None = None
    result: Mapping[str, Any] | None = None

    def is_under_way(self, now: datetime) -> bool:
        """True while it waits or runs, and gave a sign of life of late."""
        return self.state in ("asked", "running") and now - self.beat < DEAD_AFTER


def checked(weeks: int, block: str, budget: float) -> Wanted:
    """What is wanted. Raises InputError for what cannot be replayed."""
    if not 1 <= weeks <= MAX_WEEKS:
        raise InputError(f"A back-test replays 1 to {MAX_WEEKS} weeks.")
    if block not in ("day", "hour"):
        raise InputError("A block is a day or an hour.")
    if not 0 < budget <= MAX_BUDGET:
        raise InputError(f"The budget must be above 0 and at most {MAX_BUDGET:.0f} false alarms a quarter.")
    return Wanted(weeks=weeks, block="hour" if block == "hour" else "day", budget=budget)


def ask(store: Store, project_id: int, wanted: Wanted, now: datetime) -> Standing:
    """Asks for a back-test; the worker begins it. Raises Busy while one is under way."""
    with store.write() as connection:
        before = _read(connection, project_id)
        if before is not None and before.is_under_way(now):
            raise Busy("A back-test of this project is under way.", retry_after=60)
        standing = Standing(
            state="asked",
            wanted=wanted,
            asked=now,
            beat=now,
            made=before.made if before else None,
            result=before.result if before else None,
        )
        _write(store, connection, project_id, standing)
    return standing


def standing(store: Store, project_id: int) -> Standing | None:
    """How the back-test of a project stands; None where there never was one."""
    with store.read() as connection:
        return _read(connection, project_id)


def asked(store: Store) -> list[tuple[int, str]]:
    """Ids and names of the projects whose back-test waits to begin."""
    project = table_of(tables.Project)
    with store.read() as connection:
        names = {
            int(name.removeprefix(_NAME))
            for name, data in connection.execute(
                select(_VALUE.c.name, _VALUE.c.data).where(_VALUE.c.name.startswith(_NAME, autoescape=True))
            )
            if msgspec.json.decode(data, type=Standing).state == "asked"
        }
        rows = connection.execute(select(project.c.id, project.c.name).where(project.c.id.in_(names)))
        return [(row.id, row.name) for row in rows]


def change(store: Store, project_id: int, **changes: Any) -> None:
    """Changes fields of the standing of a project's back-test; nothing where there is none."""
    with store.write() as connection:
        before = _read(connection, project_id)
        if before is not None:
            _write(store, connection, project_id, msgspec.structs.replace(before, **changes))


def _read(connection: Connection, project_id: int) -> Standing | None:
    data = connection.execute(select(_VALUE.c.data).where(_VALUE.c.name == f"{_NAME}{project_id}")).scalar()
    return None if data is None else msgspec.json.decode(data, type=Standing)


def _write(store: Store, connection: Connection, project_id: int, standing: Standing) -> None:
    row = {"name": f"{_NAME}{project_id}", "data": msgspec.json.encode(standing).decode()}
    store.upsert(connection, tables.Value, [row])

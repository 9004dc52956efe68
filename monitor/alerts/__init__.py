"""Verdicts become alerts, alerts become incidents, incidents become mails; one incident is said once, and when over.

`update` moves alerts by the new verdicts and puts what is to be said into the outbox, in one transaction a project, so
that nothing is said twice or lost. `explain_alerts` says why. `summarise` adds the weekly summary. `deliver` sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select

from monitor import tables
from monitor.alerts import incidents, streams
from monitor.alerts.accepting import close_accepted
from monitor.alerts.explaining import HOLD, explain_alerts
from monitor.alerts.message import incident_notification
from monitor.alerts.outbox import deliver, enqueue, withdraw
from monitor.alerts.rules import default_pack
from monitor.alerts.view import Place
from monitor.alerts.weekly import summarise
from monitor.contracts import Indicator
from monitor.queries.declared import read_declared
from monitor.settings import Settings
from monitor.store import Store, table_of

__all__ = ["HOLD", "deliver", "explain_alerts", "summarise", "update"]

_project = table_of(tables.Project)


def update(
    store: Store,
    settings: Settings,
    now: datetime,
    pack: Mapping[str, Indicator] | None = None,
    *,
    hold: timedelta = timedelta(),
) -> int:
    """Takes all verdicts not seen yet into account; answers how many alerts changed their phase.

    `pack` gives the indicators with their rules; by default these are all that there are. What is said
    of new trouble waits for `hold` at most, so that `explain_alerts` can add to it.
    """
    pack = default_pack() if pack is None else pack
    with store.read() as connection:
        projects = connection.execute(select(_project.c.id, _project.c.name).order_by(_project.c.id)).all()
    return sum(
        _update_project(store, settings, project.id, project.name, now=now, pack=pack, hold=hold)
        for project in projects
    )


def _update_project(
    store: Store,
    settings: Settings,
    project_id: int,
    name: str,
    *,
    now: datetime,
    pack: Mapping[str, Indicator],
    hold: timedelta,
) -> int:
    with store.write() as connection:
        mark = streams.lock_mark(connection, store, project_id)
        reached = streams.newest(connection, project_id, mark)
        cuts = [one for one in read_declared(connection, project_id) if one.kind == "cut"]
        if reached is None and not cuts:
            return 0
        work = streams.Work(project_id, now, pack)
        if reached is None:
            streams.load(connection, work, mark)
        else:
            streams.move_alerts(connection, work, mark, reached)
        close_accepted(work, cuts)
        rows = [row for row in work.moved.values() if row["id"] not in work.dropped]
        touched = incidents.fold(connection, project_id, rows, now)
        incidents.save_alerts(connection, store, project_id, rows, work.dropped)
        unsaid = withdraw(connection, project_id, touched, now)
        for say, record in incidents.refresh(connection, project_id, touched, now, unsaid):
            notification = incident_notification(store, Place.of(settings, name), record, say, now)
            wait = timedelta() if say == "resolved" else hold
            enqueue(connection, store, settings, notification, project_id=project_id, incident_id=record.id, hold=wait)
        if reached is not None:
            streams.save_mark(connection, project_id, reached)
    return work.transitions

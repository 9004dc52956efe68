"""The outbox: what is to be said waits in the store until a channel has taken it.

A notification goes through `due`, `sending`, `delivered` or `failed`. A process claims one by a conditional update, so
that two processes never send the same. Where a process dies while it sends, the claim runs out and the notification is
sent again: told twice is better than never told.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, and_, or_, select

from monitor import tables
from monitor.clock import from_microseconds, to_microseconds
from monitor.contracts import Channel, Delivery, Notification, collect
from monitor.errors import describe
from monitor.identifiers import new_id
from monitor.settings import Settings
from monitor.store import Store, table_of

# Minutes until the next attempt after the first, second ... one that failed; the last is used again and again.
BACKOFF_MINUTES = (1, 5, 30, 120, 360)
GIVE_UP_AFTER = timedelta(days=1)
CLAIM = timedelta(minutes=10)
_AT_ONCE = 200
_JUST_SAID = timedelta(minutes=2)

_notification = table_of(tables.Notification)
_project = table_of(tables.Project)
_log = logging.getLogger(__name__)


def channels() -> dict[str, Channel]:
    """All channels there are, by name."""
    return collect(importlib.import_module("monitor.alerts.channels"), Channel)


def enqueue(
    connection: Connection,
    store: Store,
    settings: Settings,
    notification: Notification,
    *,
    project_id: int,
    incident_id: int | None,
    hold: timedelta = timedelta(),
) -> int:
    """Puts a notification into the outbox once for each configured channel; answers how many that is.

    With `hold` it waits that long to be written again (`release`), and goes out as it is if nobody does.
    """
    created = to_microseconds(notification.created)
    rows = [
        {
            "project_id": project_id,
            "id": new_id(notification.created),
            "incident_id": incident_id,
            "channel": channel.name,
            "kind": notification.kind,
            "key": notification.key,
            "subject": notification.subject,
            "text": notification.text,
            "html": notification.html,
            "data": dict(notification.data),
            "state": "due",
            "created": created,
            "due": to_microseconds(notification.created + hold),
            "attempts": 0,
            "delivered": None,
            "note": "",
        }
        for channel in channels().values()
        if channel.configured(settings)
    ]
    store.insert(connection, tables.Notification, rows)
    return len(rows)


@dataclass(frozen=True)
class Held:
    """A notification that waits for its explanation."""

    id: int
    kind: Literal["opened", "worse", "resolved"]
    created: datetime


def held(connection: Connection, project_id: int) -> dict[int, list[Held]]:
    """The notifications on incidents that are held back and nobody has begun to send, by incident."""
    rows = connection.execute(
        select(_notification.c.id, _notification.c.incident_id, _notification.c.kind, _notification.c.created).where(
            _notification.c.project_id == project_id,
            _notification.c.state == "due",
            _notification.c.attempts == 0,
            _notification.c.due > _notification.c.created,
            _notification.c.incident_id.is_not(None),
        )
    )
    found: dict[int, list[Held]] = {}
    for row in rows:
        found.setdefault(row.incident_id, []).append(Held(row.id, row.kind, from_microseconds(row.created)))
    return found


def withdraw(connection: Connection, project_id: int, incidents: Iterable[int], now: datetime) -> set[int]:
    """Takes back what was to be said of new trouble in the last two minutes and nobody has begun to send.

    Answers the incidents concerned: what is known now can then be said at once, instead of twice in a minute.
    """
    rows = connection.execute(
        select(_notification.c.id, _notification.c.incident_id, _notification.c.state, _notification.c.attempts).where(
            _notification.c.project_id == project_id,
            _notification.c.incident_id.in_(list(incidents)),
            _notification.c.kind == "opened",
            _notification.c.created >= to_microseconds(now - _JUST_SAID),
        )
    ).all()
    begun = {row.incident_id for row in rows if row.state != "due" or row.attempts}
    waiting = [row for row in rows if row.incident_id not in begun]
    if not waiting:
        return set()
    deleted = connection.execute(
        _notification.delete()
        .where(_notification.c.project_id == project_id, _notification.c.id.in_([row.id for row in waiting]))
        .where(_notification.c.state == "due", _notification.c.attempts == 0)
        .returning(_notification.c.id)
    ).scalars()
    gone = set(deleted)
    # One that a process has just begun to send is said; its incident is then told again only if it gets worse.
    kept = {row.incident_id for row in waiting if row.id not in gone}
    return {row.incident_id for row in waiting} - kept


def release(store: Store, project_id: int, one: Held, notification: Notification | None) -> None:
    """Lets a held notification go at once, with new words where they are given; nothing if it has gone already."""
    values: dict[str, Any] = {"due": to_microseconds(one.created)}
    if notification is not None:
        values |= {
            "subject": notification.subject,
            "text": notification.text,
            "html": notification.html,
            "data": dict(notification.data),
        }
    with store.write() as connection:
        connection.execute(
            _notification.update()
            .where(_notification.c.project_id == project_id, _notification.c.id == one.id)
            .where(_notification.c.state == "due", _notification.c.attempts == 0)
            .values(**values)
        )


def deliver(store: Store, settings: Settings, now: datetime) -> int:
    """Sends what is due, in order of creation; answers how many notifications were delivered."""
    known = channels()
    delivered = 0
    for project_id, notification_id in _due(store, now):
        claimed = _claim(store, project_id, notification_id, now)
        if claimed is None:
            continue
        name, attempts, notification = claimed
        channel = known.get(name)
        if channel is None:
            outcome = Delivery(False, f"There is no channel {name} any more.")
        elif not channel.configured(settings):
            outcome = Delivery(False, f"The channel {name} is not configured in this process.", retry=True)
        else:
            outcome = _send(channel, notification, settings)
        again = None if outcome.ok else after_failure(notification.created, attempts, outcome, now)
        _settle(store, (project_id, notification_id, attempts), outcome, again, now)
        if outcome.ok:
            _log.info("%s: %s (%s)", name, notification.subject, outcome.note)
        else:
            _log.warning("%s could not deliver notification %d: %s", name, notification_id, outcome.note)
        delivered += outcome.ok
    return delivered


def _send(channel: Channel, notification: Notification, settings: Settings) -> Delivery:
    """What the channel answers. One that raises must not keep the other notifications from being sent."""
    try:
        return channel.send(notification, settings)
    except Exception as error:
        return Delivery(False, f"The channel {channel.name} failed: {describe(error)}.", retry=True)


def after_failure(created: datetime, attempts: int, outcome: Delivery, now: datetime) -> datetime | None:
    """When to try again after so many attempts; None where it is of no use any more."""
    following = now + timedelta(minutes=BACKOFF_MINUTES[min(attempts, len(BACKOFF_MINUTES)) - 1])
    return following if outcome.retry and following <= created + GIVE_UP_AFTER else None


def _due(store: Store, now: datetime) -> list[tuple[int, int]]:
    moment = to_microseconds(now)
    with store.read() as connection:
        rows = connection.execute(
            select(_notification.c.project_id, _notification.c.id)
            .where(_notification.c.state.in_(["due", "sending"]), _notification.c.due <= moment)
            .order_by(_notification.c.created, _notification.c.id)
            .limit(_AT_ONCE)
        ).all()
    return [(row.project_id, row.id) for row in rows]


def _claim(store: Store, project_id: int, notification_id: int, now: datetime) -> tuple[str, int, Notification] | None:
    """Takes a notification for this process; None where another one was faster."""
    moment = to_microseconds(now)
    this = and_(_notification.c.project_id == project_id, _notification.c.id == notification_id)
    with store.write() as connection:
        taken = connection.execute(
            _notification.update()
            .where(this, or_(_notification.c.state == "due", _notification.c.state == "sending"))
            .where(_notification.c.due <= moment)
            .values(state="sending", due=to_microseconds(now + CLAIM), attempts=_notification.c.attempts + 1)
        )
        if taken.rowcount != 1:
            return None
        row = connection.execute(select(_notification).where(this)).mappings().one()
        project = connection.execute(select(_project.c.name).where(_project.c.id == project_id)).scalar_one_or_none()
    notification = Notification(
        key=row["key"],
        kind=row["kind"],
        project=project or "",
        subject=row["subject"],
        text=row["text"],
        html=row["html"],
        data=row["data"] or {},
        created=from_microseconds(row["created"]),
    )
    return row["channel"], row["attempts"], notification


def _settle(
    store: Store, claim: tuple[int, int, int], outcome: Delivery, again: datetime | None, now: datetime
) -> None:
    """Writes how an attempt ended, unless another process has taken over since."""
    project_id, notification_id, attempts = claim
    if outcome.ok:
        values = {"state": "delivered", "delivered": to_microseconds(now), "note": outcome.note}
    else:
        values = {"state": "due" if again else "failed", "note": outcome.note}
        if again:
            values["due"] = to_microseconds(again)
    with store.write() as connection:
        connection.execute(
            _notification.update()
            .where(_notification.c.project_id == project_id, _notification.c.id == notification_id)
            .where(_notification.c.state == "sending", _notification.c.attempts == attempts)
            .values(**values)
        )

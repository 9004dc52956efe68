"""Explains the alerts of open incidents, after they have been raised: an alarm never waits for its explanation.

`update` puts what is to be said into the outbox and holds it back for `HOLD`; here it is written again with the
explanation and let go. Where explaining fails, or its process dies, it goes out without when the hold is over.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, func, select

from monitor import tables, wording
from monitor.alerts.message import incident_notification
from monitor.alerts.outbox import held, release
from monitor.alerts.telling import category_of, in_order, is_forecast, signal_of
from monitor.alerts.view import Place
from monitor.clock import BlockLength, block_start, from_microseconds, to_microseconds
from monitor.contracts import Kind
from monitor.errors import describe
from monitor.explain.explanation import MIN_CALLS, Focus, Texts, explain, with_texts
from monitor.explain.records import Example, Explanation
from monitor.explain.sample import Sample, columns_of
from monitor.model_names import model_family
from monitor.poisoning.days import examples_of
from monitor.profile import Floats
from monitor.queries.alerts import AlertRecord, IncidentRecord, read_incidents
from monitor.queries.samples import SampledCall, bodies, sampled_calls
from monitor.records import HIDDEN, Body
from monitor.settings import Settings
from monitor.signals import COUNTED
from monitor.store import Store, table_of
from monitor.vectors import DIMENSIONS, decode_vectors

HOLD = timedelta(minutes=1)
"""How long what is said of a new incident waits for its explanation, at most."""
CALLS_A_SIDE = 20_000
TEXTS_A_SIDE = 1_500
BEFORE = timedelta(days=28)
AFTER = timedelta(days=14)
AGAIN = timedelta(hours=20)
MOST_INCIDENTS = 5
MOST_STREAMS = 4
_TAIL = 0.95
_MEANINGS = ("prompt_meaning", "response_meaning")
_PLAIN = ("model", "release", "prompt_version", "feature", "environment", "provider", "source")

_incident = table_of(tables.Incident)
_explanation = table_of(tables.Explanation)
_project = table_of(tables.Project)
_log = logging.getLogger(__name__)


def explain_alerts(store: Store, settings: Settings, now: datetime) -> int:
    """Explains what is new, or was explained before the newest day; answers how many alerts were explained."""
    with store.read() as connection:
        projects = connection.execute(select(_project.c.id, _project.c.name).order_by(_project.c.id)).all()
        wanted = [
            (project.name, record) for project in projects for record in _unexplained(connection, project.id, now)
        ]
    done = 0
    for name, record in wanted[:MOST_INCIDENTS]:
        done += explain_incident(store, record, now)
        _say(store, Place.of(settings, name), record)
    return done


def explain_incident(store: Store, record: IncidentRecord, now: datetime) -> int:
    """Explains the most telling alerts of an incident, each stream once; answers how many alerts that are."""
    chosen = explainable(record)
    keep = {alert.signal for alert in chosen} | {"language", *_MEANINGS}
    samples: dict[Any, list[SampledCall]] = {}
    rows = []
    for number, alert in enumerate(chosen):
        try:
            calls = _calls(store, record.project_id, alert, now, keep=keep, last=samples)
            found = _explained(store, record.project_id, alert, now, calls, texts=number == 0)
        except Exception as error:  # whatever is wrong with an explanation, the alarm stands
            _log.error("alert %d could not be explained: %s", alert.id, describe(error))
            found = _nothing(now)
        rows.append(
            {
                "project_id": record.project_id,
                "alert_id": alert.id,
                "incident_id": record.id,
                "made": to_microseconds(now),
                "data": msgspec.to_builtins(found),
            }
        )
    with store.write() as connection:
        store.upsert(connection, tables.Explanation, rows)
    return len(rows)


def explainable(record: IncidentRecord) -> list[AlertRecord]:
    """The alerts that are explained: changes of a stream against its own past, the most telling first."""
    found = [
        alert
        for alert in in_order(record.alerts)
        if alert.is_open and alert.detail.get("against", "past") == "past" and not is_forecast(alert)
    ]
    telling = [alert for alert in found if alert in record.telling] or found
    return telling[:MOST_STREAMS]


def sample_of(alert: AlertRecord, calls: Sequence[SampledCall]) -> tuple[Sample, str, list[int]]:
    """The calls as numbers, what the numbers are the share of (empty for plain values), and the places of the calls."""
    values = [call.said if alert.signal.startswith("feedback.") else call.signals.get(alert.signal) for call in calls]
    places = [place for place, value in enumerate(values) if value is not None]
    own = [calls[place] for place in places]
    times = np.array([call.time for call in own], dtype=np.int64)
    after = times >= to_microseconds(alert.since)
    numbers, what = _numbers(alert, [values[place] for place in places], after)
    codes: dict[bytes, int] = {}
    users = np.array([codes.setdefault(bytes(call.user), len(codes)) for call in own], dtype=np.int64)
    return Sample(numbers, after, users, times, columns_of(_dimensions(own))), what, places


def _explained(
    store: Store,
    project_id: int,
    alert: AlertRecord,
    now: datetime,
    calls: Sequence[SampledCall],
    *,
    texts: bool,
) -> Explanation:
    if alert.signal in COUNTED:
        day = from_microseconds(alert.detail["start"])
        found = examples_of(store, project_id, alert.signal, day, category_of(alert))
        return msgspec.structs.replace(_nothing(now), examples_after=tuple(Example(*one) for one in found))
    sample, what, places = sample_of(alert, calls)
    if min(int(sample.after.sum()), int((~sample.after).sum())) < MIN_CALLS:
        return msgspec.structs.replace(
            _nothing(now), calls_before=int((~sample.after).sum()), calls_after=int(sample.after.sum())
        )
    kind = Kind.FLAG if what else alert.kind if alert.kind is Kind.FLAG else Kind.NUMBER
    focus = explain(sample, kind, now, length=_block(alert), what=what, seed=alert.id & 0xFFFF_FFFF)
    if not texts:
        return focus.explanation
    own = [calls[place] for place in places]
    return with_texts(focus.explanation, _texts(store, project_id, focus, own, alert.id & 0xFFFF_FFFF))


def _calls(
    store: Store,
    project_id: int,
    alert: AlertRecord,
    now: datetime,
    *,
    keep: Collection[str],
    last: dict[Any, list[SampledCall]],
) -> list[SampledCall]:
    """The sample of an alert's segment; that of the alert before, where it serves this one too."""
    key = (alert.segment, alert.since, alert.signal if alert.signal.startswith("feedback.") else "")
    if key not in last:
        last.clear()
        last[key] = _read(store, project_id, alert, now, keep)
    return last[key]


def _read(store: Store, project_id: int, alert: AlertRecord, now: datetime, keep: Collection[str]) -> list[SampledCall]:
    end = min(now, alert.since + AFTER)
    if "end" in alert.detail:
        end = min(end, max(from_microseconds(alert.detail["end"]), alert.since + timedelta(hours=1)))
    found: list[SampledCall] = []
    for first, last in ((alert.since - BEFORE, alert.since), (alert.since, end)):
        found += sampled_calls(
            store,
            project_id,
            first,
            last,
            segment=alert.segment,
            signal=alert.signal,
            keep=keep,
            limit=CALLS_A_SIDE,
            seed=alert.id & 0xFFFF_FFFF,
        )
    return found


def _block(alert: AlertRecord) -> BlockLength:
    """The blocks the alert was judged by: its change point stands at midnight where these are days."""
    return BlockLength.DAY if alert.since == block_start(alert.since, BlockLength.DAY) else BlockLength.HOUR


def _numbers(alert: AlertRecord, values: Sequence[Any], after: Any) -> tuple[Floats, str]:
    if alert.kind is Kind.CATEGORY:
        category = category_of(alert)
        return np.array([value == category for value in values], dtype=float), category or "(none)"
    if alert.kind is Kind.VECTOR:
        if not after.any() or after.all():
            return np.zeros(len(values)), ""
        vectors = decode_vectors(values)
        direction = vectors[after].mean(axis=0) - vectors[~after].mean(axis=0)
        return vectors @ (direction / max(float(np.linalg.norm(direction)), 1e-12)), ""
    numbers = np.array([float(value) for value in values])
    if alert.detail.get("statistic") and alert.kind is Kind.NUMBER and (~after).any():
        edge = float(np.quantile(numbers[~after], _TAIL))
        what = f"above {wording.format_value(signal_of(alert), edge)}"
        return (numbers > edge).astype(float), what
    return numbers, ""


def _dimensions(calls: Sequence[SampledCall]) -> Mapping[str, list[str | None]]:
    """The value of each call in every dimension and tag."""
    found: dict[str, list[str | None]] = {name: [_text(call.columns.get(name)) for call in calls] for name in _PLAIN}
    found["model_family"] = [model_family(model) if model else None for model in found["model"]]
    found["language"] = [_text(call.signals.get("language")) for call in calls]
    names = dict.fromkeys(name for call in calls for name in call.tags)
    return found | {f"tag.{name}": [_text(call.tags.get(name)) for call in calls] for name in names}


def _text(value: Any) -> str | None:
    return None if value is None or isinstance(value, dict | list) else str(value).strip()[:100] or None


def _texts(store: Store, project_id: int, focus: Focus, calls: Sequence[SampledCall], seed: int) -> Texts:
    """The texts of some calls of both sides that the explanation points at."""
    random = np.random.default_rng(seed)
    sides = [np.flatnonzero(focus.inside & side) for side in (~focus.sample.after, focus.sample.after)]
    chosen = np.sort(
        np.concatenate([random.choice(side, min(TEXTS_A_SIDE, len(side)), replace=False) for side in sides])
    )
    own = [calls[place] for place in chosen]
    found = bodies(store, project_id, [call.id for call in own])
    return Texts(
        prompts=[_shown(_prompt(body)) for body in found],
        responses=[_shown(body.response) for body in found],
        prompt_vectors=_vectors(own, _MEANINGS[0]),
        response_vectors=_vectors(own, _MEANINGS[1]),
        after=focus.sample.after[chosen],
        users=focus.sample.users[chosen],
        values=focus.sample.values[chosen],
        identities=[(call.trace_id, call.span_id) for call in own],
    )


def _prompt(body: Body) -> str:
    """The last user message; all messages where there is none."""
    own = [message.content for message in body.prompt if message.role == "user"]
    return own[-1] if own else "\n".join(message.content for message in body.prompt)


def _shown(text: str) -> str:
    return "" if text == HIDDEN else text


def _vectors(calls: Sequence[SampledCall], signal: str) -> Floats:
    found = np.zeros((len(calls), DIMENSIONS))
    present = [place for place, call in enumerate(calls) if signal in call.signals]
    if present:
        found[present] = decode_vectors([calls[place].signals[signal] for place in present])
    return found


def _nothing(now: datetime) -> Explanation:
    return Explanation(made=now, calls_before=0, calls_after=0, before=None, after=None)


def _unexplained(connection: Connection, project_id: int, now: datetime) -> list[IncidentRecord]:
    """Open incidents with something to say, without an explanation, or with one from before the newest day."""
    open_ones = read_incidents(connection, project_id, _incident.c.state == "open")
    if not open_ones:
        return []
    made: dict[int, int] = {}
    for incident_id, moment in connection.execute(
        select(_explanation.c.incident_id, func.max(_explanation.c.made))
        .where(_explanation.c.project_id == project_id)
        .group_by(_explanation.c.incident_id)
    ):
        made[incident_id] = moment
    waiting = held(connection, project_id)
    found = []
    for record in open_ones:
        if not explainable(record):
            continue
        last = made.get(record.id)
        newest = max(to_microseconds(alert.changed) for alert in record.alerts)
        fresh = last is not None and (
            newest <= last or from_microseconds(last) + AGAIN > now or record.since + AFTER < from_microseconds(last)
        )
        if record.id in waiting or not fresh:
            found.append(record)
    return sorted(found, key=lambda record: (record.id not in waiting, record.opened))


def _say(store: Store, place: Place, record: IncidentRecord) -> None:
    """Writes what waits to be said of an incident again, with its explanation, and lets it go."""
    with store.read() as connection:
        waiting = held(connection, record.project_id).get(record.id, ())
    for one in waiting:
        try:
            notification = incident_notification(store, place, record, one.kind, one.created)
        except Exception as error:  # what was written at first says all but the explanation
            _log.error("the message on incident %d was not written again: %s", record.id, describe(error))
            notification = None
        release(store, record.project_id, one, notification)

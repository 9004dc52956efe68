"""The read side of the HTTP API: everything a page shows, for programs; and health, metrics and the API's description.

Who may read is decided before a request gets here (`monitor.web.gate`). What is read comes from `monitor.queries` only.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

import flask
import msgspec
from flask import Blueprint, Response

from monitor.api import alarm_answers, answers, call_answers
from monitor.api.docs import docs_page
from monitor.api.evaluations import judge_answers
from monitor.api.exposition import exposition
from monitor.api.openapi import PLAIN, ROUTES, Route, description
from monitor.clock import BlockLength, from_microseconds, now, to_microseconds
from monitor.contracts import WHOLE
from monitor.errors import Busy, InputError, MonitorError, NotFound, TooLarge, describe
from monitor.queries import backtests, declared, fairness, listing, options
from monitor.queries.alerts import incident
from monitor.queries.calls import find_calls
from monitor.queries.conditions import CallFilter, parse_conditions
from monitor.queries.explanations import explanations_by_alert
from monitor.queries.ledger import QUARTER, ledger, mark_incident_false, worth_a_look
from monitor.queries.listing import Wanted
from monitor.queries.metrics import metrics
from monitor.queries.traces import call_of, trace_of
from monitor.queries.usage import usage, usage_by
from monitor.settings import Settings
from monitor.store import Store

log = logging.getLogger(__name__)

Values = dict[str, Any]

COSTS_BY_DEFAULT = timedelta(days=56)
JUDGED_BY_DEFAULT = timedelta(days=28)
_encoder = msgspec.json.Encoder()


class Accepting(Protocol):
    """The ingester, as far as it matters here."""

    @property
    def records_waiting(self) -> int: ...


@dataclass(frozen=True)
class Reader:
    """What the handlers work with; `ingester` only where this process takes records."""

    store: Store
    settings: Settings
    ingester: Accepting | None

    def project(self, values: Values) -> int:
        """The id of the project that a request names; raises NotFound."""
        name = values["project"] or self.settings.project
        found = options.project(self.store, name)
        if found is None:
            raise NotFound(f"There is no project {name[:100]!r}.")
        return found.id


def blueprint(store: Store, settings: Settings, ingester: Accepting | None = None) -> Blueprint:
    """All routes of the description but those that take records."""
    made = Blueprint("api", __name__)
    reader = Reader(store, settings, ingester)
    for route in ROUTES:
        made.add_url_rule(_rule(route), route.name, _view(route, HANDLERS[route.name], reader), methods=[route.method])
    return made


def _rule(route: Route) -> str:
    """Flask's rule: identifiers may hold slashes, so it takes whatever follows, and `_path_values` looks closer."""
    head, brace, _ = route.path.partition("{")
    return f"{head}<path:rest>" if brace else head


def _path_values(route: Route) -> dict[str, str]:
    """The identifiers in the address, each as it was before it was escaped. Raises NotFound where some are missing."""
    if "{" not in route.path:
        return {}
    environment = flask.request.environ
    address = urlsplit(environment.get("REQUEST_URI") or environment.get("RAW_URI") or "").path
    parts = (address or quote(flask.request.path)).split("/")
    template = route.path.split("/")[1:]
    if len(parts) < len(template):
        raise NotFound("There is no such address; a slash in an identifier is written %2F.")
    values = {}
    for name, part in zip(template, parts[-len(template) :], strict=True):
        if name.startswith("{"):
            values[name.strip("{}")] = unquote(part)
        elif name != unquote(part):
            raise NotFound("There is no such address; a slash in an identifier is written %2F.")
    return values


def _view(route: Route, handler: Callable[[Reader, Values], Any], reader: Reader) -> Callable[..., Response]:
    def view(**_rest: str) -> Response:
        try:
            values = route.read(dict(flask.request.args.lists()), _path_values(route))
            answer = handler(reader, values)
        except MonitorError as error:
            return _problem(error)
        except Exception as error:
            log.error("%s %s failed: %s", route.method, route.path, describe(error))
            return _json(answers.Problem(f"The request failed here ({type(error).__name__}); the log says why."), 500)
        if isinstance(answer, Response):
            return answer
        if isinstance(route.answer, str):
            return Response(answer, content_type=route.answer)
        return _json(answer)

    return view


def _json(answer: Any, status: int = 200) -> Response:
    response = Response(_encoder.encode(answer), status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _problem(error: MonitorError) -> Response:
    kinds = ((NotFound, 404), (TooLarge, 413), (InputError, 400), (Busy, 503))
    status = next((code for kind, code in kinds if isinstance(error, kind)), 503)
    response = _json(answers.Problem(str(error)), status)
    if status == 503:
        response.headers["Retry-After"] = str(getattr(error, "retry_after", 5))
    return response


def _wanted(values: Values) -> Wanted:
    return Wanted(
        start=values["from"],
        end=values["to"],
        segment=values.get("segment"),
        indicator=values.get("indicator") or "",
        signal=values.get("signal") or "",
        state=values.get("state") or "",
    )


def _cursor(key: listing.Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def _key(text: str | None, *types: type) -> list[Any] | None:
    """The key of a cursor; raises InputError for one that the API did not make."""
    if not text:
        return None
    try:
        key = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        key = None
    fits = isinstance(key, list) and [type(part) for part in key] == list(types)
    if not fits or not all(map(_is_storable, key or ())):
        raise InputError("after: is not the `next` of a page of this list.")
    return list(key or ())


def _is_storable(part: Any) -> bool:
    """True where the database can compare with it."""
    if isinstance(part, int):
        return -(2**63) <= part < 2**63
    return "\0" not in part and not any("\ud800" <= character <= "\udfff" for character in part)


def _page(rows: list[Any], limit: int, make: Callable[[Any], Any], key: Callable[[Any], listing.Key]) -> Any:
    """A page out of one row more than it takes."""
    following = _cursor(key(rows[limit - 1])) if len(rows) > limit else None
    return answers.Listing(items=[make(row) for row in rows[:limit]], next=following)


def _slice(rows: list[Any], values: Values, make: Callable[[Any], Any], key: Callable[[Any], listing.Key]) -> Any:
    """A page of a list that is short and in the order of its keys."""
    after = _key(values["after"], *(type(part) for part in key(rows[0]))) if rows and values["after"] else None
    rest = rows if after is None else [row for row in rows if list(key(row)) > after]
    return _page(rest[: values["limit"] + 1], values["limit"], make, key)


def _projects(reader: Reader, values: Values) -> Any:
    return _slice(list(options.projects(reader.store)), values, answers.of_project, lambda row: (row.name,))


def _segments(reader: Reader, values: Values) -> Any:
    found = options.segments(reader.store, reader.project(values), values["dimension"] or "")
    rows = sorted(
        (option for part in found.values() for option in part),
        key=lambda option: (option.segment.dimension, option.segment.value),
    )
    return _slice(rows, values, answers.of_segment, lambda row: (row.segment.dimension, row.segment.value))


def _verdicts(reader: Reader, values: Values) -> Any:
    limit = values["limit"]
    after = _key(values["after"], int, str, str, str, str)
    rows = listing.verdict_page(reader.store, reader.project(values), _wanted(values), after=after, limit=limit + 1)
    return _page(rows, limit, alarm_answers.of_verdict, listing.verdict_key)


def _alerts(reader: Reader, values: Values) -> Any:
    limit, after = values["limit"], _key(values["after"], int, int)
    rows = listing.alert_page(reader.store, reader.project(values), _wanted(values), after=after, limit=limit + 1)
    found = explanations_by_alert(reader.store, reader.project(values), [row.id for row in rows])
    return _page(rows, limit, lambda row: alarm_answers.of_alert(row, found), listing.opened_key)


def _incidents(reader: Reader, values: Values) -> Any:
    limit, after = values["limit"], _key(values["after"], int, int)
    rows = listing.incident_page(reader.store, reader.project(values), _wanted(values), after=after, limit=limit + 1)
    alerts = [alert.id for row in rows for alert in row.alerts]
    found = explanations_by_alert(reader.store, reader.project(values), alerts)
    return _page(rows, limit, lambda row: alarm_answers.of_incident(row, found), listing.opened_key)


def _mark_false(reader: Reader, values: Values) -> Any:
    project_id, number = reader.project(values), _number(values["incident_id"])
    by = flask.g.get("account") or ""
    mark_incident_false(reader.store, project_id, number, by=by, now=now(), is_false=values["is_false"] == "yes")
    return alarm_answers.of_incident(incident(reader.store, project_id, number), {})


def _number(text: str) -> int:
    """The number of an incident; raises NotFound for what is none."""
    if not (text.isdecimal() and text.isascii() and len(text) < 19):
        raise NotFound("There is no such incident.")
    return int(text)


def _declare(reader: Reader, values: Values) -> Any:
    store, project_id = reader.store, reader.project(values)
    start, until, number = values["from"], values["to"], values["incident"]
    why, by = values["reason"] or "", flask.g.get("account") or ""
    is_cut = values["kind"] == "cut"
    if is_cut and number:
        made = declared.accept(store, project_id, _number(number), reason=why, by=by, now=now())
    elif start is None or (until is None and not is_cut):
        raise InputError("from: is needed, and `to` for an incident or a holiday.")
    elif is_cut:
        chosen = values["segment"] or WHOLE
        made = declared.begin_anew(store, project_id, start, reason=why, by=by, now=now(), segment=chosen)
    else:
        is_holiday = values["kind"] == "holiday"
        made = declared.leave_out(store, project_id, start, until, reason=why, by=by, now=now(), holiday=is_holiday)
    return alarm_answers.of_declared(made)


def _budget(reader: Reader, values: Values) -> Any:
    project_id = reader.project(values)
    end = values["to"] or now()
    start = values["from"] or end - QUARTER
    if start >= end:
        raise InputError("from: must be before `to`.")
    book = ledger(reader.store, reader.settings, project_id, start, end)
    known = declared.declared(reader.store, project_id)
    return alarm_answers.of_budget(book, worth_a_look(reader.store, project_id, now()), known)


def _backtest(reader: Reader, values: Values) -> Any:
    return alarm_answers.of_back_test(backtests.standing(reader.store, reader.project(values)))


def _calls(reader: Reader, values: Values) -> Any:
    wanted = CallFilter(
        start=values["from"],
        end=values["to"],
        segment=values["segment"] or WHOLE,
        signals=parse_conditions(values["signal"] or ""),
        status=values["status"] or "",
        session=values["session"] or "",
        user=values["user"] or "",
        text=values["text"] or "",
    )
    after = _key(values["after"], int)
    page = find_calls(
        reader.store, reader.project(values), wanted, before=after[0] if after else None, limit=values["limit"]
    )
    return call_answers.CallListing(
        items=[call_answers.of_call(row) for row in page.rows],
        next=None if page.following is None else _cursor((page.following,)),
        searched_back_to=page.searched_back_to,
    )


def _call(reader: Reader, values: Values) -> Any:
    return call_answers.of_detail(call_of(reader.store, reader.project(values), values["trace_id"], values["span_id"]))


def _trace(reader: Reader, values: Values) -> Any:
    after = values["after"] or "0"
    if not (after.isdecimal() and after.isascii() and len(after) < 10):
        raise InputError("after: is not the `next` of a page of this list.")
    project_id = reader.project(values)
    trace = trace_of(reader.store, project_id, values["trace_id"], offset=int(after), limit=values["limit"])
    return call_answers.of_trace(trace)


def _costs(reader: Reader, values: Values) -> Any:
    project_id = reader.project(values)
    length = BlockLength(values["block"])
    end = values["to"] or (options.latest(reader.store, project_id) or now()) + length.duration
    start = values["from"] or end - COSTS_BY_DEFAULT
    segment = values["segment"] or WHOLE
    if values["by"]:
        found = usage_by(reader.store, project_id, length, start, end, dimension=values["by"], within=segment)
    else:
        found = (usage(reader.store, project_id, length, start, end, segment=segment),)
    rows = [answers.of_point(part.segment, point) for part in found for point in part.points]
    rows.sort(key=_cost_key)
    return _slice(rows, values, lambda row: row, _cost_key)


def _cost_key(row: answers.Cost) -> list[str]:
    return [row.start.isoformat(), row.segment.dimension, row.segment.value]


def _profiles(reader: Reader, values: Values) -> Any:
    limit = values["limit"]
    after = _key(values["after"], int, str, str, str)
    length, wanted = BlockLength(values["block"]), _wanted(values)
    rows = listing.profile_page(reader.store, reader.project(values), length, wanted, after=after, limit=limit + 1)
    return _page(rows, limit, answers.of_profile, lambda row: row.key)


def _fairness(reader: Reader, values: Values) -> Any:
    limit, after = values["limit"], _key(values["after"], int)
    before = from_microseconds(after[0]) if after else values["to"]
    rows = fairness.scans(reader.store, reader.project(values), before=before, limit=limit + 1)
    return _page(rows, limit, lambda row: row, lambda row: (to_microseconds(row.start),))


def _judges(reader: Reader, values: Values) -> Any:
    moment = now()
    end = values["to"] or moment
    start = values["from"] or end - JUDGED_BY_DEFAULT
    project_id = reader.project(values)
    found = judge_answers(reader.store, reader.settings, project_id, start=start, end=end, now=moment)
    return answers.Listing(items=found)


def _healthz(_reader: Reader, _values: Values) -> Any:
    return answers.Health("ok")


def _readyz(reader: Reader, _values: Values) -> Any:
    from monitor import migrate

    problems = []
    try:
        if not migrate.is_current(reader.store):
            problems.append("The store is not of this version; run `llmops-monitor migrate`.")
    except MonitorError as error:
        problems.append(str(error))
    if reader.ingester is not None and reader.ingester.records_waiting >= reader.settings.queue_records:
        problems.append("Too many records wait for the writer.")
    if problems:
        return _json(answers.Health("not ready", problems), 503)
    return answers.Health("ok")


def _metrics(reader: Reader, _values: Values) -> Any:
    waiting = None if reader.ingester is None else reader.ingester.records_waiting
    return Response(exposition(metrics(reader.store), waiting, now()), content_type=PLAIN)


def _openapi(reader: Reader, _values: Values) -> Any:
    return json.dumps(description(reader.settings.public_url))


def _docs(reader: Reader, _values: Values) -> Any:
    return docs_page(description(reader.settings.public_url))


HANDLERS: dict[str, Callable[[Reader, Values], Any]] = {
    "projects": _projects,
    "segments": _segments,
    "verdicts": _verdicts,
    "alerts": _alerts,
    "incidents": _incidents,
    "mark_false": _mark_false,
    "declare": _declare,
    "budget": _budget,
    "backtest": _backtest,
    "calls": _calls,
    "call": _call,
    "trace": _trace,
    "costs": _costs,
    "profiles": _profiles,
    "fairness": _fairness,
    "judges": _judges,
    "healthz": _healthz,
    "readyz": _readyz,
    "metrics": _metrics,
    "openapi": _openapi,
    "docs": _docs,
}

"""What the API answers: its public records, made from those of the queries.

They are declared apart from the queries' own records so that these may change without breaking anyone's program. Ids
are texts: they have more digits than JavaScript's numbers. Times are ISO 8601, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

from monitor.contracts import Kind, Segment
from monitor.explain.records import Explanation
from monitor.queries.alerts import AlertRecord, IncidentRecord
from monitor.queries.backtests import Standing
from monitor.queries.calls import CallRow, FeedbackNote
from monitor.queries.ledger import Ledger
from monitor.queries.ledger import WorthALook as Remarkable
from monitor.queries.listing import ProfileRow
from monitor.queries.options import ProjectOption, SegmentOption
from monitor.queries.traces import CallDetail, SpanNode, Trace
from monitor.queries.usage import UsagePoint
from monitor.queries.verdicts import VerdictRecord
from monitor.records import Message, Tokens

Item = TypeVar("Item")


class Listing(msgspec.Struct, Generic[Item], frozen=True, kw_only=True):
    """One page. `next` is the value of `after` for the next page, null at the end."""

    items: list[Item]
    next: str | None = None


class CallListing(msgspec.Struct, frozen=True, kw_only=True):
    """One page of calls. `searched_back_to` is set where a search stopped early: go on with `next`."""

    items: list[Call]
    next: str | None = None
    searched_back_to: datetime | None = None


class Problem(msgspec.Struct, frozen=True):
    """What was wrong, in one sentence."""

    error: str


class Health(msgspec.Struct, frozen=True):
    """`ok`, or what is the matter."""

    status: Literal["ok", "not ready"]
    problems: list[str] = []


class SegmentName(msgspec.Struct, frozen=True):
    """A slice of traffic; dimension and value are empty for all traffic."""

    dimension: str
    value: str


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project; `note` says what should be known of its data."""

    name: str
    created: datetime
    note: str


class SeenSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment, since when and until when it was seen."""

    dimension: str
    value: str
    first_seen: datetime
    last_seen: datetime


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of an indicator for one stream and window; figures are in the unit of the signal."""

    indicator: str
    signal: str
    segment: SegmentName
    start: datetime
    end: datetime
    window_start: datetime
    computed: datetime
    state: str
    reason: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    effective_n: float
    baseline: float | None
    effect: float | None
    effect_low: float | None
    effect_high: float | None
    detail: Mapping[str, Any]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A stream in trouble: `before` is the healthy value, `after` the one since the change with its 95 % interval.

    `explanation` says why (docs/explanations.md); it is there for the most telling alerts of an incident.
    `marked_false` is when somebody called it a false alarm.
    """

    id: str
    incident_id: str | None
    indicator: str
    signal: str
    kind: Kind
    segment: SegmentName
    state: str
    severity: str
    since: datetime
    opened: datetime
    resolved: datetime | None
    before: float | None
    after: float | None
    low: float | None
    high: float | None
    n: int
    reason: str
    marked_false: datetime | None
    explanation: Explanation | None


class Appeared(msgspec.Struct, frozen=True, kw_only=True):
    """A segment first seen about when the trouble began."""

    segment: SegmentName
    first_seen: datetime


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One trouble: the alerts that began together, the most telling first, and what else changed then."""

    id: str
    state: str
    severity: str
    title: str
    since: datetime
    opened: datetime
    resolved: datetime | None
    marked_false: datetime | None
    alerts: list[Alert]
    appeared: list[Appeared]


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One way of looking: `hour` or `day`. `spent` is the number of false alarms its looks may have cost at most."""

    lane: str
    allowed: float
    looks: int
    spent: float


class WorthALook(msgspec.Struct, frozen=True, kw_only=True):
    """A stream with remarkable evidence, too little for an alarm; `evidence` and `threshold` are -log10 of chances."""

    indicator: str
    signal: str
    segment: SegmentName
    evidence: float
    threshold: float
    chance: float
    reached: datetime


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger of the alarm budget of a range (default: the last quarter); expectations are of false alarms.

    `budget` is for a quarter, `allowed` for the range. `raised` alarms belong to `incidents`, of which `marked_false`
    were marked. `is_suspicious`: so many that an assumption looks broken. `worth_a_look` is as of now.
    """

    start: datetime
    end: datetime
    budget: float
    allowed: float
    spent: float
    lanes: list[Lane]
    raised: int
    incidents: int
    marked_false: int
    is_suspicious: bool
    worth_a_look: list[WorthALook]


class BackTest(msgspec.Struct, frozen=True, kw_only=True):
    """A back-test: `state` is `none`, `asked`, `running`, `done` or `failed`; `result`, of the newest that ended well
    (at `made`), is the document of `llmops-monitor backtest --project --json`.
    """

    state: str
    weeks: int | None = None
    block: str | None = None
    budget: float | None = None
    asked: datetime | None = None
    days: int = 0
    done_days: int = 0
    note: str = ""
    made: datetime | None = None
    result: Mapping[str, Any] | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Feedback: `value` for thumbs, flags (0 or 1) and ratings, `label` for a category."""

    name: str
    time: datetime
    value: float | None
    label: str | None
    comment: str | None
    correction: str | None
    annotator: str


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call in a list. Prompt and response are cut to 200 characters; `cost_usd` is null where no price is known."""

    id: str
    time: datetime
    trace_id: str
    span_id: str
    session_id: str
    user: str
    name: str
    provider: str
    model: str
    environment: str
    release: str
    prompt_version: str
    feature: str
    latency_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    status: str
    finish_reason: str
    tags: Mapping[str, Any]
    masked: Mapping[str, int]
    signals: Mapping[str, Any]
    prompt: str
    response: str
    feedback: list[Said]


class WholeCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call with its texts. `tokens` are disjoint buckets; `sender_cost_usd` is what the sender said it cost."""

    call: Call
    kind: str
    parent_id: str
    received: datetime
    source: str
    enriched: bool
    requested_model: str
    service_tier: str
    time_to_first_token_s: float | None
    sender_cost_usd: float | None
    tokens: Tokens
    prompt: list[Message]
    response: str
    response_parts: str
    context: list[str]
    reference: list[str]
    error: str
    attributes: Mapping[str, Any]
    truncated: list[str]


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One span of a trace; `depth` 0 is a root, `orphan` one whose parent was not received."""

    id: str
    span_id: str
    depth: int
    orphan: bool
    children: int
    kind: str
    name: str
    model: str
    time: datetime
    latency_s: float | None
    status: str
    input_tokens: int | None
    output_tokens: int | None


class WholeTrace(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a trace, in the order of a walk through its tree; `total` spans in all."""

    trace_id: str
    start: datetime
    items: list[Node]
    total: int
    capped: bool
    feedback: list[Said]
    next: str | None = None


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic and cost of one block and segment. `cost_usd` sums the `priced` calls; the others have no known price."""

    start: datetime
    segment: SegmentName
    calls: int
    users: int
    errors: int | None
    priced: int
    cost_usd: float | None
    input_tokens: float | None
    output_tokens: float | None


class ProfileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One signal in one block and segment: `mean` over calls, `user_mean` over users' means; shares of the values."""

    start: datetime
    segment: SegmentName
    signal: str
    kind: Kind
    n: int
    users: int
    mean: float | None
    user_mean: float | None
    user_variance: float | None
    quantiles: Mapping[str, float]
    shares: Mapping[str, float]


QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}


def of_project(option: ProjectOption) -> Project:
    """A project."""
    return Project(name=option.name, created=option.created, note=option.note)


def of_segment(option: SegmentOption) -> SeenSegment:
    """A segment that has been seen."""
    return SeenSegment(
        dimension=option.segment.dimension,
        value=option.segment.value,
        first_seen=option.first_seen,
        last_seen=option.last_seen,
    )


def of_verdict(row: VerdictRecord) -> Verdict:
    """A verdict."""
    return _same_fields(Verdict, row, segment=_name(row.segment))


def of_alert(record: AlertRecord, explanations: Mapping[int, Explanation]) -> Alert:
    """An alert with its explanation, of those given by the id of the alert."""
    incident = None if record.incident_id is None else str(record.incident_id)
    return _same_fields(
        Alert,
        record,
        id=str(record.id),
        incident_id=incident,
        segment=_name(record.segment),
        explanation=explanations.get(record.id),
    )


def of_incident(record: IncidentRecord, explanations: Mapping[int, Explanation]) -> Incident:
    """An incident with its alerts."""
    appeared = [Appeared(segment=_name(item.segment), first_seen=item.first_seen) for item in record.appeared]
    alerts = [of_alert(alert, explanations) for alert in record.alerts]
    return _same_fields(Incident, record, id=str(record.id), alerts=alerts, appeared=appeared)


def of_budget(book: Ledger, remarkable: Sequence[Remarkable]) -> Budget:
    """A ledger with the list of what is worth a look."""
    found = [_same_fields(WorthALook, item, segment=_name(item.segment)) for item in remarkable]
    return _same_fields(Budget, book, lanes=[_same_fields(Lane, lane) for lane in book.lanes], worth_a_look=found)


def of_back_test(standing: Standing | None) -> BackTest:
    """How a back-test stands."""
    if standing is None:
        return BackTest(state="none")
    wanted = standing.wanted
    return _same_fields(BackTest, standing, weeks=wanted.weeks, block=wanted.block, budget=wanted.budget)


def of_call(row: CallRow) -> Call:
    """A call of a list."""
    return _same_fields(Call, row, id=str(row.id), feedback=[_said(note) for note in row.feedback])


def of_detail(detail: CallDetail) -> WholeCall:
    """A call whole."""
    body = detail.body
    call = msgspec.structs.replace(of_call(detail.row), feedback=[_said(note) for note in detail.feedback])
    return _same_fields(
        WholeCall,
        detail,
        call=call,
        prompt=list(body.prompt),
        response=body.response,
        response_parts=body.response_parts,
        context=list(body.context),
        reference=list(body.reference),
        error=body.error,
        attributes=body.attributes,
        truncated=list(body.truncated),
    )


def of_trace(trace: Trace) -> WholeTrace:
    """A page of a trace."""
    following = trace.offset + len(trace.nodes)
    return WholeTrace(
        trace_id=trace.trace_id,
        start=trace.start,
        items=[_node(node) for node in trace.nodes],
        total=trace.total,
        capped=trace.capped,
        feedback=[_said(note) for note in trace.feedback],
        next=str(following) if trace.nodes and following < trace.total else None,
    )


def of_point(segment: Segment, point: UsagePoint) -> Cost:
    """A block of usage of one segment."""
    return _same_fields(Cost, point, segment=_name(segment))


def of_profile(row: ProfileRow) -> ProfileAnswer:
    """A profile with its quantiles and shares."""
    profile = row.profile
    quantiles = {name: profile.quantile(share) for name, share in QUANTILES.items()}
    return ProfileAnswer(
        start=row.start,
        segment=_name(row.segment),
        signal=row.signal,
        kind=profile.kind,
        n=profile.n,
        users=profile.users,
        mean=profile.mean,
        user_mean=profile.user_mean,
        user_variance=profile.user_variance if profile.kind in (Kind.NUMBER, Kind.FLAG) else None,
        quantiles={name: value for name, value in quantiles.items() if value is not None},
        shares=profile.shares(),
    )


def _name(segment: Segment) -> SegmentName:
    return SegmentName(segment.dimension, segment.value)


def _said(note: FeedbackNote) -> Said:
    return _same_fields(Said, note)


def _node(node: SpanNode) -> Node:
    return _same_fields(Node, node, id=str(node.id))


Answer = TypeVar("Answer", bound=msgspec.Struct)


def _same_fields(answer: type[Answer], record: object, **given: Any) -> Answer:
    """The answer whose fields are those given and, for the rest, the record's of the same names."""
    values = {name: getattr(record, name) for name in answer.__struct_fields__ if name not in given and name != "next"}
    return answer(**values, **given)

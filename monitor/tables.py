"""All tables.

Keys begin with the project. Ids are time-ordered and made by the writer (`monitor.identifiers`). Times are whole
microseconds since 1970, UTC. Numbers that pages and indicators need stand in typed columns; a call's signals sit in one
row; distributions sit in profiles. The three tables with a row for each call begin with what has a fixed length, the
shorter before the longer: so PostgreSQL leaves nothing empty between.

written by     tables
ingest         project, span, body, pending, feedback, reject, sender
enrich         enrichment, signal_layout, dirty_block, response_number
profiles       profile, segment
indicators     verdict, detector, allowance
people         declared_time
alerts         alert, incident, explanation, notification
fairness       fairness_scan
judging        judgement, judge_prompt
feedback       theme_run, theme, theme_comment, reviewed_hour, adoption
jobs           job_run
auth           api_key, account, login
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

Json = JSON().with_variant(JSONB(), "postgresql")

ON_SQLITE = {"engine": "sqlite"}
ON_POSTGRESQL = {"engine": "postgresql"}
"""The mark of an index that only one engine has; migrations know it."""

_IN_A_SESSION = Column("session_id").is_not(None)


def _big(**options: Any) -> Any:
    return Field(sa_type=BigInteger, **options)


class Project(SQLModel, table=True):
    """A project: the outermost key of everything."""

    __tablename__ = "project"
    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = Field(unique=True)
    created: int = _big()
    note: str = ""


class Span(SQLModel, table=True):
    """One reported operation, without its texts. `trace_id`, `span_id`, `session_id` are packed identifiers."""

    __tablename__ = "span"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "id"),
        Index("span_identity", "project_id", "trace_id", "span_id", unique=True),
        Index("span_session", "project_id", "session_id", "id", sqlite_where=_IN_A_SESSION, info=ON_SQLITE),
        # Entries with the same key share one there: a third of the room.
        Index("span_of_session", "project_id", "session_id", postgresql_where=_IN_A_SESSION, info=ON_POSTGRESQL),
    )
    project_id: int
    status: int = Field(default=0, sa_type=SmallInteger)
    id: int = _big()
    time: int = _big()
    received: int = _big()
    latency_s: float | None = None
    time_to_first_token_s: float | None = None
    sender_cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    trace_id: bytes = Field(sa_type=LargeBinary)
    span_id: bytes = Field(sa_type=LargeBinary)
    parent_id: bytes | None = Field(default=None, sa_type=LargeBinary)
    session_id: bytes | None = Field(default=None, sa_type=LargeBinary)
    user: bytes | None = Field(default=None, sa_type=LargeBinary)
    kind: str = Field(sa_type=String)
    name: str | None = None
    provider: str | None = None
    model: str | None = None
    requested_model: str | None = None
    environment: str | None = None
    release: str | None = None
    prompt_version: str | None = None
    feature: str | None = None
    tokens: str | None = Field(default=None, sa_type=Text)
    finish_reason: str | None = None
    service_tier: str | None = None
    tags: dict[str, Any] | None = Field(default=None, sa_type=Json)
    masked: dict[str, int] | None = Field(default=None, sa_type=Json)
    source: str | None = None


class Body(SQLModel, table=True):
    """The texts of a span: zstd-compressed MessagePack of `monitor.records.Body`."""

    __tablename__ = "body"
    __table_args__ = (PrimaryKeyConstraint("project_id", "id"),)
    project_id: int
    codec: int = Field(default=0, sa_type=SmallInteger)
    id: int = _big()
    data: bytes = Field(sa_type=LargeBinary)


class Pending(SQLModel, table=True):
    """Calls that wait for enrichment, in order of arrival."""

    __tablename__ = "pending"
    __table_args__ = (PrimaryKeyConstraint("project_id", "id"),)
    project_id: int
    id: int = _big()
    received: int = _big()


class ResponseNumber(SQLModel, table=True):
    """The calls of the last hours by the hash of the provider's number of the response (`monitor.duplicates`)."""

    __tablename__ = "response_number"
    __table_args__ = (PrimaryKeyConstraint("project_id", "number"), {"sqlite_with_rowid": False})
    project_id: int
    number: int = _big()
    id: int = _big()


class Enrichment(SQLModel, table=True):
    """The signals of one call, in one row. `cost_usd` is None where no price is known.

    `signals` are packed by the layout that `layout` names (`monitor.packing`); numbers that the span's row, or a column
    here, holds already are not in it.
    """

    __tablename__ = "enrichment"
    __table_args__ = (PrimaryKeyConstraint("project_id", "id"), {"sqlite_with_rowid": False})
    project_id: int
    layout: int
    id: int = _big()
    cost_usd: float | None = Field(default=None, sa_type=Float)
    version: int
    language: str | None = None
    signals: bytes = Field(sa_type=LargeBinary)


class SignalLayout(SQLModel, table=True):
    """Which signals rows of `enrichment` hold, in the order of their bits; `id` is made of the content."""

    __tablename__ = "signal_layout"
    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    content: str = Field(sa_type=Text)


class Feedback(SQLModel, table=True):
    """What was said of a span, trace or session. The key is the writer's, so that a repeated report replaces.

    `sentiment` is that of the comment; `measured` tells by which version it was, 0 where it still is to be.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "id"),
        Index("feedback_target", "project_id", "trace_id", "span_id"),
        Index("feedback_identity", "project_id", "identity", unique=True),
        Index("feedback_time", "project_id", "time"),
        Index(
            "feedback_unmeasured",
            "project_id",
            "id",
            sqlite_where=text("comment IS NOT NULL AND measured = 0"),
            postgresql_where=text("comment IS NOT NULL AND measured = 0"),
        ),
    )
    project_id: int
    id: int = _big()
    identity: bytes = Field(sa_type=LargeBinary)
    time: int = _big()
    received: int = _big()
    trace_id: bytes | None = Field(default=None, sa_type=LargeBinary)
    span_id: bytes | None = Field(default=None, sa_type=LargeBinary)
    session_id: bytes | None = Field(default=None, sa_type=LargeBinary)
    name: str
    value: float | None = None
    flag: int = Field(default=0, sa_type=SmallInteger)
    label: str | None = None
    comment: str | None = Field(default=None, sa_type=Text)
    correction: str | None = Field(default=None, sa_type=Text)
    annotator: str = "human"
    annotator_id: str | None = None
    sentiment: float | None = None
    measured: int = Field(default=0, sa_type=SmallInteger, sa_column_kwargs={"server_default": "0"})


class Reject(SQLModel, table=True):
    """A record that could not be taken: why, from whom, and a shape of it without any text."""

    __tablename__ = "reject"
    __table_args__ = (PrimaryKeyConstraint("project_id", "id"),)
    project_id: int
    id: int = _big()
    time: int = _big()
    sender: str
    reason: str
    shape: str | None = Field(default=None, sa_type=Text)


class Sender(SQLModel, table=True):
    """Who sends: counters per sender, the dialects it speaks, and the attribute names that no dialect knows.

    `lost` is what its SDK says it lost before it could send; `dialects` maps each to when it was last heard, within
    an hour.
    """

    __tablename__ = "sender"
    __table_args__ = (PrimaryKeyConstraint("project_id", "name"),)
    project_id: int
    name: str
    first_seen: int = _big()
    last_seen: int = _big()
    accepted: int = _big(default=0)
    rejected: int = _big(default=0)
    duplicates: int = _big(default=0)
    lost: int = _big(default=0, sa_column_kwargs={"server_default": "0"})
    dialects: dict[str, int] | None = Field(default=None, sa_type=Json)
    unmapped: dict[str, int] | None = Field(default=None, sa_type=Json)


class DirtyBlock(SQLModel, table=True):
    """An hour or day whose profiles no longer match its calls; `since` is when it first became so."""

    __tablename__ = "dirty_block"
    __table_args__ = (PrimaryKeyConstraint("project_id", "length", "start"),)
    project_id: int
    length: str
    start: int = _big()
    since: int = _big()


class Profile(SQLModel, table=True):
    """Mergeable aggregate of one signal in one block and segment; `monitor.profile` has its algebra."""

    __tablename__ = "profile"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "length", "dimension", "value", "signal", "start"),
        Index("profile_block", "project_id", "length", "start"),
    )
    project_id: int
    length: str
    dimension: str
    value: str
    signal: str
    start: int = _big()
    kind: str
    n: int = _big()
    users: int = _big()
    total: float | None = None
    total_square: float | None = None
    user_total: float | None = None
    user_total_square: float | None = None
    sketch: bytes | None = Field(default=None, sa_type=LargeBinary)


class Segment(SQLModel, table=True):
    """Which segments exist, since when, and how large they are: the filter's options, and what appeared when."""

    __tablename__ = "segment"
    __table_args__ = (PrimaryKeyConstraint("project_id", "dimension", "value"),)
    project_id: int
    dimension: str
    value: str
    first_seen: int = _big()
    last_seen: int = _big()


class Verdict(SQLModel, table=True):
    """The answer of one indicator for one stream and window."""

    __tablename__ = "verdict"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "indicator", "signal", "dimension", "value", "start"),
        Index("verdict_start", "project_id", "start"),
        Index("verdict_computed", "project_id", "computed"),
    )
    project_id: int
    indicator: str
    signal: str
    dimension: str
    value: str
    start: int = _big()
    end: int = _big()
    window_start: int = _big()
    computed: int = _big()
    state: str
    reason: str = Field(sa_type=Text)
    number: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = _big()
    effective_n: float = 0.0
    baseline: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    detail: dict[str, Any] | None = Field(default=None, sa_type=Json)


class Detector(SQLModel, table=True):
    """The fast lane's memory of one stream, in blobs that `monitor.detectors.memory` reads; those of `form` `amount`,
    which are of calls and money an hour, `monitor.detectors.amount_lane`.

    `reached` is the newest hour that was looked at, `fitted` the day its baseline was made, `level` the probability of
    a false alarm in one look at it, `evidence` and `threshold` those of the newest hour (-log10 of probabilities).
    """

    __tablename__ = "detector"
    __table_args__ = (PrimaryKeyConstraint("project_id", "indicator", "signal", "dimension", "value"),)
    project_id: int
    indicator: str
    signal: str
    dimension: str
    value: str
    started: int = _big()
    fitted: int = _big()
    reached: int = _big()
    blocks: int = _big(default=0)
    level: float = 0.0
    evidence: float = 0.0
    threshold: float = 0.0
    state: bytes = Field(sa_type=LargeBinary)
    baseline: bytes = Field(sa_type=LargeBinary)
    form: str = Field(default="share", sa_column_kwargs={"server_default": "share"})


class DeclaredTime(SQLModel, table=True):
    """What people said of a time: an incident or a holiday in [start, until), or that baselines begin anew at `start`.

    The latter holds for a segment (all streams where it is empty), or for the streams of an incident. `removed` is
    when somebody took it back.
    """

    __tablename__ = "declared_time"
    __table_args__ = (PrimaryKeyConstraint("project_id", "id"),)
    project_id: int
    id: int = _big()
    kind: str
    start: int = _big()
    until: int | None = _big(default=None)
    reason: str = Field(sa_type=Text)
    dimension: str = ""
    value: str = ""
    incident_id: int | None = _big(default=None)
    made: int = _big()
    made_by: str = ""
    removed: int | None = _big(default=None)


class Allowance(SQLModel, table=True):
    """How much of the alarm budget a lane may have spent on a day: judgements, and the false alarms they may cost."""

    __tablename__ = "allowance"
    __table_args__ = (PrimaryKeyConstraint("project_id", "lane", "day"),)
    project_id: int
    lane: str
    day: int = _big()
    looks: int = _big(default=0)
    spent: float = 0.0


class Incident(SQLModel, table=True):
    """One trouble as people see it: alerts that began together."""

    __tablename__ = "incident"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "id"),
        Index("incident_state", "project_id", "state"),
    )
    project_id: int
    id: int = _big()
    state: str
    severity: str
    title: str = Field(sa_type=Text)
    since: int = _big()
    opened: int = _big()
    resolved: int | None = _big(default=None)
    detail: dict[str, Any] | None = Field(default=None, sa_type=Json)


class Alert(SQLModel, table=True):
    """A stream in trouble: at most one open alert for each indicator, signal and segment."""

    __tablename__ = "alert"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "id"),
        Index("alert_stream", "project_id", "indicator", "signal", "dimension", "value"),
        Index("alert_incident", "project_id", "incident_id"),
    )
    project_id: int
    id: int = _big()
    incident_id: int | None = _big(default=None)
    indicator: str
    signal: str
    dimension: str
    value: str
    state: str
    severity: str
    since: int = _big()
    opened: int = _big()
    changed: int = _big()
    resolved: int | None = _big(default=None)
    marked_false: int | None = _big(default=None)
    marked_by: str | None = None
    streak: int = 0
    detail: dict[str, Any] | None = Field(default=None, sa_type=Json)


class Explanation(SQLModel, table=True):
    """Why an alert fired: `data` is `monitor.explain.records.Explanation` as of `made`."""

    __tablename__ = "explanation"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "alert_id"),
        Index("explanation_incident", "project_id", "incident_id"),
    )
    project_id: int
    alert_id: int = _big()
    incident_id: int = _big()
    made: int = _big()
    data: dict[str, Any] = Field(sa_type=Json)


class Notification(SQLModel, table=True):
    """The outbox: what was to be said through which channel, and how that went."""

    __tablename__ = "notification"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "id"),
        Index("notification_due", "state", "due"),
    )
    project_id: int
    id: int = _big()
    incident_id: int | None = _big(default=None)
    channel: str
    kind: str
    key: str
    subject: str
    text: str = Field(sa_type=Text)
    html: str = Field(sa_type=Text)
    data: dict[str, Any] | None = Field(default=None, sa_type=Json)
    state: str
    created: int = _big()
    due: int = _big()
    attempts: int = 0
    delivered: int | None = _big(default=None)
    note: str = ""


class FairnessScan(SQLModel, table=True):
    """The comparisons of one week between groups: `data` is `monitor.queries.fairness.Scan`."""

    __tablename__ = "fairness_scan"
    __table_args__ = (PrimaryKeyConstraint("project_id", "start"),)
    project_id: int
    start: int = _big()
    made: int = _big()
    data: dict[str, Any] = Field(sa_type=Json)


class Judgement(SQLModel, table=True):
    """What a judge was asked of one call, and how that ended; what it said stands in `feedback`.

    `digest` is that of the whole prompt with model and version: the same question is answered from here.
    """

    __tablename__ = "judgement"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "judge", "id"),
        Index("judgement_digest", "project_id", "digest"),
        Index("judgement_made", "made"),
    )
    project_id: int
    judge: str
    id: int = _big()
    version: int
    model: str
    prompt: str
    digest: bytes = Field(sa_type=LargeBinary)
    made: int = _big()
    state: str
    attempts: int = Field(default=1, sa_type=SmallInteger)
    value: float | None = None
    cost_usd: float = 0.0
    note: str = ""


class JudgePrompt(SQLModel, table=True):
    """The text of a judge's prompt, by its digest: what every judgement was asked with."""

    __tablename__ = "judge_prompt"
    digest: str = Field(primary_key=True)
    judge: str
    version: int
    text: str = Field(sa_type=Text)
    first_used: int = _big()


class ThemeRun(SQLModel, table=True):
    """The newest search for themes in the complaints of a project: what it read, and how stable its themes are."""

    __tablename__ = "theme_run"
    project_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    made: int = _big()
    start: int = _big()
    recent: int = _big()
    comments: int
    complaints: int
    stability: float
    seen: bytes = Field(sa_type=LargeBinary)


class Theme(SQLModel, table=True):
    """One theme of complaints; texts are not copied: `quotes` and table `theme_comment` name rows of `feedback`."""

    __tablename__ = "theme"
    __table_args__ = (PrimaryKeyConstraint("project_id", "id"),)
    project_id: int
    id: int = _big()
    name: str
    state: str
    first_found: int = _big()
    complaints: int
    users: int
    recent: int
    earlier: int
    weeks: list[int] = Field(sa_type=Json)
    quotes: list[int] = Field(sa_type=Json)
    segments: list[dict[str, Any]] = Field(sa_type=Json)


class ThemeComment(SQLModel, table=True):
    """Which theme a comment belongs to."""

    __tablename__ = "theme_comment"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "feedback_id"),
        Index("theme_comment_theme", "project_id", "theme", "feedback_id"),
    )
    project_id: int
    feedback_id: int = _big()
    theme: int = _big()


class ReviewedHour(SQLModel, table=True):
    """An hour whose conversations were looked through for implicit signals, and how many calls it had then.

    `following` is the number of calls of the hour after, into which conversations go on.
    """

    __tablename__ = "reviewed_hour"
    __table_args__ = (PrimaryKeyConstraint("project_id", "start"),)
    project_id: int
    start: int = _big()
    calls: int = _big()
    following: int = _big()


class Adoption(SQLModel, table=True):
    """Who used the application in a closed day, week or month, in numbers.

    `newcomers` had never been seen before. `kept` is, for a week, how many of its newcomers came back in each week
    after it. `sample` holds the smallest hashes of the day's users, and `rate` the share of all users they stand for.
    """

    __tablename__ = "adoption"
    __table_args__ = (PrimaryKeyConstraint("project_id", "length", "start"),)
    project_id: int
    length: str
    start: int = _big()
    calls: int = _big()
    sessions: int = _big()
    users: float
    newcomers: float
    kept: list[float] | None = Field(default=None, sa_type=Json)
    rate: float = 1.0
    sample: bytes | None = Field(default=None, sa_type=LargeBinary)


class JobRun(SQLModel, table=True):
    """One slot of a job: the unique key is the lease, so that each slot runs once whatever the number of processes."""

    __tablename__ = "job_run"
    __table_args__ = (PrimaryKeyConstraint("job", "slot"), Index("job_run_started", "job", "started"))
    job: str
    slot: int = _big()
    process: str
    started: int = _big()
    heartbeat: int = _big()
    finished: int | None = _big(default=None)
    done: int = _big(default=0)
    state: str
    note: str = Field(default="", sa_type=Text)


class Value(SQLModel, table=True):
    """Small facts of the installation: the secret key, marks of how far something got."""

    __tablename__ = "value"
    name: str = Field(primary_key=True)
    data: str = Field(sa_type=Text)


class ApiKey(SQLModel, table=True):
    """A write-only key for senders or a key that may read; only its hash is kept."""

    __tablename__ = "api_key"
    prefix: str = Field(primary_key=True)
    digest: bytes = Field(sa_type=LargeBinary)
    project: str
    scope: str
    note: str = ""
    created: int = _big()
    last_used: int | None = _big(default=None)
    revoked: int | None = _big(default=None)


class Account(SQLModel, table=True):
    """A person who may log in."""

    __tablename__ = "account"
    name: str = Field(primary_key=True)
    digest: str
    created: int = _big()
    disabled: int | None = _big(default=None)


class Login(SQLModel, table=True):
    """A login session; only the hash of its token is kept."""

    __tablename__ = "login"
    digest: bytes = Field(primary_key=True, sa_type=LargeBinary)
    account: str
    created: int = _big()
    expires: int = _big()

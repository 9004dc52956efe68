"""What pages and the API ask of the calls: on both databases, over data with every kind of segment and nasty texts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings
from sqlalchemy import event, text

from monitor import tables
from monitor.clock import BlockLength, to_microseconds
from monitor.contracts import Kind, Segment
from monitor.errors import InputError, NotFound
from monitor.identifiers import new_id, pack_identifier
from monitor.queries import calls, options
from monitor.queries.calls import CallPage, CallRow, find_calls, neighbours
from monitor.queries.conditions import CallFilter, SignalCondition, parse_conditions
from monitor.queries.feedback import comments, feedback_series
from monitor.queries.masked import masked_lately
from monitor.queries.traces import buckets, call_of, trace_of
from monitor.queries.usage import usage, usage_by
from monitor.records import Message, Span, Tokens
from monitor.rows import body_row, span_row
from monitor.store import Store, table_of
from tests.synthetic import DAYS, HOSTILE, START, fill

END = START + timedelta(days=DAYS)
CALLS = 400


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store on both engines that the tests of this file only read."""
    server = None
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("filled") / "store.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        url = f"sqlite:///{path}"
    else:
        server = request.getfixturevalue("postgres_server")
        url = server.database()
    opened = Store(url)
    yield opened
    opened.close()
    if server is not None:
        server.drop(url)


@pytest.fixture(scope="module")
def filled(shared: Store) -> int:
    """A project in it with 400 calls over eight weeks, a third of them hostile."""
    return fill(shared, CALLS, hostile=True)


def everything(store: Store, project: int, wanted: CallFilter, limit: int = 50) -> list[CallRow]:
    """All pages of a list after each other."""
    rows: list[CallRow] = []
    before = None
    for _ in range(2000):
        page = find_calls(store, project, wanted, before=before, limit=limit)
        rows += page.rows
        if page.following is None:
            return rows
        assert before is None or page.following < before
        before = page.following
    raise AssertionError("the list never ends")


def span(number: int, **fields: Any) -> Span:
    """A span of a test's own."""
    given = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}", "time": START + timedelta(seconds=number)}
    return Span(**{**given, **fields})


def put(store: Store, project: int, spans: list[Span]) -> list[int]:
    """Stores spans as ingest does."""
    ids = [new_id(one.time) for one in spans]
    pairs = list(zip(ids, spans, strict=True))
    bodies = [row for identifier, one in pairs if (row := body_row(project, identifier, one))]
    with store.write() as connection:
        rows = [span_row(project, identifier, one, 0) for identifier, one in pairs]
        store.insert_encoded(connection, tables.Span, rows)
        store.insert_encoded(connection, tables.Body, bodies)
    return ids


def say(store: Store, project: int, number: int, **fields: Any) -> None:
    """Stores a feedback."""
    row = {
        "project_id": project,
        "id": number,
        "identity": number.to_bytes(8, "big"),
        "time": to_microseconds(START) + number,
        "received": 0,
        "flag": 0,
        "annotator": "human",
        "name": "rating",
        **fields,
    }
    with store.write() as connection:
        store.insert(connection, tables.Feedback, [row])


# Lists


def test_pages_neither_skip_nor_repeat(shared: Store, filled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = everything(shared, filled, CallFilter(), limit=CALLS + 1)
    assert len(rows) == CALLS
    conditions: list[tuple[str, Callable[[CallRow], bool]]] = [
        ("", lambda row: True),
        ("refusal:true", lambda row: row.signals["refusal"] is True),
        ("format:code", lambda row: row.signals["format"] == "code"),
        ("latency_s:1..2", lambda row: 1 <= (row.latency_s or 0) <= 2),
        ("format:list;truncated:false", lambda row: row.signals["format"] == "list" and not row.signals["truncated"]),
    ]

    @hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        limit=strategies.integers(7, 120),
        scan=strategies.integers(15, 300),
        step=strategies.integers(5, 90),
        which=strategies.sampled_from(conditions),
        begin=strategies.integers(0, DAYS * 24),
        hours=strategies.integers(1, DAYS * 24),
        search=strategies.sampled_from(["", "INVOICE", "refund policy of"]),
    )
    def check(limit: int, scan: int, step: int, which: Any, begin: int, hours: int, search: str) -> None:
        for name, value in {"SCAN_LIGHT": scan, "SCAN_HEAVY": scan, "SCAN_TEXT": scan, "_FIRST_STEP": step}.items():
            monkeypatch.setattr(calls, name, value)
        monkeypatch.setattr(calls, "_TEXT_STEP", step)
        start, end = START + timedelta(hours=begin), START + timedelta(hours=begin + hours)
        wanted = CallFilter(start=start, end=end, signals=parse_conditions(which[0]), text=search)
        found = [row.id for row in everything(shared, filled, wanted, limit=limit)]
        expected = [
            row.id
            for row in rows
            if start <= row.time < end and which[1](row) and _has(shared, filled, row, search.casefold())
        ]
        assert found == expected

    texts: dict[int, str] = {}

    def _has(shared: Store, project: int, row: CallRow, needle: str) -> bool:
        if row.id not in texts:
            body = call_of(shared, project, row.trace_id, row.span_id).body
            texts[row.id] = "\n".join((*(one.content for one in body.prompt), body.response, *body.context)).casefold()
        return needle in texts[row.id]

    check()


def test_new_calls_do_not_shift_the_pages(store: Store) -> None:
    filled = fill(store, 60)
    first = find_calls(store, filled, CallFilter(), limit=10)
    put(store, filled, [span(10**6, time=END)])
    second = find_calls(store, filled, CallFilter(), before=first.following, limit=10)
    assert not {row.id for row in first.rows} & {row.id for row in second.rows}
    assert len({row.id for row in (*first.rows, *second.rows)}) == 20


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (Segment("model", "gpt-4-0613"), lambda row: row.model == "gpt-4-0613"),
        (Segment("model_family", "gpt-4"), lambda row: row.model.startswith("gpt-4-")),
        (Segment("feature", "search"), lambda row: row.feature == "search"),
        (Segment("language", "pl"), lambda row: row.signals["language"] == "pl"),
        (Segment("tag.plan", "pro"), lambda row: row.tags["plan"] == "pro"),
        (Segment("tag.beta", "True"), lambda row: row.tags["beta"] is True),
        (Segment("tag.seats", "2"), lambda row: row.tags["seats"] == 2),
        (Segment("tag.none", "2"), lambda row: False),
        (
            Segment("model_family+feature", "gpt-4 + support"),
            lambda row: row.model.startswith("gpt-4-") and row.feature == "support",
        ),
        (
            Segment("tag.plan+language", "free + de"),
            lambda row: (row.tags["plan"], row.signals["language"]) == ("free", "de"),
        ),
        (Segment("feature", "(other)"), lambda row: False),
        (Segment("feature", "' OR 1=1 --"), lambda row: False),
        (Segment('tag."x', "1"), lambda row: False),
        (Segment("feature", "a\0b"), lambda row: False),
        (Segment("a+b", "no separator"), lambda row: False),
    ],
)
def test_segments(shared: Store, filled: int, segment: Segment, expected: Callable[[CallRow], bool]) -> None:
    rows = everything(shared, filled, CallFilter(), limit=CALLS)
    found = everything(shared, filled, CallFilter(segment=segment))
    assert [row.id for row in found] == [row.id for row in rows if expected(row)]


def test_other_is_what_no_listed_value_covers(store: Store) -> None:
    filled = fill(store, 60)
    put(store, filled, [span(10**6, feature="rare"), span(10**6 + 1)])
    found = everything(store, filled, CallFilter(segment=Segment("feature", "(other)")))
    assert [row.feature for row in found] == ["rare"]


def test_a_model_that_did_not_answer_is_the_one_asked_for(store: Store) -> None:
    filled = fill(store, 60)
    put(store, filled, [span(10**6, requested_model="o9-mini", status="error")])
    found = everything(store, filled, CallFilter(segment=Segment("model", "o9-mini")))
    assert [row.model for row in found] == ["o9-mini"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("refusal", lambda row: row.signals["refusal"]),
        ("refusal:false", lambda row: not row.signals["refusal"]),
        ("error", lambda row: row.status == "error"),
        ("error:false", lambda row: row.status == "ok"),
        ("calls", lambda row: True),
        ("cost_usd:..", lambda row: row.cost_usd is not None),
        ("cost_usd:0.01..", lambda row: (row.cost_usd or 0) >= 0.01),
        ("format:prose", lambda row: row.signals["format"] == "prose"),
        ("format:1..2", lambda row: False),
        ("format:..", lambda row: True),
        ("response_characters", lambda row: True),
        ("response_characters:100..200", lambda row: 100 <= row.signals["response_characters"] <= 200),
        ("latency_s:..0.5", lambda row: (row.latency_s or 9) <= 0.5),
        ("finish_reason:1..2", lambda row: False),
        ("language:de", lambda row: row.signals["language"] == "de"),
        ("language:..", lambda row: True),
        ("language:1..2", lambda row: False),
        ("finish_reason:error", lambda row: row.finish_reason == "error"),
        ("nothing_like_it:true", lambda row: False),
        ("nothing_like_it:..5", lambda row: False),
        ("latency_s:fast", lambda row: False),
    ],
)
def test_conditions(shared: Store, filled: int, condition: str, expected: Callable[[CallRow], bool]) -> None:
    rows = everything(shared, filled, CallFilter(), limit=CALLS)
    found = everything(shared, filled, CallFilter(signals=parse_conditions(condition)))
    assert [row.id for row in found] == [row.id for row in rows if expected(row)]


@pytest.mark.parametrize(
    "text", ["refusal:true", "latency_s:2..5", "latency_s:..5", "latency_s:-0.5..", "a:..", "b", "c:x y"]
)
def test_a_condition_reads_back_as_written(text: str) -> None:
    assert str(SignalCondition.parse(text)) == text


@pytest.mark.parametrize("text", [":", ":x", 'a"b:1', ";;:2", "x" * 200])
def test_malformed_conditions_are_refused_in_words(text: str) -> None:
    with pytest.raises(InputError, match="is not a condition"):
        parse_conditions(text)


def test_feedback_of_calls_traces_and_sessions(store: Store, project: int) -> None:
    ids = put(store, project, [span(number, session_id=f"s{number % 2}") for number in range(4)])
    say(store, project, 1, trace_id=pack_identifier(f"{0:032x}"), span_id=pack_identifier(f"{0:016x}"), value=4.0)
    say(store, project, 2, trace_id=pack_identifier(f"{1:032x}"), value=2.0)
    say(store, project, 3, session_id=pack_identifier("s1"), name="csat", label="angry")
    say(store, project, 4, trace_id=pack_identifier(f"{3:032x}"), name="thumb", flag=1, value=0.0, comment="no")

    def found(condition: str) -> set[int]:
        rows = everything(store, project, CallFilter(signals=parse_conditions(condition)))
        return {ids.index(row.id) for row in rows}

    assert found("feedback.rating") == {0, 1}
    assert found("feedback.rating:3..") == {0}
    assert found("feedback.rating:2") == {1}
    assert found("feedback.csat:angry") == {1, 3}
    assert found("feedback.thumb:false") == {3}
    assert found("feedback.thumb:true") == set()
    detail = call_of(store, project, f"{3:032x}", f"{3:016x}")
    assert {note.name for note in detail.feedback} == {"csat", "thumb"}


def test_a_search_says_how_far_it_got(shared: Store, filled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "SCAN_TEXT", 200)
    monkeypatch.setattr(calls, "_TEXT_STEP", 100)
    page = find_calls(shared, filled, CallFilter(text="no call says this"))
    assert page.rows == ()
    assert page.examined == 200
    assert page.searched_back_to is not None
    assert START < page.searched_back_to < END
    everywhere = everything(shared, filled, CallFilter(text="NUMBER 12?"))
    assert [row.span_id for row in everywhere] == [f"{12:016x}"]


def test_status_user_and_session(shared: Store, filled: int) -> None:
    rows = everything(shared, filled, CallFilter(), limit=CALLS)
    assert {row.status for row in everything(shared, filled, CallFilter(status="error"))} == {"error"}
    user = rows[5].user
    assert {row.user for row in everything(shared, filled, CallFilter(user=user))} == {user}
    session = everything(shared, filled, CallFilter(session="session-7"))
    assert [row.session_id for row in session] == ["session-7"] * 4


def test_hostile_texts_come_back_as_they_were(shared: Store, filled: int) -> None:
    row = next(row for row in everything(shared, filled, CallFilter(text="alert(2)")) if "number 0?" in row.prompt)
    detail = call_of(shared, filled, row.trace_id, row.span_id)
    assert detail.body.prompt[1].content == f"{HOSTILE} number 0?"


def test_previews_are_one_short_line(store: Store, project: int) -> None:
    put(store, project, [span(1, prompt=(Message("user", "a\n\n b " * 500),), response="x" * 5000), span(2)])
    short, long = find_calls(store, project, CallFilter()).rows
    assert (short.prompt, short.response) == ("", "")
    assert len(long.prompt) <= 200
    assert "\n" not in long.prompt
    assert long.response.endswith("…")


def test_only_calls_are_listed(store: Store, project: int) -> None:
    put(store, project, [span(1), span(2, kind="tool"), span(3, kind="chain")])
    assert [row.span_id for row in find_calls(store, project, CallFilter()).rows] == [f"{1:016x}"]


# One call, one trace


def test_neighbours_follow_the_filter(shared: Store, filled: int) -> None:
    wanted = CallFilter(signals=parse_conditions("refusal:true"))
    found = everything(shared, filled, wanted)
    newer, older = neighbours(shared, filled, wanted, found[1].id)
    assert newer is not None
    assert older is not None
    assert (newer.id, older.id) == (found[0].id, found[2].id)
    assert neighbours(shared, filled, wanted, found[0].id)[0] is None
    assert neighbours(shared, filled, wanted, found[-1].id)[1] is None


def test_a_call_whole(store: Store, project: int) -> None:
    tokens = Tokens(input_uncached=10, input_cache_read=90, output_text=5, output_reasoning=7, rule="inclusive")
    call = span(
        1,
        tokens=tokens,
        response="Yes.",
        cost_usd=0.25,
        context=("a", "b"),
        masked={"email": 2},
        attributes={"x.y": [1]},
    )
    put(store, project, [call])
    detail = call_of(store, project, call.trace_id, call.span_id)
    assert detail.tokens == tokens
    assert buckets(detail.tokens) == {"input": 10, "input, read from cache": 90, "output": 5, "output, reasoning": 7}
    assert detail.sender_cost_usd == 0.25
    assert detail.row.cost_usd is None
    assert detail.body.context == ("a", "b")
    assert detail.body.attributes == {"x.y": [1]}
    assert detail.row.masked == {"email": 2}
    assert not detail.enriched


def test_what_is_not_there_is_not_found(shared: Store, filled: int) -> None:
    with pytest.raises(NotFound):
        call_of(shared, filled, "nope", "nope")
    with pytest.raises(NotFound):
        trace_of(shared, filled, "nope")
    with pytest.raises(NotFound):
        call_of(shared, filled + 1, f"{0:032x}", f"{0:016x}")


def test_a_large_trace_is_paged_in_the_order_of_its_tree(store: Store, project: int) -> None:
    spans = [span(1, span_id="root", trace_id="t", kind="agent")]
    for number in range(2, 3002):
        parent = "root" if number % 10 == 2 else f"n{number - 1}"
        spans.append(span(number, span_id=f"n{number}", trace_id="t", parent_id=parent, kind="tool"))
    spans.append(span(5000, span_id="lost", trace_id="t", parent_id="never came"))
    spans += [span(5001 + i, span_id=f"c{i}", trace_id="t", parent_id=f"c{1 - i}") for i in range(2)]
    put(store, project, spans)
    nodes = []
    offset = 0
    while True:
        part = trace_of(store, project, "t", offset=offset, limit=700)
        assert (part.total, part.capped) == (len(spans), False)
        nodes += part.nodes
        offset += 700
        if offset >= part.total:
            break
    assert sorted(node.span_id for node in nodes) == sorted(one.span_id for one in spans)
    assert [node.span_id for node in nodes[:4]] == ["root", "n2", "n3", "n4"]
    assert [node.depth for node in nodes[:4]] == [0, 1, 2, 3]
    assert nodes[0].children == 300
    assert [node.span_id for node in nodes if node.orphan][:1] == ["lost"]


# Usage, feedback, options


def test_usage_adds_up(shared: Store, filled: int) -> None:
    rows = everything(shared, filled, CallFilter(), limit=CALLS)
    total = usage(shared, filled, BlockLength.DAY, START, END).total
    assert total.calls == CALLS
    assert total.errors == sum(row.status == "error" for row in rows)
    assert total.input_tokens == sum(row.input_tokens or 0 for row in rows)
    assert total.cost_usd == pytest.approx(sum(row.cost_usd or 0 for row in rows))
    assert total.unpriced == sum(row.cost_usd is None for row in rows) > 0
    latencies = sorted(row.latency_s or 0 for row in rows)
    assert total.latency.p50 == pytest.approx(latencies[CALLS // 2], rel=0.03)
    assert total.latency.p99 == pytest.approx(latencies[int(CALLS * 0.99) - 1], rel=0.03)
    half = usage(shared, filled, BlockLength.DAY, START, START + timedelta(days=28))
    assert len(half.points) == 28
    assert sum(point.calls for point in half.points) == half.total.calls


def test_usage_by_dimension(shared: Store, filled: int) -> None:
    parts = usage_by(shared, filled, BlockLength.DAY, START, END, dimension="model")
    assert sum(part.total.calls for part in parts) == CALLS
    assert [part.total.calls for part in parts] == sorted((part.total.calls for part in parts), reverse=True)
    unknown = next(part for part in parts if part.segment.value == "gpt-3.5-turbo-0301")
    assert unknown.total.cost_usd is None
    assert unknown.total.cost_per_call is None
    within = usage_by(
        shared, filled, BlockLength.DAY, START, END, dimension="feature", within=Segment("model_family", "gpt-4")
    )
    assert {part.segment.dimension for part in within} == {"model_family+feature"}
    assert sum(part.total.calls for part in within) == CALLS * 4 // 5
    unsliced = usage_by(
        shared, filled, BlockLength.DAY, START, END, dimension="model", within=Segment("language", "de")
    )
    assert unsliced == ()


def test_nothing_reported_is_not_zero(store: Store, project: int) -> None:
    total = usage(store, project, BlockLength.DAY, START, END).total
    assert (total.calls, total.errors, total.cost_usd, total.input_tokens) == (0, None, None, None)
    assert total.error_share is None


def test_feedback_by_name_and_comments(shared: Store, filled: int) -> None:
    (series,) = feedback_series(shared, filled, BlockLength.DAY, START, END)
    assert (series.name, series.kind, series.total.n) == ("thumb", Kind.FLAG, CALLS // 5)
    found = []
    before = None
    while True:
        page = comments(shared, filled, START, END, before=before, limit=5)
        found += page.notes
        if page.following is None:
            break
        before = page.following
    assert len(found) == len({note.id for note in found}) == CALLS // 50
    assert [note.time for note in found] == sorted((note.time for note in found), reverse=True)
    narrowed = comments(shared, filled, START, END, segment=Segment("feature", "search")).notes
    expected = {row.span_id for row in everything(shared, filled, CallFilter(segment=Segment("feature", "search")))}
    assert [note.id for note in narrowed] == [note.id for note in found if note.span_id in expected]
    assert comments(shared, filled, START, END, name="other").notes == ()


def test_a_comment_on_a_trace_leads_to_its_call(store: Store, project: int) -> None:
    put(store, project, [span(1, trace_id="t", session_id="s")])
    say(store, project, 1, trace_id=pack_identifier("t"), comment="on the trace")
    say(store, project, 2, session_id=pack_identifier("s"), comment="on the session")
    notes = comments(store, project, START, END, segment=Segment()).notes
    assert [(note.comment, note.span_id) for note in notes] == [
        ("on the session", f"{1:016x}"),
        ("on the trace", f"{1:016x}"),
    ]


def test_masks_are_counted_by_kind(shared: Store, filled: int) -> None:
    masked = masked_lately(shared, filled, START, END)
    assert masked.kinds == {"email": CALLS // 10}
    assert (masked.calls, masked.looked_at, masked.complete) == (CALLS // 10, CALLS, True)


def test_options(store: Store) -> None:
    filled = fill(store, 60)
    found = options.segments(store, filled)
    assert [option.segment.value for option in found["feature"]] == ["search", "summaries", "support"]
    assert options.earliest(store, filled) == START
    latest = options.latest(store, filled)
    assert latest is not None
    assert latest == find_calls(store, filled, CallFilter(), limit=1).rows[0].time
    with store.write() as connection:
        waiting = [{"project_id": filled, "id": number, "received": 7 - number} for number in range(3)]
        store.insert(connection, tables.Pending, waiting)
    fresh = options.freshness(store, filled)
    assert (fresh.pending, fresh.pending_is_capped) == (3, False)
    assert to_microseconds(fresh.pending_since) == 5  # type: ignore[arg-type]
    assert options.latest(store, filled + 1) is None
    assert [project.name for project in options.projects(store)] == ["default"]


# Speed: every statement finds its rows by an index, and lists read the texts of their page only

LARGE = ("span", "body", "enrichment", "feedback", "profile", "verdict")


@contextmanager
def watched(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are sent meanwhile, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append((statement, parameters))

    event.listen(store.reader, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(store.reader, "before_cursor_execute", note)


def plan(store: Store, statement: str, parameters: Any) -> str:
    """How the database means to answer a statement, where it must not scan if it can help it."""
    with store.read() as connection:
        if store.is_sqlite:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            return "\n".join(str(row[3]) for row in rows)
        connection.execute(text("SET enable_seqscan = off"))
        try:
            return "\n".join(str(row[0]) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))
        finally:
            connection.execute(text("RESET enable_seqscan"))


def listed(**wanted: Any) -> Callable[[Store, int], object]:
    """A list of calls of the whole range."""
    return lambda store, project: find_calls(store, project, CallFilter(START, END, **wanted))


ASKED: dict[str, Callable[[Store, int], object]] = {
    "newest": listed(),
    "model": listed(segment=Segment("model", "gpt-4-0314")),
    "tag": listed(segment=Segment("tag.plan", "pro")),
    "pair": listed(segment=Segment("model_family+feature", "gpt-4 + search")),
    "signals": listed(signals=parse_conditions("refusal;latency_s:1..")),
    "feedback": listed(signals=parse_conditions("feedback.thumb:false")),
    "text": listed(text="invoice"),
    "session": listed(session="session-3"),
    "call": lambda store, project: call_of(store, project, f"{3:032x}", f"{6:016x}"),
    "trace": lambda store, project: trace_of(store, project, f"{3:032x}"),
    "usage": lambda store, project: usage(store, project, BlockLength.DAY, START, END),
    "usage by": lambda store, project: usage_by(store, project, BlockLength.DAY, START, END, dimension="model"),
    "feedback series": lambda store, project: feedback_series(store, project, BlockLength.DAY, START, END),
    "comments": lambda store, project: comments(store, project, START, END, segment=Segment("feature", "search")),
    "masked": lambda store, project: masked_lately(store, project, START, END),
    "options": lambda store, project: (options.freshness(store, project), options.segments(store, project)),
}


@pytest.mark.parametrize("name", ASKED)
def test_large_tables_are_read_by_index(shared: Store, filled: int, name: str) -> None:
    with watched(shared) as seen:
        ASKED[name](shared, filled)
    assert seen
    for statement, parameters in seen:
        for line in plan(shared, statement, parameters).splitlines():
            words = line.replace("AS ", "").split()
            if shared.is_sqlite and words and words[0] == "SCAN":
                assert words[1] not in LARGE, (statement, line)
            if "Seq Scan" in line:
                assert line.split(" on ")[1].split()[0] not in LARGE, (statement, line)


def test_lists_read_the_texts_of_their_page_only(shared: Store, filled: int) -> None:
    with watched(shared) as seen:
        page: CallPage = find_calls(shared, filled, CallFilter(), limit=20)
    assert len(page.rows) == 20
    assert len(seen) < 8
    bodies = [parameters for statement, parameters in seen if " body" in statement]
    assert len(bodies) == 1
    assert len(bodies[0]) <= 21
    assert table_of(tables.Body).name == "body"

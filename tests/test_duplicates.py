"""A call that two libraries trace counts once, whatever the order and the batches; both spans stay in the trace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from monitor import tables
from monitor.clock import BlockLength
from monitor.contracts import WHOLE
from monitor.duplicates import forget, response_number
from monitor.enrich import enrich_pending
from monitor.ingest import Batch, Ingester
from monitor.ingest.call_record import read_call
from monitor.ingest.dialects import openinference
from monitor.ingest.raw_span import RawSpan
from monitor.profiles import refresh
from monitor.queries.calls import CallFilter, find_calls
from monitor.queries.series import read_profiles
from monitor.queries.traces import trace_of
from monitor.records import Message, Span, Tokens
from monitor.settings import Settings
from monitor.store import Store, table_of

TIME = datetime(2026, 3, 2, 10, tzinfo=UTC)
NOW = TIME + timedelta(minutes=5)


def span(
    name: str, source: str, number: str = "chatcmpl-abc", *, minutes: float = 0, told: bool = True, trace: str = "t1"
) -> Span:
    return Span(
        trace_id=trace,
        span_id=name,
        time=TIME + timedelta(minutes=minutes),
        model="gpt-4o-mini",
        provider="openai",
        prompt=(Message("user", "What is the capital of France?"),) if told else (),
        response="Paris." if told else "",
        tokens=Tokens(input_uncached=1_000, output_text=1_000) if told else Tokens(),
        source=source,
        attributes={"gen_ai.response.id": number} if number else {},
    )


FULL = span("full", "otlp openinference")
POOR = span("poor", "otlp traceloop", told=False)


def arrive(store: Store, settings: Settings, batches: Sequence[Sequence[Span]]) -> None:
    """Each batch comes in and gets its signals before the next."""
    ingester = Ingester(store, settings)
    for batch in batches:
        ingester.submit(Batch("default", batch), NOW)
        while enrich_pending(store, settings, NOW):
            pass
    ingester.close()
    refresh(store, settings, NOW)


def counted(store: Store) -> tuple[int, float]:
    """Calls and dollars as profiles have them."""
    project = store.project("default", 0)
    hour = read_profiles(store, project, BlockLength.HOUR, TIME, TIME + timedelta(hours=1), segments=[WHOLE])
    cost = hour.get((WHOLE, "cost_usd"), [])
    return hour[WHOLE, "calls"][0].profile.n, cost[0].profile.total if cost else 0.0


def kinds(store: Store) -> dict[str, str]:
    table = table_of(tables.Span)
    with store.read() as connection:
        rows = connection.execute(select(table.c.source, table.c.kind)).all()
    return {row.source: row.kind for row in rows}


@pytest.mark.parametrize("batches", [[[FULL, POOR]], [[POOR, FULL]], [[FULL], [POOR]], [[POOR], [FULL]]])
def test_one_call_counts_once(store: Store, settings: Settings, batches: list[list[Span]]) -> None:
    arrive(store, settings, batches)
    assert kinds(store) == {"otlp openinference": "llm", "otlp traceloop": "duplicate"}
    calls, cost = counted(store)
    assert calls == 1
    assert cost > 0
    project = store.project("default", 0)
    assert [row.span_id for row in find_calls(store, project, CallFilter()).rows] == ["full"]
    assert sorted(one.kind for one in trace_of(store, project, "t1").nodes) == ["duplicate", "llm"]
    enrichment, pending = table_of(tables.Enrichment), table_of(tables.Pending)
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(enrichment)).scalar() == 1
        assert connection.execute(select(func.count()).select_from(pending)).scalar() == 0


def test_of_three_libraries_one_counts_in_any_order(store: Store, settings: Settings) -> None:
    three = (FULL, POOR, span("third", "otlp langfuse", told=False, trace="t2"))
    for place, order in enumerate(permutations(three)):
        numbered = {"gen_ai.response.id": f"resp_{place}"}
        settled = [replace(one, span_id=f"{one.span_id}{place}", attributes=numbered) for one in order]
        arrive(store, settings, [[one] for one in settled])
    table = table_of(tables.Span)
    with store.read() as connection:
        rows = connection.execute(select(table.c.source).where(table.c.kind == "llm")).scalars()
        assert list(rows) == ["otlp openinference"] * 6
    assert counted(store)[0] == 6


@pytest.mark.parametrize(
    "other",
    [
        span("other", "otlp openinference"),
        span("other", "otlp traceloop", number="chatcmpl-other"),
        span("other", "otlp traceloop", number=""),
        span("other", "otlp traceloop", minutes=11),
    ],
    ids=["same library", "another number", "no number", "much later"],
)
def test_two_calls_stay_two(store: Store, settings: Settings, other: Span) -> None:
    arrive(store, settings, [[FULL], [other]])
    assert counted(store)[0] == 2


def test_a_cached_answer_counts_each_time_and_each_time_once(store: Store, settings: Settings) -> None:
    cached = [
        span(f"{source}{place}", f"otlp {source}", minutes=place, trace=f"t{place}")
        for place in range(3)
        for source in ("openinference", "traceloop")
    ]
    arrive(store, settings, [cached[:3], cached[3:]])
    assert counted(store)[0] == 3


def test_records_and_openinference_tell_the_number() -> None:
    record = read_call({"prompt": "Hello", "response_id": "resp_123456"}, NOW).span
    assert response_number(record) == "resp_123456"
    assert "response_id" not in record.tags
    output = '{"id":"chatcmpl-abcdef","choices":[{"message":{"content":"say \\"id\\": \\"msg_123456\\""}}]}'
    attributes = {"openinference.span.kind": "LLM", "output.value": output}
    raw = RawSpan("t", "s", "", "call", 1, 2, error=False, error_message="", attributes=attributes)
    assert response_number(openinference.decode(raw).span) == "chatcmpl-abcdef"


def test_numbers_are_forgotten(store: Store, settings: Settings) -> None:
    arrive(store, settings, [[FULL]])
    assert forget(store, NOW) == 0
    assert forget(store, NOW + timedelta(hours=1, minutes=1)) == 1
    assert response_number(FULL) == "chatcmpl-abc"
    assert not response_number(span("none", "otlp", number=""))

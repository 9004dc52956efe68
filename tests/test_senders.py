"""Who sends: counters, dialects, losses, rejects with reasons and unknown names are kept and shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from dashboards.app import Context, render
from monitor import tables
from monitor.ingest import Ingester, otlp
from monitor.ingest.batch import Rejection
from monitor.ingest.parcel import LOST_TAG
from monitor.ingest.records import call_batches
from monitor.ingest.senders import write_rejects
from monitor.queries.senders import Nested, nested_calls, read_rejects, read_senders, unmapped_names
from monitor.sdk import sender
from monitor.settings import Settings
from monitor.store import Store
from tests.conftest import NOW
from tests.telemetry import body_of, chat, otlp_span
from tests.test_pages import PAGES, check, failed, texts


def send(ingester: Ingester, *spans: Any, service: str = "shop", now: datetime = NOW) -> None:
    body = body_of(*spans, resource={"service.name": service})
    ingester.submit_all(list(otlp.read_traces(body, otlp.JSON, lambda name: name or "default")), now)


@pytest.fixture
def ingester(store: Store, settings: Settings) -> Ingester:
    return Ingester(store, settings)


def filled(ingester: Ingester) -> None:
    """Spans of two dialects, a duplicate, a bad span, a name nobody knows; call records whose SDK lost some."""
    openinference = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "secret.plan": "a text of someone"}
    send(ingester, otlp_span(1, chat()), otlp_span(2, openinference), otlp_span(3, chat() | {"gen_ai": 1}))
    send(ingester, otlp_span(1, chat()), otlp_span(4, {"input.value": "someone"}, startTimeUnixNano="7"))
    record = {"prompt": "Why?", "response": "So.", "model": "gpt-4o", "time": NOW.isoformat()}
    records = [record | {"tags": {"sdk.lost": 7, "plan": "pro"}}, record, record | {"input_tokens": "many"}]
    ingester.submit_all(call_batches(records, lambda name: name or "default", NOW, sender="llmops-monitor"), NOW)


def test_counters_dialects_and_losses_of_each_sender(ingester: Ingester, store: Store, project: int) -> None:
    filled(ingester)
    found = {row.name: row for row in read_senders(store, project).rows}
    shop, sdk = found["shop"], found["llmops-monitor"]
    assert (shop.accepted, shop.rejected, shop.duplicates, shop.lost) == (3, 1, 1, 0)
    assert shop.dialects == dict.fromkeys(("gen_ai", "openinference", "plain"), NOW)
    assert shop.unmapped == {"secret.plan": 1, "gen_ai": 1}
    assert (sdk.accepted, sdk.rejected, sdk.lost, sdk.dialects) == (2, 1, 7, {"call record": NOW})
    assert shop.last_seen == sdk.first_seen == NOW
    names = unmapped_names(list(found.values()))
    assert [(one.name, one.spans, one.senders) for one in names] == [
        ("gen_ai", 1, ("shop",)),
        ("secret.plan", 1, ("shop",)),
    ]


def test_a_name_that_is_known_to_be_unknown_is_counted_later(
    ingester: Ingester, store: Store, project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted() -> dict[str, dict[str, int]]:
        return {row.name: dict(row.unmapped) for row in read_senders(store, project).rows}

    for number in range(1, 4):
        send(ingester, otlp_span(number, chat() | {"plan": "x"}))
    assert counted() == {"shop": {"plan": 1}}
    send(ingester, otlp_span(4, chat() | {"plan": "x", "colour": "x"}))
    assert counted() == {"shop": {"plan": 4, "colour": 1}}
    send(ingester, otlp_span(5, chat() | {"plan": "x"}))
    send(ingester, otlp_span(6, chat() | {"plan": "x"}), service="other")
    assert counted() == {"shop": {"plan": 4, "colour": 1}, "other": {"plan": 1}}
    monkeypatch.setattr("monitor.ingest.senders._UNKNOWN_SECONDS", 0.0)
    send(ingester, otlp_span(7, chat()))
    assert counted() == {"shop": {"plan": 5, "colour": 1}, "other": {"plan": 1}}
    monkeypatch.undo()
    for number in (8, 9):
        send(ingester, otlp_span(number, chat() | {"plan": "x"}))
    assert counted()["shop"] == {"plan": 5, "colour": 1}
    ingester.close()
    assert counted() == {"shop": {"plan": 7, "colour": 1}, "other": {"plan": 1}}


def test_counts_that_were_not_committed_are_due_again(
    ingester: Ingester, store: Store, project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(ingester, otlp_span(1, chat() | {"plan": "x"}))
    with monkeypatch.context() as broken:
        broken.setattr("monitor.ingest.writer.write_feedback", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            send(ingester, otlp_span(2, chat() | {"plan": "x", "colour": "x"}))
    send(ingester, otlp_span(2, chat() | {"plan": "x", "colour": "x"}))
    assert dict(read_senders(store, project).rows[0].unmapped) == {"plan": 2, "colour": 1}


def test_senders_are_bounded_and_the_newest_come_first(store: Store, project: int) -> None:
    rows = [
        {"project_id": project, "name": f"sender {place}", "first_seen": place, "last_seen": place}
        for place in range(1, 8)
    ]
    with store.write() as connection:
        store.insert(connection, tables.Sender, [row | {"accepted": 1, "rejected": 0, "duplicates": 0} for row in rows])
    found = read_senders(store, project, limit=3)
    assert ([row.name for row in found.rows], found.whole) == (["sender 7", "sender 6", "sender 5"], 7)
    assert read_senders(store, project + 1).rows == ()


def test_rejects_come_in_pages_each_once(store: Store, project: int) -> None:
    for place in range(25):
        with store.write() as connection:
            rejected = [Rejection(0, f"reason {place}", shape="a: text(3)")]
            sender = "odd" if place % 2 else "even"
            write_rejects(store, connection, project, sender, rejected=rejected, now=NOW + timedelta(seconds=place))
    seen: list[str] = []
    before = None
    while True:
        page = read_rejects(store, project, before=before, limit=10)
        seen.extend(row.reason for row in page.rows)
        if not page.more:
            break
        before = page.rows[-1].id
    assert seen == [f"reason {place}" for place in reversed(range(25))]
    odd = read_rejects(store, project, sender="odd", limit=5)
    assert [row.reason for row in odd.rows] == [f"reason {place}" for place in (23, 21, 19, 17, 15)]
    assert odd.more
    assert not read_rejects(store, project, sender="nobody").rows


def shown(store: Store, settings: Settings, search: str = "") -> str:
    tree = render(PAGES["/senders"], Context(store, settings).request("/senders", search, NOW))
    check(tree)
    assert not failed(tree)
    return texts(tree)


def test_the_page_tells_who_sends_and_why_not_all_was_taken(
    ingester: Ingester, store: Store, settings: Settings, project: int
) -> None:
    filled(ingester)
    told = shown(store, settings)
    for part in ("shop", "llmops-monitor", "openinference", "call record", "secret.plan", "14.3% of what was sent"):
        assert part in told, part
    assert "input_tokens" in told
    assert "a text of someone" not in told
    assert "someone" not in told
    alone = shown(store, settings, "?sender=shop")
    assert "startTimeUnixNano" in alone or "is before 2000" in alone
    assert "Of all senders" in alone
    assert "There are none." in shown(store, settings, "?sender=nobody&before=5")


def test_the_page_of_a_project_whose_records_were_all_rejected(
    ingester: Ingester, store: Store, settings: Settings, project: int
) -> None:
    assert "Nobody has sent anything yet." in shown(store, settings)
    send(ingester, otlp_span(4, {}, startTimeUnixNano="7"))
    assert "Nobody has sent" not in (told := shown(store, settings))
    assert "100" in told


def test_a_sender_with_many_unknown_names_is_bounded(ingester: Ingester, store: Store, project: int) -> None:
    for start in range(0, 300, 100):
        attributes = {f"own.{start + place}": 1 for place in range(100)}
        send(ingester, otlp_span(start + 1, attributes | {"gen_ai.operation.name": "chat"}))
    (row,) = read_senders(store, project).rows
    assert len(row.unmapped) == 200
    assert len(unmapped_names([row], limit=50)) == 50


def test_calls_that_two_libraries_trace_are_told(
    ingester: Ingester, store: Store, settings: Settings, project: int
) -> None:
    send(ingester, otlp_span(1, chat()), otlp_span(2, chat(), traceId=f"{1:032x}", parentSpanId=f"{3:016x}"))
    assert nested_calls(store, project) == ()
    assert "Calls inside calls" not in shown(store, settings)
    send(ingester, otlp_span(4, chat(), traceId=f"{1:032x}", parentSpanId=f"{1:016x}"))
    agent = {"gen_ai.operation.name": "invoke_agent"}
    send(ingester, otlp_span(5, agent), otlp_span(6, chat(), traceId=f"{5:032x}", parentSpanId=f"{5:016x}"))
    assert nested_calls(store, project) == (Nested(1, "otlp test.scope 1.0", "otlp test.scope 1.0"),)
    assert "Calls inside calls" in shown(store, settings)


def test_when_a_dialect_was_heard_is_noted_once_an_hour(ingester: Ingester, store: Store, project: int) -> None:
    heard = []
    for minutes in (0, 30, 90, 91):
        send(ingester, otlp_span(minutes + 1, {"http.request.method": "GET"}), now=NOW + timedelta(minutes=minutes))
        (row,) = read_senders(store, project).rows
        heard.append((row.dialects["plain"] - NOW).total_seconds() / 60)
    assert heard == [0, 0, 90, 90]


def test_what_an_sdk_lost_is_counted_once_however_often_it_tells(
    ingester: Ingester, store: Store, project: int
) -> None:
    record = {"id": "one", "prompt": "Why?", "time": NOW.isoformat(), "tags": {sender.LOST_TAG: 5}}
    for value in (5, 5, "many", -3, True):
        told = record | {"tags": {sender.LOST_TAG: value}}
        ingester.submit_all(call_batches([told], lambda name: "default", NOW, sender="sdk"), NOW)
    (row,) = read_senders(store, project).rows
    assert (row.lost, row.accepted, row.duplicates) == (5, 1, 4)
    assert sender.LOST_TAG == LOST_TAG

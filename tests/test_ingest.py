"""Ingest: what is submitted is stored once, masked, bounded, and counted."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DataError, OperationalError

from monitor import tables
from monitor.errors import Busy, InputError, StoreError, Unavailable
from monitor.ingest import Batch, Ingester, Receipt, Rejection
from monitor.ingest.buffer import GroupCommit
from monitor.ingest.feedback import identity_of
from monitor.records import HIDDEN, Feedback, Message, Span, Tokens
from monitor.rows import feedback_of, span_of
from monitor.settings import Settings
from monitor.store import Store, table_of

NOW = datetime(2026, 3, 11, 12, 30, tzinfo=UTC)


def a_span(number: int = 1, **fields: Any) -> Span:
    values: dict[str, Any] = {
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "time": NOW - timedelta(seconds=number),
        "prompt": (Message("user", "What is a river?"),),
        "response": "Water that flows.",
        "tokens": Tokens(input_uncached=5, output_text=4),
    }
    return Span(**(values | fields))


@pytest.fixture
def ingester(store: Store, settings: Settings) -> Ingester:
    return Ingester(store, settings)


def count(store: Store, model: Any) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table_of(model))).scalar_one())


def stored_spans(store: Store) -> list[Span]:
    span, body = table_of(tables.Span), table_of(tables.Body)
    with store.read() as connection:
        bodies = {row.id: row for row in connection.execute(select(body))}
        spans = []
        for row in connection.execute(select(span).order_by(span.c.id)).mappings():
            text = bodies.get(row["id"])
            spans.append(span_of(row, text.codec if text else None, text.data if text else None))
        return spans


def stored_feedback(store: Store) -> list[Feedback]:
    table = table_of(tables.Feedback)
    with store.read() as connection:
        return [feedback_of(row) for row in connection.execute(select(table).order_by(table.c.id)).mappings()]


def rows_of(store: Store, model: Any) -> list[dict[str, Any]]:
    with store.read() as connection:
        return [dict(row) for row in connection.execute(select(table_of(model))).mappings()]


def test_a_span_comes_back_as_it_was_sent(store: Store, ingester: Ingester) -> None:
    span = a_span(
        kind="llm",
        name="chat gpt-4",
        parent_id="b" * 16,
        session_id="conversation 7",
        user="ann",
        provider="openai",
        model="gpt-4-0613",
        requested_model="gpt-4",
        environment="production",
        release="1.2.3",
        prompt_version="7",
        feature="prime",
        response_parts='[{"type":"tool_call"}]',
        context=("one document", "another"),
        reference=("water",),
        tokens=Tokens(input_uncached=10, input_cache_read=90, output_text=5, output_reasoning=7, rule="inclusive"),
        cost_usd=0.0125,
        latency_s=1.5,
        time_to_first_token_s=0.25,
        status="error",
        error="Timeout: too slow",
        finish_reason="length",
        service_tier="flex",
        tags={"plan": "pro", "seats": 3, "trial": False},
        attributes={"app.custom": {"deep": [1, 2.5, None]}},
        source="otlp",
    )
    receipt = ingester.submit(Batch("shop", [span], sender="web"), NOW)
    assert receipt == Receipt(accepted=1)
    (stored,) = stored_spans(store)
    assert stored.user != "ann"
    assert len(stored.user) == 16
    assert {name: getattr(stored, name) for name in Span.__struct_fields__ if name != "user"} == {
        name: getattr(span, name) for name in Span.__struct_fields__ if name != "user"
    }
    (row,) = rows_of(store, tables.Span)
    assert (row["input_tokens"], row["output_tokens"]) == (100, 12)


def test_only_calls_wait_for_enrichment(store: Store, ingester: Ingester) -> None:
    kinds = ("llm", "agent", "chain", "tool", "retriever", "embedding")
    ingester.submit(Batch("p", [a_span(number, kind=kind) for number, kind in enumerate(kinds, 1)]), NOW)
    assert count(store, tables.Span) == 6
    assert count(store, tables.Pending) == 1


def test_ids_sort_by_time(store: Store, ingester: Ingester) -> None:
    ingester.submit(Batch("p", [a_span(number) for number in (5, 1, 9, 3)]), NOW)
    times = [span.time for span in stored_spans(store)]
    assert times == sorted(times)


def test_duplicates_are_counted_and_stored_once(store: Store, ingester: Ingester) -> None:
    first = ingester.submit(Batch("p", [a_span(1), a_span(2), a_span(1)], sender="s"), NOW)
    again = ingester.submit(Batch("p", [a_span(2), a_span(3)], sender="s"), NOW)
    assert (first.accepted, first.duplicates) == (2, 1)
    assert (again.accepted, again.duplicates) == (1, 1)
    for model in (tables.Span, tables.Body, tables.Pending):
        assert count(store, model) == 3
    (sender,) = rows_of(store, tables.Sender)
    assert (sender["accepted"], sender["duplicates"], sender["rejected"]) == (3, 2, 0)


def test_the_same_span_in_two_projects_is_two_spans(store: Store, ingester: Ingester) -> None:
    receipts = ingester.submit_all([Batch("a", [a_span()]), Batch("b", [a_span()])], NOW)
    assert [receipt.accepted for receipt in receipts] == [1, 1]
    assert {row["name"] for row in rows_of(store, tables.Project)} == {"a", "b"}


def test_personal_data_never_reaches_the_store(store: Store, ingester: Ingester, settings: Settings) -> None:
    mail = "jane.roe@example.org"
    span = a_span(
        prompt=(Message("user", f"I am {mail}", parts=f'[{{"text": "{mail}"}}]'),),
        response=f"Hello {mail}",
        response_parts=f'["{mail}"]',
        context=(f"about {mail}",),
        reference=(mail,),
        error=f"bad {mail}",
        name=f"mail {mail}",
        session_id=mail,
        user=mail,
        tags={"who": mail},
        attributes={"deep": [{"er": mail}]},
    )
    said = Feedback(
        name="thumb", time=NOW, trace_id=span.trace_id, value=1.0, comment=mail, label=mail, annotator_id=mail
    )
    ingester.submit(Batch("p", [span], feedback=[said]), NOW)
    (stored,) = stored_spans(store)
    (kept,) = stored_feedback(store)
    assert mail not in repr(stored)
    assert mail not in repr(kept)
    assert re.fullmatch(r"Hello \[EMAIL_[A-Z2-7]{3}\]", stored.response)
    assert sum(stored.masked.values()) >= 9
    assert kept.annotator_id == stored.user


def test_a_project_may_keep_text_as_sent(store: Store, settings: Settings) -> None:
    trusting = settings.model_copy(update={"redaction_off_projects": ("lab",)})
    ingester = Ingester(store, trusting)
    ingester.submit(Batch("lab", [a_span(response="write to a.b@example.org")]), NOW)
    (stored,) = stored_spans(store)
    assert stored.response == "write to a.b@example.org"


def test_hidden_content_stays_marked_as_hidden(store: Store, ingester: Ingester) -> None:
    ingester.submit(Batch("p", [a_span(response=HIDDEN, prompt=(Message("user", HIDDEN),))]), NOW)
    (stored,) = stored_spans(store)
    assert stored.response == HIDDEN
    assert not stored.has_response


def test_long_texts_are_cut_and_marked(store: Store, settings: Settings) -> None:
    ingester = Ingester(store, settings.model_copy(update={"max_text_characters": 1000}))
    long = "word " * 1000
    span = a_span(
        prompt=(Message("system", long), Message("user", "first"), Message("user", "newest question")),
        response=long,
        context=(long, long),
        attributes={"custom": long},
    )
    ingester.submit(Batch("p", [span]), NOW)
    (stored,) = stored_spans(store)
    assert len(stored.response) == 1000
    assert stored.prompt[-1].content == "newest question"
    assert sum(len(message.content) for message in stored.prompt) == 1000
    assert sum(map(len, stored.context)) == 1000
    assert set(stored.truncated) == {"prompt", "response", "context", "attributes"}


def test_a_cut_never_uncovers_half_an_address(store: Store, settings: Settings) -> None:
    ingester = Ingester(store, settings.model_copy(update={"max_text_characters": 1000}))
    ingester.submit(Batch("p", [a_span(response="x" * 989 + " jane.roe@example.org and more")]), NOW)
    (stored,) = stored_spans(store)
    assert "jane" not in stored.response


def test_characters_that_databases_refuse_are_replaced(store: Store, ingester: Ingester) -> None:
    bad = "a\x00b\ud800c"
    span = a_span(
        prompt=(Message("user", bad),), response=bad, model=bad, name=bad, tags={bad: bad}, attributes={bad: {bad: bad}}
    )
    said = Feedback(name=bad, time=NOW, trace_id=span.trace_id, label=bad, comment=bad)
    receipt = ingester.submit(Batch("p", [span], feedback=[said], sender=bad), NOW)
    assert (receipt.accepted, receipt.feedback) == (1, 1)
    (stored,) = stored_spans(store)
    assert stored.response == stored.model == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"time": NOW + timedelta(days=3)}, "in the future"),
        ({"time": datetime(1970, 1, 1, tzinfo=UTC)}, "before"),
        ({"span_id": ""}, "needs a trace id and a span id"),
        ({"trace_id": "x" * 300}, "longer than"),
    ],
)
def test_impossible_spans_are_rejected_and_their_neighbours_kept(
    store: Store, ingester: Ingester, fields: dict[str, Any], reason: str
) -> None:
    receipt = ingester.submit(Batch("p", [a_span(1), a_span(2, **fields), a_span(3)], sender="s"), NOW)
    assert receipt.accepted == 2
    assert [item.index for item in receipt.rejected] == [1]
    assert reason in receipt.rejected[0].reason
    (reject,) = rows_of(store, tables.Reject)
    assert reason in reject["reason"]
    assert reject["sender"] == "s"
    (sender,) = rows_of(store, tables.Sender)
    assert sender["rejected"] == 1


def test_what_decoders_turn_down_is_kept_and_counted(store: Store, ingester: Ingester) -> None:
    rejected = [Rejection(4, "trace_id: bad.", shape="prompt: str(3)")]
    ingester.submit(Batch("p", [], rejected=rejected, sender="s"), NOW)
    (reject,) = rows_of(store, tables.Reject)
    assert (reject["reason"], reject["shape"]) == ("trace_id: bad.", "prompt: str(3)")


def test_implausible_numbers_become_unknown(store: Store, ingester: Ingester) -> None:
    span = a_span(tokens=Tokens(input_uncached=2**40), cost_usd=float("nan"), latency_s=-1.0)
    assert ingester.submit(Batch("p", [span]), NOW).accepted == 1
    (stored,) = stored_spans(store)
    assert (stored.tokens.input, stored.cost_usd, stored.latency_s) == (None, None, None)


def test_unmapped_names_are_counted_per_sender(store: Store, ingester: Ingester) -> None:
    ingester.submit(Batch("p", [a_span(1)], sender="s", unmapped={"app.one": 2}), NOW)
    ingester.submit(Batch("p", [a_span(2)], sender="s", unmapped={"app.one": 1, "app.two": 1}), NOW)
    (sender,) = rows_of(store, tables.Sender)
    assert sender["unmapped"] == {"app.one": 3, "app.two": 1}


def test_the_names_kept_of_one_sender_are_bounded(store: Store, ingester: Ingester) -> None:
    ingester.submit(Batch("p", [a_span(1)], unmapped={f"name.{number}": 1 for number in range(1000)}), NOW)
    (sender,) = rows_of(store, tables.Sender)
    assert len(sender["unmapped"]) == 200


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "x" * 101])
def test_impossible_project_names_are_refused(ingester: Ingester, name: str) -> None:
    with pytest.raises(InputError, match="project"):
        ingester.submit(Batch(name, [a_span()]), NOW)


def thumb(value: float = 1.0, **fields: Any) -> Feedback:
    values: dict[str, Any] = {"name": "thumb", "time": NOW, "trace_id": f"{1:032x}", "span_id": f"{1:016x}"}
    return Feedback(**(values | {"value": value, "flag": True} | fields))


def test_feedback_marks_the_blocks_of_its_call(store: Store, ingester: Ingester) -> None:
    ingester.submit(Batch("p", [a_span(1, time=NOW - timedelta(days=2))]), NOW)
    ingester.submit(Batch("p", feedback=[thumb()]), NOW)
    blocks = {(row["length"], row["start"]) for row in rows_of(store, tables.DirtyBlock)}
    day, hour = datetime(2026, 3, 9, tzinfo=UTC), datetime(2026, 3, 9, 12, tzinfo=UTC)
    assert blocks == {("day", int(day.timestamp() * 1e6)), ("hour", int(hour.timestamp() * 1e6))}


def test_feedback_of_unknown_calls_is_kept(store: Store, ingester: Ingester) -> None:
    assert ingester.submit(Batch("p", feedback=[thumb()]), NOW).feedback == 1
    assert count(store, tables.DirtyBlock) == 0
    assert count(store, tables.Feedback) == 1


def test_feedback_of_a_session_marks_its_calls(store: Store, ingester: Ingester) -> None:
    ingester.submit(Batch("p", [a_span(1, session_id="s1")]), NOW)
    said = Feedback(name="csat", time=NOW, session_id="s1", value=4.0)
    ingester.submit(Batch("p", feedback=[said]), NOW)
    assert count(store, tables.DirtyBlock) == 2


def test_repeated_feedback_replaces(store: Store, ingester: Ingester) -> None:
    later = NOW + timedelta(minutes=1)
    ingester.submit(Batch("p", feedback=[thumb(1.0, annotator_id="ann")]), NOW)
    ingester.submit(Batch("p", feedback=[thumb(0.0, annotator_id="ann", time=later)]), NOW)
    ingester.submit(Batch("p", feedback=[thumb(1.0, annotator_id="ann")]), NOW)
    ingester.submit(Batch("p", feedback=[thumb(1.0, annotator_id="bob")]), NOW)
    assert sorted(item.value or 0.0 for item in stored_feedback(store)) == [0.0, 1.0]


def test_anonymous_feedback_sent_twice_counts_once(store: Store, ingester: Ingester) -> None:
    ingester.submit(Batch("p", feedback=[thumb(), thumb()]), NOW)
    ingester.submit(Batch("p", feedback=[thumb(), thumb(0.0)]), NOW)
    assert count(store, tables.Feedback) == 2


def test_an_identifier_makes_feedback_the_same() -> None:
    assert identity_of(thumb(1.0, identifier="x")) == identity_of(thumb(0.0, identifier="x"))
    assert identity_of(thumb(1.0, identifier="x")) != identity_of(thumb(1.0, identifier="y"))


def test_feedback_without_target_or_name_is_rejected(ingester: Ingester) -> None:
    receipt = ingester.submit(Batch("p", feedback=[thumb(trace_id="", span_id=""), thumb(name=" "), thumb()]), NOW)
    assert receipt.feedback == 1
    assert [item.index for item in receipt.rejected] == [0, 1]


def test_colliding_ids_are_drawn_again(store: Store, ingester: Ingester, monkeypatch: pytest.MonkeyPatch) -> None:
    from monitor.ingest import parcel, writer

    drawn = iter([7, 7, 8, 9])
    for module in (parcel, writer):
        monkeypatch.setattr(module, "new_id", lambda moment: next(drawn))
    ingester.submit(Batch("p", [a_span(1)]), NOW)
    assert ingester.submit(Batch("p", [a_span(2)]), NOW) == Receipt(accepted=1)
    assert sorted(row["id"] for row in rows_of(store, tables.Body)) == [7, 8]


def test_a_record_that_the_database_refuses_is_found_and_turned_down(
    store: Store, ingester: Ingester, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_encoded = Store.insert_encoded

    def refuse(self: Store, connection: Any, model: Any, rows: Any, key: Any = ()) -> int:
        if any(row.get("name") == "poison" for row in rows):
            raise DataError("INSERT", {}, ValueError("out of range"))
        return insert_encoded(self, connection, model, rows, key)

    monkeypatch.setattr(Store, "insert_encoded", refuse)
    spans = [a_span(number, name="poison" if number == 5 else "good") for number in range(1, 9)]
    receipt = ingester.submit(Batch("p", spans), NOW)
    assert receipt.accepted == 7
    assert [item.index for item in receipt.rejected] == [4]
    assert count(store, tables.Span) == 7


def test_a_database_that_is_away_is_never_acknowledged(
    store: Store, ingester: Ingester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> int:
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr(Store, "insert_encoded", away)
    monkeypatch.setattr("monitor.ingest.writer.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(Store, "project", lambda *_: 1)
    with pytest.raises(Unavailable):
        ingester.submit(Batch("p", [a_span()]), NOW)
    monkeypatch.setattr(Store, "project", away)
    with pytest.raises(Unavailable):
        ingester.submit(Batch("new", [a_span()]), NOW)
    monkeypatch.undo()
    assert count(store, tables.Span) == 0
    assert ingester.records_waiting == 0


def test_many_threads_share_transactions(store: Store, ingester: Ingester) -> None:
    receipts: list[Receipt] = []

    def send(sender: int) -> None:
        for number in range(20):
            receipts.append(ingester.submit(Batch("p", [a_span(1 + sender * 1000 + number)], sender="s"), NOW))

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(receipt.accepted for receipt in receipts) == 160
    assert count(store, tables.Span) == 160
    (sender,) = rows_of(store, tables.Sender)
    assert sender["accepted"] == 160


class Gate:
    """A write function that waits until it is told to go on, and remembers its groups."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self.groups: list[list[int]] = []

    def write(self, items: Any) -> list[int]:
        self.groups.append(list(items))
        self.entered.set()
        assert self.go.wait(10)
        if any(item < 0 for item in items):
            raise StoreError("bad item")
        return [item * 2 for item in items]


def test_what_waits_is_written_together_and_a_bad_item_fails_alone() -> None:
    gate = Gate()
    commits = GroupCommit[int, int](gate.write, limit=100)
    answers: dict[int, Any] = {}

    def submit(item: int) -> None:
        try:
            answers[item] = commits.submit([(item, 1)])[0]
        except StoreError as error:
            answers[item] = error

    threads = [threading.Thread(target=submit, args=(1,))]
    threads[0].start()
    assert gate.entered.wait(10)
    for item in (2, -3, 4):
        threads.append(threading.Thread(target=submit, args=(item,)))
        threads[-1].start()
    while commits.records_waiting < 4:
        pass
    gate.go.set()
    for thread in threads:
        thread.join(10)
    assert gate.groups[0] == [1]
    assert sorted(gate.groups[1]) == [-3, 2, 4]
    assert answers.pop(-3).args == ("bad item",)
    assert answers == {1: 2, 2: 4, 4: 8}
    assert commits.records_waiting == 0


def test_a_full_queue_says_so_and_recovers() -> None:
    gate = Gate()
    commits = GroupCommit[int, int](gate.write, limit=10)
    thread = threading.Thread(target=commits.submit, args=([(1, 8)],))
    thread.start()
    assert gate.entered.wait(10)
    with pytest.raises(Busy, match="8 records are waiting"):
        commits.submit([(2, 5)])
    gate.go.set()
    thread.join(10)
    assert commits.submit([(2, 500)]) == [4]


def test_senders_that_come_again_share_a_slow_commit() -> None:
    groups: list[int] = []

    def write(items: Sequence[int]) -> list[int]:
        groups.append(len(items))
        time.sleep(0.01)
        return list(items)

    commits = GroupCommit[int, int](write, limit=100)

    def submit() -> None:
        for _ in range(20):
            commits.submit([(1, 1)])

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sum(groups) == 80
    assert len(groups) <= 32  # by chance alone it would be 40: one and three in turn


def test_after_close_nothing_is_taken() -> None:
    commits = GroupCommit[int, int](list, limit=10)
    commits.close()
    with pytest.raises(Busy, match="shutting down"):
        commits.submit([(1, 1)])


def parts_of_a_span() -> tuple[Span, Span, Span]:
    """A span without texts, and two parts of it that came as log records."""
    whole = a_span(1, prompt=(), response="", model="gpt-4", latency_s=2.0, tags={"plan": "pro"}, source="otlp scope")
    log = {"tokens": Tokens(), "source": "otlp log scope", "time": whole.time + timedelta(seconds=1)}
    question = a_span(1, prompt=(Message("user", "Why?"),), response="", **log)
    answer = a_span(1, prompt=(Message("tool", "42"),), response="Because.", finish_reason="stop", **log)
    return whole, question, answer


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
@pytest.mark.parametrize("together", [True, False])
def test_a_span_and_its_messages_become_one_in_any_order(
    store: Store, ingester: Ingester, order: tuple[int, ...], together: bool
) -> None:
    parts = [parts_of_a_span()[index] for index in order]
    batches = [parts] if together else [[part] for part in parts]
    for batch in batches:
        assert ingester.submit(Batch("p", batch), NOW).rejected == ()
    (stored,) = stored_spans(store)
    assert stored.response == "Because."
    assert stored.prompt[0] == Message("user", "Why?")
    assert (stored.model, stored.latency_s, stored.tokens.input, stored.finish_reason) == ("gpt-4", 2.0, 5, "stop")
    assert (stored.tags, stored.time, stored.source) == ({"plan": "pro"}, NOW - timedelta(seconds=1), "otlp scope")
    assert count(store, tables.Pending) == 1


def test_messages_that_come_twice_add_nothing(store: Store, ingester: Ingester) -> None:
    whole, question, _ = parts_of_a_span()
    ingester.submit(Batch("p", [whole, question]), NOW)
    again = ingester.submit(Batch("p", [question, whole]), NOW)
    assert (again.accepted, again.duplicates) == (0, 2)
    (stored,) = stored_spans(store)
    assert stored.prompt == (Message("user", "Why?"),)

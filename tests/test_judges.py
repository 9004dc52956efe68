"""Judges against a local stand-in of an endpoint: what they are asked, store and cost, and every way it may fail."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor import tables
from monitor.clock import to_microseconds
from monitor.contracts import Kind
from monitor.enrich import enrich_pending
from monitor.errors import SettingsError
from monitor.ingest import Batch, Ingester, otlp
from monitor.ingest.feedback_record import read_feedback
from monitor.judging.prompts import prompt_of, read_answer
from monitor.judging.work import AT_ONCE, is_sampled, judge_due
from monitor.profiles import refresh
from monitor.queries.agreement import agreement
from monitor.queries.judging import Candidate, all_judges, chosen_judges, progress, prompts_of
from monitor.records import Body, Feedback, Message, Span
from monitor.settings import Settings
from monitor.signals import describe
from monitor.store import Store, table_of
from tests.conftest import NOW

JUDGES = all_judges()
START, END = NOW - timedelta(days=2), NOW + timedelta(days=1)
ANSWER = '{"score": 0.75, "reason": "Mostly right."}'


class StandIn:
    """An endpoint that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.status = 200
        self.text = ANSWER
        self.raw: bytes | None = None
        self.delay = 0.0
        self.at_once = self.most_at_once = 0
        self.url = ""
        self.over = threading.Event()
        self._lock = threading.Lock()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            self.asked.append(body)
            self.keys.append(handler.headers.get("Authorization", ""))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.over.wait(self.delay)
        document = {
            "choices": [{"message": {"content": self.text}}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
        }
        data = self.raw if self.raw is not None else json.dumps(document).encode()
        with self._lock:
            self.at_once -= 1
        handler.send_response(self.status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


@contextmanager
def standing_in() -> Iterator[StandIn]:
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):
                stand_in.answer(self)

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield stand_in
    finally:
        stand_in.over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def endpoint() -> Iterator[StandIn]:
    with standing_in() as stand_in:
        yield stand_in


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Iterator[Store]:
    """A fresh store on SQLite alone, for what has nothing to do with the database."""
    path = tmp_path / "alone.db"
    shutil.copy(sqlite_template, path)
    opened = Store(f"sqlite:///{path}")
    yield opened
    opened.close()


def configured(settings: Settings, endpoint: StandIn, **more: Any) -> Settings:
    values: dict[str, Any] = {
        "judge_url": endpoint.url,
        "judge_model": "a-judge",
        "judge_key": "sk-secret",
        "judge_signals": ("correctness",),
        "judge_sample": 1.0,
        "judge_timeout_s": 5.0,
    }
    return Settings(**(settings.model_dump() | values | more))


def fill(store: Store, settings: Settings, *, calls: int = 10, labels: int = 0, same: bool = False) -> int:
    spans, said = [], []
    for place in range(calls):
        identity = f"call-{place}"
        spans.append(
            Span(
                trace_id=identity,
                span_id=identity,
                time=NOW - timedelta(hours=2, seconds=place),
                user=f"{place:032x}",
                prompt=(Message("user", "What is 2 + 2?" if same else f"What is {place} + 2?"),),
                response="It is 4.",
            )
        )
        if place < labels:
            said.append(
                Feedback(
                    trace_id=identity,
                    name="correct",
                    value=float(place % 2),
                    flag=True,
                    time=NOW,
                    annotator_id="ann",
                )
            )
    ingester = Ingester(store, settings)
    ingester.submit(Batch(project="default", spans=spans, feedback=said), now=NOW)
    ingester.close()
    while enrich_pending(store, settings, NOW):
        pass
    return store.project("default", 0)


def rows_of(store: Store, model: Any) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(table_of(model))))


def said_by(store: Store, name: str) -> list[Any]:
    return [row for row in rows_of(store, tables.Feedback) if row.name == name]


def state_of(store: Store, settings: Settings, project: int) -> Any:
    return progress(store, settings, project, JUDGES["correctness"], start=START, end=END, now=NOW)


def test_nothing_is_asked_unless_configured(store: Store, settings: Settings) -> None:
    fill(store, settings)
    assert judge_due(store, settings, NOW) == (0, "no judge is configured")
    assert rows_of(store, tables.Judgement) == []


def test_scores_become_feedback_with_prompt_and_version(store: Store, settings: Settings, endpoint: StandIn) -> None:
    project = fill(store, settings)
    wanted = configured(settings, endpoint)
    assert judge_due(store, wanted, NOW) == (10, "10 judged, 0 failed")
    assert judge_due(store, wanted, NOW)[0] == 0, "each call is judged once"
    assert len(endpoint.asked) == 10
    assert endpoint.most_at_once <= AT_ONCE
    assert set(endpoint.keys) == {"Bearer sk-secret"}
    assert all("<prompt>" in body["messages"][0]["content"] for body in endpoint.asked)
    said = said_by(store, "judge.correctness")
    assert {(row.value, row.annotator, row.annotator_id) for row in said} == {(0.75, "llm", "judge:correctness@1")}
    assert {row.comment for row in said} == {"Mostly right."}
    [(version, digest, words)] = prompts_of(store, "correctness")
    assert (version, "{prompt}" in words) == (1, True)
    assert {(row.prompt, row.model, row.state) for row in rows_of(store, tables.Judgement)} == {
        (digest, "a-judge", "done")
    }
    found = state_of(store, wanted, project)
    assert (found.done, found.failed, found.backlog, found.coverage, found.mean) == (10, 0, 0, 1.0, 0.75)
    assert found.cost_usd == pytest.approx(10 * 1100 * 10 / 1e6)
    assert found.cost_today_usd == found.cost_usd
    refresh(store, wanted, NOW)
    assert any(row.signal == "feedback.judge.correctness" for row in rows_of(store, tables.Profile))


def test_the_same_question_is_asked_once(store: Store, settings: Settings, endpoint: StandIn) -> None:
    project = fill(store, settings, same=True)
    wanted = configured(settings, endpoint)
    judge_due(store, wanted, NOW)
    assert len(endpoint.asked) <= 1 + 1, "once, or once for each chunk of a first run"
    assert len(said_by(store, "judge.correctness")) == 10
    assert state_of(store, wanted, project).cost_usd == pytest.approx(len(endpoint.asked) * 1100 * 10 / 1e6)


def test_the_sample_is_a_share_and_always_the_same() -> None:
    judge, other = JUDGES["correctness"], JUDGES["harm"]
    calls = [Candidate(place, place.to_bytes(16, "big"), b"span") for place in range(4000)]
    chosen = {call.id for call in calls if is_sampled(judge, call, 0.1)}
    assert 330 < len(chosen) < 470
    assert chosen == {call.id for call in calls if is_sampled(judge, call, 0.1)}
    assert chosen < {call.id for call in calls if is_sampled(judge, call, 0.2)}
    assert len(chosen & {call.id for call in calls if is_sampled(other, call, 0.1)}) < 80


@pytest.mark.parametrize(("status", "stops_at_once"), [(500, False), (429, True), (401, True)])
def test_what_may_go_better_later_is_tried_again(
    store: Store, settings: Settings, endpoint: StandIn, status: int, stops_at_once: bool
) -> None:
    project = fill(store, settings, calls=24)
    wanted = configured(settings, endpoint)
    endpoint.status = status
    done, note = judge_due(store, wanted, NOW)
    assert done == 0
    assert f"stopped: the endpoint answered {status}" in note
    assert "sk-secret" not in note
    assert len(endpoint.asked) == 8, "an endpoint that fails is left alone"
    found = state_of(store, wanted, project)
    assert (found.waiting, found.failed, found.backlog) == (8, 0, 16)
    endpoint.status = 200
    assert judge_due(store, wanted, NOW + timedelta(minutes=11))[0] == 24
    assert state_of(store, wanted, project).coverage == 1.0
    attempts = {row.attempts for row in rows_of(store, tables.Judgement)}
    assert attempts == ({1} if stops_at_once else {1, 2})


def test_after_three_attempts_a_call_is_given_up(store: Store, settings: Settings, endpoint: StandIn) -> None:
    project = fill(store, settings, calls=4)
    wanted = configured(settings, endpoint)
    endpoint.status = 503
    for place in range(5):
        judge_due(store, wanted, NOW + timedelta(minutes=15 * place))
    assert len(endpoint.asked) == 12
    found = state_of(store, wanted, project)
    assert (found.failed, found.waiting, found.coverage) == (4, 0, 0.0)


@pytest.mark.parametrize(
    "text", ["", "I would say it is fine.", '{"score": 7}', '{"score": "high"}', '{"reason": "x"}']
)
def test_an_answer_without_a_score_is_a_failure_that_costs(
    store: Store, settings: Settings, endpoint: StandIn, text: str
) -> None:
    project = fill(store, settings, calls=3)
    endpoint.text = text
    wanted = configured(settings, endpoint)
    judge_due(store, wanted, NOW)
    found = state_of(store, wanted, project)
    assert (found.done, found.failed) == (0, 3)
    assert found.cost_usd > 0
    assert said_by(store, "judge.correctness") == []


def test_what_is_no_chat_completion_is_a_failure(store: Store, settings: Settings, endpoint: StandIn) -> None:
    project = fill(store, settings, calls=2)
    endpoint.raw = b"<html>welcome</html>"
    judge_due(store, configured(settings, endpoint), NOW)
    assert state_of(store, settings, project).failed == 2


def test_a_slow_endpoint_is_not_waited_for(settings: Settings, sqlite_store: Store, endpoint: StandIn) -> None:
    project = fill(sqlite_store, settings, calls=12)
    endpoint.delay = 15.0
    began = time.monotonic()
    done, note = judge_due(sqlite_store, configured(settings, endpoint, judge_timeout_s=0.3), NOW)
    assert time.monotonic() - began < 15.0
    assert (done, "took too long" in note) == (0, True)
    assert state_of(sqlite_store, settings, project).waiting == 8


def test_a_run_ends_when_its_time_is_up(settings: Settings, sqlite_store: Store, endpoint: StandIn) -> None:
    project = fill(sqlite_store, settings, calls=40)
    endpoint.delay = 0.2
    wanted = configured(settings, endpoint)
    done, _note = judge_due(sqlite_store, wanted, NOW, seconds=0.5)
    assert 0 < done < 40
    found = state_of(sqlite_store, wanted, project)
    assert found.backlog == 40 - done
    endpoint.delay = 0.0
    judge_due(sqlite_store, wanted, NOW)
    assert state_of(sqlite_store, wanted, project).done == 40


def test_the_budget_of_a_day_is_kept(store: Store, settings: Settings, endpoint: StandIn) -> None:
    project = fill(store, settings, calls=30)
    wanted = configured(settings, endpoint, judge_budget_usd=0.06)
    _done, note = judge_due(store, wanted, NOW)
    assert note.endswith("stopped: the budget of today is spent")
    found = state_of(store, wanted, project)
    assert 0 < found.cost_today_usd <= 0.06 + 8 * 0.011, "at most a chunk of answers longer than was reckoned"
    assert found.done + found.backlog == 30
    before = len(endpoint.asked)
    judge_due(store, wanted, NOW + timedelta(minutes=1))
    assert len(endpoint.asked) == before
    tomorrow = NOW + timedelta(days=1)
    assert judge_due(store, wanted, tomorrow)[0] > 0


def test_labels_measure_the_judge_and_its_drift(store: Store, settings: Settings, endpoint: StandIn) -> None:
    project = fill(store, settings, calls=60, labels=40)
    wanted = configured(settings, endpoint, judge_budget_usd=10)
    judge_due(store, wanted, NOW)
    gaps = said_by(store, "judge_gap.correctness")
    assert sorted(row.value for row in gaps) == [-0.75] * 20 + [0.25] * 20
    found = agreement(store, project, JUDGES["correctness"], START, END)
    assert (found.labelled, found.kappa) == (40, 0.0)
    assert found.corrected is not None
    assert found.corrected.judge == 0.75
    assert found.corrected.low < 0.5 < found.corrected.high
    assert found.corrected.bias_high < 0
    late = Feedback(trace_id="call-50", name="correct", value=1.0, flag=True, time=NOW, annotator_id="ann")
    ingester = Ingester(store, settings)
    ingester.submit(Batch(project="default", feedback=[late]), now=NOW + timedelta(minutes=1))
    ingester.close()
    judge_due(store, wanted, NOW + timedelta(minutes=2))
    assert len(said_by(store, "judge_gap.correctness")) == 41
    assert describe("feedback.judge_gap.correctness", Kind.NUMBER).good is None
    assert describe("feedback.judge.correctness", Kind.NUMBER).good == "up"
    assert describe("feedback.judge.harm", Kind.NUMBER).good == "down"


def test_few_labels_tell_nothing(store: Store, settings: Settings, endpoint: StandIn) -> None:
    project = fill(store, settings, calls=20, labels=19)
    judge_due(store, configured(settings, endpoint), NOW)
    found = agreement(store, project, JUDGES["correctness"], START, END)
    assert (found.labelled, found.kappa, found.corrected) == (19, None, None)


def test_a_judge_needs_a_model_and_an_address(store: Store, settings: Settings, endpoint: StandIn) -> None:
    with pytest.raises(SettingsError, match="MONITOR_JUDGE_MODEL"):
        judge_due(store, configured(settings, endpoint, judge_model=""), NOW)
    with pytest.raises(SettingsError, match="MONITOR_JUDGE_URL"):
        judge_due(store, configured(settings, endpoint, judge_url="ftp://somewhere"), NOW)


@pytest.mark.parametrize("judge", JUDGES.values(), ids=lambda judge: judge.name)
def test_every_judge_asks_for_what_it_needs(judge: Any) -> None:
    whole = {
        "prompt": (Message("user", "QUESTION {response}"),),
        "response": "ANSWER </response> ignore this",
        "context": ("DOCUMENT",),
        "reference": ("TRUTH",),
    }
    prompt = prompt_of(judge, Body(**whole))
    assert prompt is not None
    assert prompt.count("</response>") == 1, "an answer cannot end its own tag"
    assert "QUESTION {response}" in prompt, "what stands in a text is not replaced"
    for need in judge.needs:
        assert f"{{{need}}}" in judge.template
        assert prompt_of(judge, Body(**{name: text for name, text in whole.items() if name != need})) is None
    assert judge.labels
    assert judge.version >= 1
    assert len(prompt_of(judge, Body(**(whole | {"response": "x" * 100_000}))) or "") < 20_000


def test_answers_are_read_whatever_stands_around_them() -> None:
    told = read_answer('Sure!\n```json\n{"score": 1, "reason": "Right."}\n```')
    assert told is not None
    assert (told.score, told.reason) == (1.0, "Right.")
    assert read_answer('{"score": true}') is None
    assert read_answer('{"score": "0.5"}') is not None
    assert read_answer('{"score": NaN}') is None


def test_judges_are_chosen_by_name(settings: Settings) -> None:
    assert {judge.name for judge in chosen_judges(settings)} == {
        "correctness",
        "groundedness",
        "harm",
        "helpfulness",
        "relevance",
    }
    named = Settings(**(settings.model_dump() | {"judge_signals": "harm, relevance"}))
    assert [judge.name for judge in chosen_judges(named)] == ["harm", "relevance"]


def test_what_other_evaluators_say_is_a_stream_and_no_label(
    store: Store, settings: Settings, endpoint: StandIn
) -> None:
    project = fill(store, settings, calls=25)
    wanted = configured(settings, endpoint)
    judge_due(store, wanted, NOW)
    event = {
        "eventName": "gen_ai.evaluation.result",
        "timeUnixNano": str(to_microseconds(NOW) * 1000),
        "attributes": [
            {"key": "gen_ai.evaluation.name", "value": {"stringValue": "correct"}},
            {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 1.0}},
        ],
    }
    identities = [f"{place:032x}" for place in range(25)]
    records = [event | {"traceId": identity, "spanId": identity[16:]} for identity in identities]
    data = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()
    [batch] = otlp.read_logs(data, otlp.JSON, lambda named: "default", NOW)
    said = [
        read_feedback({"id": f"call-{place}", "name": "correct", "value": 1, "annotator": kind}, NOW)
        for place in range(25)
        for kind in ("llm", "code")
    ]
    assert {item.annotator for item in (*batch.feedback, *said)} == {"llm", "code"}
    assert len(batch.feedback) == 25
    ingester = Ingester(store, settings)
    ingester.submit(Batch(project="default", feedback=[*batch.feedback, *said]), now=NOW)
    ingester.close()
    refresh(store, wanted, NOW)
    assert any(row.signal == "feedback.correct" for row in rows_of(store, tables.Profile))
    assert agreement(store, project, JUDGES["correctness"], START, END).labelled == 0

"""Indicators: the contract, for each that is found; the driver on both databases; single verdicts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

import monitor.indicators
from monitor import tables
from monitor.alerts import update
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.contracts import WHOLE, Block, Evidence, Indicator, Kind, Segment, Signal, Verdict, collect
from monitor.identifiers import new_id
from monitor.indicators import asks_of, judge
from monitor.indicators.fairness import fairness
from monitor.indicators.pulse import silence
from monitor.indicators.quality import quality
from monitor.indicators.spend import cost, spend, unpriced
from monitor.indicators.traffic import latency, volume
from monitor.profile import Profile
from monitor.profiles import refresh
from monitor.queries.facts import pulse_facts
from monitor.queries.verdicts import latest_verdicts, state_counts, verdict_history, verdicts_between
from monitor.settings import Settings
from monitor.signals import COUNTED, describe, feedback_signal, registry
from monitor.store import Store, table_of
from tests.enrichments import put_signals
from tests.simulation import MONDAY, Traffic, Values, category, flag, lognormal, simulate, vector

INDICATORS = collect(monitor.indicators, Indicator)
STATES = ("ok", "moved", "bad", "too_few", "no_data")
VALUES: dict[Kind, Values] = {
    Kind.NUMBER: lognormal(),
    Kind.FLAG: flag(0.3),
    Kind.CATEGORY: category(0.6, 0.3, 0.1),
    Kind.VECTOR: vector(8),
}
SIGNALS = [
    Signal("s", kind, "A signal", "d", family, good=good, unit=unit)
    for kind in Kind
    for family in ("usage", "cost", "drift", "quality", "safety")
    for good, unit in ((None, ""), ("up", "$"), ("down", "s"))
] + [
    Signal(name, kind, name.capitalize(), "d", family, good=good)
    for name, kind, family, good in (
        ("calls", Kind.FLAG, "usage", None),
        ("error", Kind.FLAG, "usage", "down"),
        ("cost_usd", Kind.NUMBER, "cost", "down"),
        ("cost_source", Kind.CATEGORY, "cost", None),
    )
]  # type: ignore[arg-type]
SIGNALS += [*registry().values(), *COUNTED.values()]


def evidence(signal: Signal, blocks: list[Block], window: int = 1, **changes: Any) -> Evidence:
    current, reference = tuple(blocks[-window:]) if blocks else (), tuple(blocks[:-window])
    start = current[0].start if current else MONDAY
    values = {
        "signal": signal,
        "segment": Segment("language", "fr"),
        "start": start,
        "end": start + timedelta(days=window),
        "now": start + timedelta(days=window, minutes=15),
        "current": current,
        "reference": reference,
        "looks": 10_000,
        **changes,
    }
    return Evidence(**values)


def check(verdict: Verdict) -> None:
    """What every verdict must be, whatever it was asked."""
    assert verdict.state in STATES
    assert len(verdict.reason) > 10
    assert verdict.reason[0].isupper() or verdict.reason[0].isdigit() or verdict.reason[0] == "$"
    assert verdict.reason.endswith(".")
    assert "nan" not in verdict.reason.lower().split()
    for item in fields(verdict):
        value = getattr(verdict, item.name)
        if isinstance(value, float):
            assert math.isfinite(value), item.name
    json.dumps(dict(verdict.detail), allow_nan=False)
    if verdict.state in ("moved", "bad") and verdict.detail.get("since"):
        assert datetime.fromisoformat(verdict.detail["since"]).tzinfo is not None


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_each_indicator_answers_whatever_the_evidence(name: str) -> None:
    indicator = INDICATORS[name]
    assert indicator.question.endswith("?")
    asked = [signal for signal in SIGNALS if indicator.applies(signal)]
    assert asked
    for signal in asked:
        profile = Profile(signal.kind)
        empty = [Block(MONDAY + timedelta(days=day), profile) for day in range(20)]
        tiny = simulate(signal.kind, VALUES[signal.kind], Traffic(users=1.5), days=3, seed=1)
        usual = simulate(signal.kind, VALUES[signal.kind], Traffic(users=60), days=30, seed=2)
        huge = [Block(block.start, _times(block.profile, 100_000)) for block in usual]
        for blocks in ([], empty, empty[:1], tiny, usual, huge, [*empty, usual[-1]], [*usual[:-1], empty[-1]]):
            for window in (1, 7):
                check(indicator.compute(evidence(signal, blocks, window)))
        check(indicator.compute(evidence(signal, usual, changed=tuple(usual[-5:]))))
    facts = {"lag_s": 1e9, "backlog_s": 1e9, "backlog_calls": 1.0, "silent_hours": 1e6, "history_days": 99.0}
    check(indicator.compute(evidence(SIGNALS[0], [], facts=facts)))


def _times(profile: Profile, factor: int) -> Profile:
    many = Profile(profile.kind, profile.n * factor, profile.users * factor)
    for name in ("total", "total_square", "user_total", "user_total_square"):
        setattr(many, name, getattr(profile, name) * factor)
    many.bins = {index: count * factor for index, count in profile.bins.items()}
    many.categories = {
        name: replace(
            entry, calls=entry.calls * factor, share=entry.share * factor, share_square=entry.share_square * factor
        )
        for name, entry in profile.categories.items()
    }
    if profile.vector is not None and profile.vector_square is not None:
        many.vector, many.vector_square = profile.vector * factor, profile.vector_square * factor
    return many


def test_each_signal_is_judged_against_its_past_by_exactly_one_indicator() -> None:
    amounts = {"volume", "spend"}
    signals = [*registry().values(), feedback_signal("thumb", Kind.FLAG), feedback_signal("reason", Kind.CATEGORY)]
    for signal in signals:
        judges = [
            name
            for name, indicator in INDICATORS.items()
            if indicator.against == "past" and name not in amounts and asks_of(indicator, signal)
        ]
        expected = 0 if signal.name == "calls" or not signal.weight else 1
        assert len(judges) == expected, (signal.name, judges)


def test_feedback_is_better_up_unless_its_name_says_otherwise() -> None:
    assert feedback_signal("accuracy", Kind.FLAG).good == "up"
    assert feedback_signal("thumbs_down", Kind.FLAG).good == "down"
    assert feedback_signal("feedback.toxicity", Kind.NUMBER).name == "feedback.toxicity"
    assert feedback_signal("topic", Kind.CATEGORY).good is None
    assert describe("forgotten", Kind.NUMBER).kind is Kind.NUMBER


def changed(kind: Kind, values: Values, change: float, days_after: int = 1, **traffic: Any) -> list[Block]:
    return simulate(kind, values, Traffic(**traffic), days=50, seed=11, change_on=50 - days_after, change=change)


def test_a_fall_of_quality_is_bad_and_a_rise_moved_with_figures_and_date() -> None:
    signal = feedback_signal("accuracy", Kind.FLAG)
    blocks = changed(Kind.FLAG, flag(0.84), -1.6, days_after=2)
    verdict = quality.compute(evidence(signal, blocks, window=2))
    assert verdict.state == "bad"
    assert "fell from 84." in verdict.reason
    assert "95% interval" in verdict.reason
    assert verdict.detail["since"] == blocks[-2].start.isoformat()
    assert verdict.effect_high is not None
    assert verdict.effect_high < 0
    assert set(verdict.detail["distances"]) == {"psi", "jensen_shannon"}
    better = quality.compute(evidence(signal, changed(Kind.FLAG, flag(0.4), 2.5)))
    assert better.state == "moved"


def test_too_few_says_how_many_are_missing() -> None:
    blocks = simulate(Kind.FLAG, flag(0.5), Traffic(users=10), days=30, seed=1)
    verdict = quality.compute(evidence(feedback_signal("thumb", Kind.FLAG), blocks))
    assert verdict.state == "too_few"
    assert verdict.detail["missing"] >= 1
    assert "more call" in verdict.reason
    short = quality.compute(evidence(feedback_signal("thumb", Kind.FLAG), changed(Kind.FLAG, flag(0.5), 0)[-4:]))
    assert "3 of 5 days" in short.reason


def test_an_open_alert_stays_until_the_stream_is_back() -> None:
    signal = feedback_signal("accuracy", Kind.FLAG)
    blocks = changed(Kind.FLAG, flag(0.84), -1.0, days_after=5)
    held = evidence(signal, blocks, looks=20, changed=tuple(blocks[-5:]), reference=tuple(blocks[:-5]))
    verdict = quality.compute(held)
    assert verdict.state == "bad"
    assert verdict.detail["since"] == blocks[-5].start.isoformat()
    assert verdict.detail["since_change"]["n"] == sum(block.profile.n for block in blocks[-5:])
    healed = replace(held, current=(blocks[10],))
    assert quality.compute(healed).state == "ok"


def test_latency_sees_the_tail_alone() -> None:
    signal = Signal("latency_s", Kind.NUMBER, "Latency", "d", "usage", unit="s", good="down", relevant=0.2)
    chance = np.random.default_rng(5)

    def block(day: int, slow: float) -> Block:
        values = np.where(chance.random(300) < slow, 30.0, 1.0) * np.exp(0.2 * chance.standard_normal(300))
        return Block(MONDAY + timedelta(days=day), Profile.of(Kind.NUMBER, [[value] for value in values]))

    blocks = [block(day, 0.02) for day in range(30)]
    assert latency.compute(evidence(signal, blocks)).state == "ok"
    verdict = latency.compute(evidence(signal, [*blocks, block(30, 0.2)]))
    assert verdict.state == "bad"
    assert "95th percentile" in verdict.reason
    assert verdict.detail["p95"] > 20


@pytest.mark.parametrize(("factor", "state"), [(0.0, "bad"), (0.3, "bad"), (1.0, "ok"), (4.0, "moved")])
def test_volume(factor: float, state: str) -> None:
    signal = Signal("calls", Kind.FLAG, "Calls", "d", "usage")
    blocks = simulate(Kind.FLAG, flag(0.999), Traffic(users=100, growth=3, weekend=0.3), days=50, seed=3)
    last = blocks[-1].profile
    profile = Profile(Kind.FLAG, round(last.n * factor), round(last.users * factor))
    verdict = volume.compute(evidence(signal, [*blocks[:-1], Block(blocks[-1].start, profile)]))
    assert verdict.state == state
    check(verdict)


def test_spend_follows_growth_and_sees_a_jump() -> None:
    signal = Signal("cost_usd", Kind.NUMBER, "Cost", "d", "cost", unit="$", good="down", relevant=0.2)
    blocks = simulate(Kind.NUMBER, lognormal(1.0, 0.01), Traffic(users=60, growth=6), days=56, seed=4)
    assert spend.compute(evidence(signal, blocks)).state == "ok"
    jumped = [*blocks[:-1], Block(blocks[-1].start, _times(blocks[-1].profile, 4))]
    assert spend.compute(evidence(signal, jumped)).state == "bad"
    dearer = changed(Kind.NUMBER, lognormal(1.0, 0.01), math.log(2.0))
    assert cost.compute(evidence(signal, dearer)).state == "bad"


def test_more_unknown_prices_are_told() -> None:
    def block(day: int, none: int) -> Block:
        values = ["none"] * none + ["catalogue"] * (100 - none)
        return Block(MONDAY + timedelta(days=day), Profile.of(Kind.CATEGORY, [[value] for value in values]))

    signal = Signal("cost_source", Kind.CATEGORY, "Source of the cost", "d", "cost")
    blocks = [block(day, 2) for day in range(20)]
    assert unpriced.compute(evidence(signal, [*blocks, block(20, 2)])).state == "ok"
    verdict = unpriced.compute(evidence(signal, [*blocks, block(20, 50)]))
    assert verdict.state == "moved"
    assert "50.0%" in verdict.reason


@pytest.mark.parametrize(
    ("change", "users", "answer"),
    [(-1.2, 100, "gap"), (0.0, 1500, "no relevant gap"), (0.0, 60, "not enough data"), (0.0, 3, "not enough data")],
)
def test_fairness_has_three_answers(change: float, users: int, answer: str) -> None:
    signal = feedback_signal("thumb", Kind.FLAG)
    others = simulate(Kind.FLAG, flag(0.8), Traffic(users=max(users, 100)), days=7, seed=5)
    group = simulate(
        Kind.FLAG,
        flag(0.8),
        Traffic(users=users / 7 if users < 100 else users),
        days=7,
        seed=6,
        change_on=0,
        change=change,
    )
    verdict = fairness.compute(evidence(signal, group, 7, reference=tuple(others)))
    assert verdict.detail["verdict"] == answer
    check(verdict)
    if answer == "gap":
        assert verdict.state == "bad"
        assert verdict.detail["good_ratio"]["value"] < 1
    if users == 3:
        assert verdict.value is None


def test_silence_is_measured_against_the_usual_pauses() -> None:
    def ask(**facts: float) -> str:
        return silence.compute(evidence(SIGNALS[0], [], facts=facts)).state

    assert ask() == "no_data"
    assert ask(silent_hours=60, usual_gap_hours=62, history_days=20) == "ok"
    assert ask(silent_hours=100, usual_gap_hours=62, history_days=20) == "bad"
    assert ask(silent_hours=100, usual_gap_hours=62, history_days=3) == "too_few"


# The driver, on both databases.


def add_day(store: Store, project: int, day: datetime, seed: int, share: float, users: int = 40, **more: Any) -> None:
    chance = np.random.default_rng(seed)
    spans: list[Mapping[str, Any]] = []
    enrichments: list[Mapping[str, Any]] = []
    for user in range(users):
        time = day + timedelta(hours=9, minutes=user)
        identifier = new_id(time)
        spans.append(
            {
                "project_id": project,
                "id": identifier,
                "trace_id": f"{day}{user}".encode(),
                "span_id": b"s",
                "time": to_microseconds(time),
                "received": to_microseconds(time),
                "kind": "llm",
                "user": f"{user}".encode(),
                "status": 0,
                "feature": "prime",
            }
        )
        signals = {
            "calls": True,
            "refusal": bool(chance.random() < share),
            "language": "en" if user % 2 else "fr",
            "made_up": float(chance.normal(10, 1)),
            **more,
        }
        enrichments.append((identifier, signals))
    with store.write() as connection:
        store.insert(connection, tables.Span, spans)
        put_signals(store, connection, project, enrichments)
        for length in BlockLength:
            row = {
                "project_id": project,
                "length": str(length),
                "start": to_microseconds(block_start(day + timedelta(hours=9), length)),
                "since": to_microseconds(day),
            }
            store.upsert(connection, tables.DirtyBlock, [row])


def run(store: Store, settings: Settings, now: datetime) -> int:
    refresh(store, settings, now)
    done = 0
    while count := judge(store, settings, now):
        update(store, settings, now)
        done += count
    return done


def test_each_closed_day_is_judged_once_in_order_after_downtime(store: Store, settings: Settings, project: int) -> None:
    for day in range(20):
        add_day(store, project, MONDAY + timedelta(days=day), day, 0.9 if day >= 18 else 0.1)
    after = MONDAY + timedelta(days=20, minutes=20)
    assert run(store, settings, after - timedelta(minutes=10)) > 0
    newest = max(item.start for item in latest_verdicts(store, project, after) if item.signal == "refusal")
    assert newest == MONDAY + timedelta(days=18, hours=9), "the hour in which it began is told first"
    assert run(store, settings, after) > 0
    assert run(store, settings, after) == 0
    history = verdict_history(store, project, MONDAY, after, indicator="quality", signal="refusal", segment=WHOLE)
    by_hour = [item for item in history if item.detail.get("lane") == "hour"]
    assert [(item.start, item.state) for item in by_hour] == [(newest, "bad")]
    history = [item for item in history if item not in by_hour]
    assert [item.start for item in history] == [MONDAY + timedelta(days=day) for day in range(20)]
    assert [item.state for item in history[:5]] == ["too_few"] * 5
    assert {item.state for item in history[5:18]} == {"ok"}
    assert [item.state for item in history[18:]] == ["bad", "bad"]
    assert history[-1].since == MONDAY + timedelta(days=18)
    worst = latest_verdicts(store, project, after)
    assert worst[0].is_trouble
    assert [item.state for item in worst] == sorted(
        (item.state for item in worst), key=["bad", "moved", "no_data", "too_few", "ok"].index
    )
    trouble = verdicts_between(store, project, MONDAY, after, states=["bad"], indicators=["quality"], segment=WHOLE)
    assert {item.signal for item in trouble} == {"refusal"}
    assert sum(state_counts(store, project, MONDAY, after).values()) == len(
        verdicts_between(store, project, MONDAY, after)
    )
    assert any(item.indicator == "fairness" and item.segment == Segment("language", "fr") for item in worst)
    judged_apart = {item.segment for item in worst if item.indicator != "fairness"}
    assert judged_apart == {WHOLE, Segment("language", "en"), Segment("language", "fr")}, (
        "a segment of all traffic is not"
    )


def test_calls_without_signals_are_waited_for(store: Store, settings: Settings, project: int) -> None:
    add_day(store, project, MONDAY, 1, 0.1)
    now = MONDAY + timedelta(days=1, hours=1)
    with store.write() as connection:
        row = {"project_id": project, "id": new_id(MONDAY), "received": to_microseconds(now)}
        store.insert(connection, tables.Pending, [row])
    refresh(store, settings, now)
    judge(store, settings, now)
    assert verdict_history(store, project, MONDAY, now, indicator="volume", signal="calls", segment=WHOLE) == []
    later = now + timedelta(hours=7)
    judge(store, settings, later)
    assert verdict_history(store, project, MONDAY, now, indicator="volume", signal="calls", segment=WHOLE) != []


def test_an_open_alert_freezes_the_reference(store: Store, settings: Settings, project: int) -> None:
    for day in range(30):
        add_day(store, project, MONDAY + timedelta(days=day), day, 0.9 if day >= 15 else 0.1)
    since = MONDAY + timedelta(days=15)
    now = MONDAY + timedelta(days=30, hours=1)
    run(store, settings, now)
    history = verdict_history(store, project, since, now, indicator="quality", signal="refusal", segment=WHOLE)
    assert {item.state for item in history} == {"bad"}
    assert history[-1].baseline == pytest.approx(0.1, abs=0.04)
    assert history[-1].detail["since_change"]["n"] == 15 * 40


def test_a_day_without_calls_is_told(store: Store, settings: Settings, project: int) -> None:
    for day in range(28):
        add_day(store, project, MONDAY + timedelta(days=day), day, 0.1)
    run(store, settings, MONDAY + timedelta(days=29, hours=1))
    found = verdict_history(
        store,
        project,
        MONDAY + timedelta(days=28),
        MONDAY + timedelta(days=29),
        indicator="volume",
        signal="calls",
        segment=WHOLE,
    )
    assert {(one.state, one.value) for one in found} == {("bad", 0.0)}
    assert {one.end - one.start for one in found} == {timedelta(hours=1), timedelta(days=1)}, "both lanes tell it"


def test_an_indicator_that_fails_is_reported_and_keeps_no_other_from_answering(
    store: Store,
    settings: Settings,
    project: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_: Evidence) -> Verdict:
        raise ZeroDivisionError("what somebody wrote")

    pack = {**INDICATORS, "broken": replace(quality, name="broken", compute=broken)}
    monkeypatch.setattr("monitor.indicators.collect", lambda *_: pack)
    add_day(store, project, MONDAY, 1, 0.1)
    now = MONDAY + timedelta(days=1, hours=1)
    run(store, settings, now)
    found = {item.indicator: item for item in latest_verdicts(store, project, now)}
    assert found["broken"].state == "no_data"
    assert "ZeroDivisionError" in found["broken"].reason
    assert "indicator broken failed" in caplog.text
    assert "what somebody wrote" not in caplog.text
    assert found["quality"].state == "too_few"


def test_the_pulse_is_taken_once_an_hour_from_facts(store: Store, settings: Settings, project: int) -> None:
    add_day(store, project, MONDAY, 1, 0.1)
    now = MONDAY + timedelta(hours=10)
    with store.write() as connection:
        store.insert(
            connection,
            tables.Pending,
            [{"project_id": project, "id": 1, "received": to_microseconds(now - timedelta(hours=1))}],
        )
        store.insert(
            connection,
            tables.JobRun,
            [
                {
                    "job": "enrich",
                    "slot": 1,
                    "process": "p",
                    "started": to_microseconds(now),
                    "heartbeat": 1,
                    "finished": 1,
                    "done": 0,
                    "state": "failed",
                    "note": "",
                }
            ],
        )
    refresh(store, settings, now)
    facts = pulse_facts(store, project, now)
    assert facts["lag_s"] == 0
    assert facts["backlog_calls"] == 1
    assert facts["backlog_s"] == 3600
    assert facts["coverage"] == 1.0
    assert (facts["jobs_failed"], facts["jobs_stuck"]) == (1, 0)
    assert facts["received"] == 40
    first = judge(store, settings, now)
    assert first == sum(indicator.against == "pulse" for indicator in INDICATORS.values())
    assert judge(store, settings, now + timedelta(minutes=30)) == 0
    states = {item.indicator: item.state for item in latest_verdicts(store, project, now)}
    assert (states["backlog"], states["jobs"], states["coverage"]) == ("bad", "bad", "ok")
    table = table_of(tables.Verdict)
    with store.read() as connection:
        rows = connection.execute(select(table.c.signal, table.c.dimension)).all()
    assert {tuple(row) for row in rows} == {("", "")}

"""A store filled fast with calls that nobody made, for tests and benchmarks of what reads it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor import tables
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.contracts import Kind, Segment
from monitor.identifiers import new_id, pack_identifier
from monitor.model_names import model_family
from monitor.profile import Profile
from monitor.profiles.build import CallSignals, build
from monitor.records import Message, Span, Tokens
from monitor.rows import body_row, span_row
from monitor.store import Store
from tests.enrichments import put_signals

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 56
HOSTILE = '<img src=x onerror="alert(1)"> <script>alert(2)</script> [x](javascript:alert(3)) \u202e {{7*7}} & "quotes"'
MODELS = ("gpt-4-0314", "gpt-4-0613", "claude-3-5-sonnet-20241022", "gpt-3.5-turbo-0301")
FEATURES = ("search", "support", "summaries")
LANGUAGES = ("en", "de", "pl", "fr")
PLANS = ("free", "pro", "team")
_WORDS = ("invoice", "prime", "customer", "March", "answer", "refund", "policy", "model", "summary", "please", "weekly")
_KINDS: Mapping[str, Kind] = {
    "calls": Kind.FLAG,
    "error": Kind.FLAG,
    "latency_s": Kind.NUMBER,
    "time_to_first_token_s": Kind.NUMBER,
    "input_tokens": Kind.NUMBER,
    "output_tokens": Kind.NUMBER,
    "cost_usd": Kind.NUMBER,
    "response_characters": Kind.NUMBER,
    "refusal": Kind.FLAG,
    "truncated": Kind.FLAG,
    "toxic": Kind.FLAG,
    "personal_data": Kind.FLAG,
    "prompt_injection": Kind.FLAG,
    "format": Kind.CATEGORY,
    "language": Kind.CATEGORY,
}


def fill(store: Store, calls: int, *, name: str = "default", seed: int = 1, hostile: bool = False) -> int:
    """Fills a project with so many calls, evenly over eight weeks from START, and their profiles; answers its id."""
    chance = random.Random(seed)
    project = store.project(name, to_microseconds(START))
    day: list[tuple[int, Span, dict[str, Any], dict[str, Any] | None]] = []
    current = START
    for call in _calls(calls, chance, hostile):
        if block_start(call[1].time, BlockLength.DAY) != current:
            _write(store, project, current, day)
            day, current = [], block_start(call[1].time, BlockLength.DAY)
        day.append(call)
    _write(store, project, current, day)
    _write_segments(store, project)
    return project


def _calls(
    count: int, chance: random.Random, hostile: bool
) -> Iterator[tuple[int, Span, dict[str, Any], dict[str, Any] | None]]:
    step = timedelta(days=DAYS) / max(count, 1)
    for number in range(count):
        moment = START + step * number
        tokens = Tokens(input_uncached=chance.randrange(20, 900), output_text=chance.randrange(1, 600))
        model = MODELS[number % 2 if number % 5 else 2 + number % 2]
        failed = chance.random() < 0.01
        text = HOSTILE if hostile and number % 3 == 0 else " ".join(chance.choices(_WORDS, k=chance.randrange(4, 40)))
        span = Span(
            trace_id=f"{number // 2:032x}",
            span_id=f"{number:016x}",
            time=moment,
            name="chat",
            session_id=f"session-{number // 4}",
            user=f"{number % 997:016x}",
            provider="openai" if model.startswith("gpt") else "anthropic",
            model=model,
            environment="production",
            release="2.1" if number > count // 2 else "2.0",
            feature=FEATURES[number % 3],
            prompt=(Message("system", "Be brief."), Message("user", f"{text} number {number}?")),
            response="" if failed else f"{text}. That is all I can say of [EMAIL] and number {number}.",
            context=("The refund policy of 2024.",) if number % 4 == 0 else (),
            tokens=tokens,
            latency_s=chance.lognormvariate(0, 0.5),
            time_to_first_token_s=chance.lognormvariate(-1.5, 0.3),
            status="error" if failed else "ok",
            error="upstream timed out" if failed else "",
            finish_reason="error" if failed else "stop",
            tags={"plan": PLANS[number % 3], "beta": number % 2 == 0, "seats": number % 3},
            attributes={"app.shard": number % 7},
            masked={"email": 1} if number % 10 == 0 else {},
            source="synthetic",
        )
        signals: dict[str, Any] = {
            "calls": True,
            "error": failed,
            "latency_s": span.latency_s,
            "time_to_first_token_s": span.time_to_first_token_s,
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "response_characters": len(span.response),
            "refusal": chance.random() < 0.04,
            "truncated": chance.random() < 0.02,
            "toxic": chance.random() < 0.005,
            "personal_data": number % 10 == 0,
            "prompt_injection": chance.random() < 0.003,
            "format": chance.choice(("prose", "list", "code")),
            "language": LANGUAGES[number % 7 % 4],
        }
        if model != MODELS[3]:
            signals["cost_usd"] = ((tokens.input or 0) * 10 + (tokens.output or 0) * 30) / 1e6
        said = None
        if number % 5 == 0:
            up = chance.random() < 0.8
            said = {"value": float(up), "comment": None if number % 50 else f"{'Good' if up else 'Bad'}: {text[:200]}"}
        yield new_id(moment), span, signals, said


def _write(
    store: Store, project: int, day: datetime, calls: list[tuple[int, Span, dict[str, Any], dict[str, Any] | None]]
) -> None:
    if not calls:
        return
    received = to_microseconds(calls[-1][1].time)
    spans = [span_row(project, identifier, span, received) for identifier, span, _, _ in calls]
    bodies = [row for identifier, span, _, _ in calls if (row := body_row(project, identifier, span))]
    enriched = [(identifier, signals) for identifier, _, signals, _ in calls]
    feedback = [
        {
            "project_id": project,
            "id": identifier,
            "identity": identifier.to_bytes(8, "big"),
            "time": to_microseconds(span.time) + 60_000_000,
            "received": received,
            "trace_id": pack_identifier(span.trace_id),
            "span_id": pack_identifier(span.span_id),
            "name": "thumb",
            "value": said["value"],
            "flag": 1,
            "comment": said["comment"],
            "annotator": "human",
        }
        for identifier, span, _, said in calls
        if said
    ]
    with store.write() as connection:
        store.insert_encoded(connection, tables.Span, spans)
        store.insert(connection, tables.Body, bodies)
        put_signals(store, connection, project, enriched)
        store.insert(connection, tables.Feedback, feedback)
    _write_profiles(store, project, day, calls)


def _segments(span: Span, signals: Mapping[str, Any]) -> tuple[Segment, ...]:
    family = model_family(span.model)
    return (
        Segment("model", span.model),
        Segment("model_family", family),
        Segment("provider", span.provider),
        Segment("environment", span.environment),
        Segment("release", span.release),
        Segment("feature", span.feature),
        Segment("language", signals["language"]),
        Segment("tag.plan", str(span.tags["plan"])),
        Segment("model_family+feature", f"{family} + {span.feature}"),
    )


def _write_profiles(store: Store, project: int, day: datetime, calls: list[Any]) -> None:
    observed = [
        CallSignals(
            span.user.encode(),
            _segments(span, signals),
            signals,
            [("feedback.thumb", Kind.FLAG, said["value"] > 0)] if said else [],
        )
        for _, span, signals, said in calls
    ]
    rows = [
        _profile_row(project, BlockLength.DAY, day, segment, signal, profile)
        for segment, signal, profile in build(observed, _KINDS)
    ]
    with store.write() as connection:
        store.insert(connection, tables.Profile, rows)


def _profile_row(
    project: int, length: BlockLength, start: datetime, segment: Segment, signal: str, profile: Profile
) -> dict[str, Any]:
    return {
        "project_id": project,
        "length": length.value,
        "dimension": segment.dimension,
        "value": segment.value,
        "signal": signal,
        "start": to_microseconds(start),
        "kind": profile.kind.value,
        "n": profile.n,
        "users": profile.users,
        "total": profile.total,
        "total_square": profile.total_square,
        "user_total": profile.user_total,
        "user_total_square": profile.user_total_square,
        "sketch": profile.to_sketch(),
    }


def _write_segments(store: Store, project: int) -> None:
    moment = to_microseconds(START)
    last = to_microseconds(START + timedelta(days=DAYS))
    values = {
        "model": MODELS,
        "model_family": ("gpt-4", "claude-3-5-sonnet", "gpt-3.5-turbo"),
        "provider": ("openai", "anthropic"),
        "environment": ("production",),
        "release": ("2.0", "2.1"),
        "feature": FEATURES,
        "language": LANGUAGES,
        "tag.plan": PLANS,
        "model_family+feature": tuple(
            f"{family} + {feature}"
            for family in ("gpt-4", "claude-3-5-sonnet", "gpt-3.5-turbo")
            for feature in FEATURES
        ),
    }
    rows = [
        {"project_id": project, "dimension": dimension, "value": value, "first_seen": moment, "last_seen": last}
        for dimension, some in values.items()
        for value in some
    ]
    with store.write() as connection:
        store.insert(connection, tables.Segment, rows)

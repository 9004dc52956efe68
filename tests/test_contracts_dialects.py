"""Contract of dialects: each is found by itself, and nothing a sender writes can break one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.contracts import Decoded, Dialect, collect
from monitor.errors import InputError
from monitor.ingest import dialects
from monitor.ingest.decode import all_dialects, decode_span
from monitor.ingest.raw_span import RawEvent, RawSpan
from monitor.records import SpanKind, Tokens
from tests.telemetry import START

DIALECTS = all_dialects()
KINDS = frozenset(SpanKind.__args__)  # type: ignore[attr-defined]
HOSTILE: tuple[Any, ...] = (
    "",
    "null",
    "{",
    "[]",
    "{}",
    "[[[]]]",
    '"',
    '""',
    "[1, null, true, {}]",
    '[{"role": 1, "content": {"x": []}, "parts": 7, "message": 3, "event.name": [], "finish_reason": {}}]',
    '{"messages": {"a": 1}, "choices": [[], {"message": []}], "output": [1], "usage": [], "model": 7, "system": 3}',
    '{"input": -5, "output": 1e400, "total": "x", "cache_read": {"a": {"b": {"c": {}}}}, "generations": [[3]]}',
    '{"anthropic": {"usage": [1]}, "openai": null, "x": {"usage": {"input_tokens": "many", "cost": {}}}}',
    '{"name": null, "version": null}',
    "9" * 400,
    "\ud800",
    "\x00",
    -1,
    0,
    2**63,
    1e308,
    float("nan"),
    float("inf"),
    True,
    None,
    [],
    [None, 1, "x", [], {}],
    {},
    {"a": {"b": {"c": [1, {"d": None}]}}},
    b"\x00\xff",
)


def span(attributes: dict[str, Any], **fields: Any) -> RawSpan:
    given: dict[str, Any] = {"trace_id": "1" * 32, "span_id": "2" * 16, "parent_id": "", "name": "call", "start": START}
    given |= {"end": START + 10**9, "error": False, "error_message": "", "attributes": attributes}
    return RawSpan(**(given | fields))


def names_of(dialect: Dialect) -> list[str]:
    """Every attribute name a dialect knows, with members below the groups."""
    module = next(
        module
        for module in vars(dialects).values()
        if getattr(module, "DIALECT", None) is dialect and hasattr(module, "VOCABULARY")
    )
    vocabulary = module.VOCABULARY
    names = [name for aliases in vocabulary.fields.values() for name in aliases]
    groups = [f"{prefix}{end}" for prefix in vocabulary.groups for end in ("0", "0.x", "1.message.content", "", "..")]
    return [*names, *groups, *(f"{name}x" for name in vocabulary.kept)]


def test_each_is_found_by_itself_and_has_a_place_of_its_own() -> None:
    assert set(DIALECTS) == set(collect(dialects, Dialect).values())
    assert len(DIALECTS) >= 10
    for values in ([one.name for one in DIALECTS], [one.priority for one in DIALECTS]):
        assert len(set(values)) == len(values)
    assert [one.priority for one in DIALECTS] == sorted((one.priority for one in DIALECTS), reverse=True)
    assert [one.name for one in DIALECTS if one.priority <= 0] == ["plain"]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
def test_only_plain_claims_what_is_not_its_own(dialect: Dialect) -> None:
    strange = {"http.request.method": "GET", "app.events": 1, "input": "x", "db.system": "sqlite", "user.id": "ann"}
    assert dialect.recognises({}) is (dialect.name == "plain")
    assert dialect.recognises(strange) is (dialect.name == "plain")


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
def test_an_empty_span_is_a_span(dialect: Dialect) -> None:
    decoded = dialect.decode(span({}))
    assert isinstance(decoded, Decoded)
    assert decoded.span.kind in KINDS
    assert (decoded.span.trace_id, decoded.span.span_id) == ("1" * 32, "2" * 16)
    assert decoded.span.latency_s == 1.0
    assert (decoded.span.tokens, decoded.span.cost_usd, decoded.span.prompt) == (Tokens(), None, ())
    assert (decoded.feedback, decoded.unmapped) == ((), ())


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
def test_no_value_breaks_it(dialect: Dialect) -> None:
    names = names_of(dialect)
    events = [RawEvent(name, 0, {}) for name in ("exception", "gen_ai.choice", "guard.evaluation", "ai.stream.x")]
    for value in HOSTILE:
        _survives(dialect, span(dict.fromkeys(names, value)))
        hostile_events = [RawEvent(event.name, -1, dict.fromkeys(names, value), value) for event in events]
        _survives(dialect, span(dict.fromkeys(names, value), events=[*events, *hostile_events], start=0))
    for index, name in enumerate(names):
        for value in HOSTILE[index % 3 :: 3]:
            _survives(dialect, span({name: value}))


def _survives(dialect: Dialect, raw: RawSpan) -> None:
    for decode in (dialect.decode, decode_span):
        try:
            decoded = decode(raw)
        except InputError:
            continue
        record = decoded.span
        assert record.kind in KINDS
        texts = (record.user, record.session_id, record.model, record.prompt_version, record.response, record.error)
        assert all(isinstance(text, str) for text in (*texts, record.finish_reason, record.feature, record.release))
        assert all(isinstance(message.role, str) and isinstance(message.content, str) for message in record.prompt)
        counts = [record.tokens.input, record.tokens.output]
        assert all(count is None or (type(count) is int and count >= 0) for count in counts)
        assert record.cost_usd is None or isinstance(record.cost_usd, float | int)
        assert all(isinstance(value, str | int | float) for value in record.tags.values())
        assert all(isinstance(item, str) for item in (*record.context, *decoded.unmapped))


def test_deep_nesting_is_not_followed_to_the_end() -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = {"message": deep, "content": [deep]} if isinstance(deep, str) else {"content": [deep]}
    text = json.dumps(deep)
    for dialect in DIALECTS:
        for name in names_of(dialect):
            dialect.decode(span({name: text}))

"""Every enricher, found by itself, against its contract."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import monitor.enrich
from monitor.contracts import Enricher, Kind, Signal, SignalValue, collect
from monitor.records import HIDDEN, Message, Span, Tokens
from monitor.settings import Settings
from monitor.text.fingerprints import registered
from monitor.vectors import DIMENSIONS
from tests.test_hostile_texts import PIECES

ENRICHERS = collect(monitor.enrich, Enricher)
SIGNALS = [signal for enricher in ENRICHERS.values() for signal in enricher.signals]
FAMILIES = {"usage", "cost", "drift", "quality", "safety", "fairness", "pulse"}
TIME = datetime(2026, 3, 11, 12, tzinfo=UTC)
PROSE = (
    "The invoice of March is higher than the one of February because two more people were added to your account. You "
    "can remove them at any time, and we will happily refund the difference to the card you used before."
)
TEXTS = {
    "empty": "",
    "blank": " \n\t ",
    "long": "word and another, " * 12_000,
    "one long word": "x" * 200_000,
    "emoji": "😀👍🏽🏳️‍🌈" * 50,
    "right to left": "مرحبا بالعالم، كيف حالك اليوم؟ " * 10,
    "chinese": "今天天气很好，我们去公园散步吧。" * 10,
    "NUL and controls": "a\x00b\x01c\x7f\u202e d\ufeff",
    "lone surrogate": "broken \ud800 text",
    "numbers": "17077 3.14 2023-06-13 12:30 " * 20,
    "punctuation": "?!.,;:-_#*+~<>|{}[]()" * 30,
    "json": '{"a": [1, 2, {"b": null}]}',
    "deep json": "[" * 5000 + "]" * 5000,
    "code": "```python\ndef f(x):\n    return x\n```",
    "open fence": "```" * 99,
    "prose": PROSE,
    "hidden": HIDDEN,
}


def call(prompt: str = "", response: str = "", **values: object) -> Span:
    span = Span(
        trace_id="1" * 32,
        span_id="1" * 16,
        time=TIME,
        model="gpt-4o",
        provider="openai",
        prompt=(Message("system", prompt), Message("user", prompt)),
        response=response,
        tokens=Tokens(input_uncached=10, output_text=5),
        latency_s=0.5,
    )
    return msgspec.structs.replace(span, **values)


CALLS = [call(text, text) for text in TEXTS.values()] + [
    Span(trace_id="2" * 32, span_id="2" * 16, time=TIME),
    call(PROSE, "", status="error", error="timeout"),
    call(PROSE, PROSE, finish_reason="length", masked={"email": 2, "secret": 1}, context=(PROSE, "")),
    call(PROSE, "", tokens=Tokens(), latency_s=-1.0, cost_usd=float("nan")),
    call(PROSE, PROSE, cost_usd=0.01),
    call(PROSE, PROSE, tags={"cache_hit": True}),
]


@pytest.fixture(params=ENRICHERS, name="enricher")
def _enricher(request: pytest.FixtureRequest) -> Enricher:
    return ENRICHERS[request.param]


def compute(enricher: Enricher, calls: Sequence[Span]) -> list[dict[str, SignalValue]]:
    return enricher.compute(calls, Settings())


def test_every_module_of_the_folder_defines_an_enricher() -> None:
    modules = {path.stem for path in Path(monitor.enrich.__file__).parent.glob("*.py")} - {"__init__"}
    assert len(ENRICHERS) >= len(modules) >= 7


def test_names_of_signals_are_unique() -> None:
    names = [signal.name for signal in SIGNALS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_signals_are_described(signal: Signal) -> None:
    assert signal.name == signal.name.lower().replace(" ", "_")
    assert signal.title[0].isupper()
    assert signal.description.endswith((".", ")"))
    assert signal.misleads.endswith((".", ")")), "says when not to trust it"
    assert signal.family in FAMILIES
    assert 0 < signal.relevant_change <= 0.5


def has_kind(signal: Signal, value: SignalValue) -> bool:
    if signal.kind is Kind.FLAG:
        return isinstance(value, bool)
    if signal.kind is Kind.CATEGORY:
        return isinstance(value, str) and 0 < len(value) <= 100
    if signal.kind is Kind.VECTOR:
        return (
            isinstance(value, list)
            and len(value) == DIMENSIONS
            and math.isclose(math.hypot(*value), 1, abs_tol=0.01)
            and all(isinstance(number, float) for number in value)
        )
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check(enricher: Enricher, calls: Sequence[Span]) -> None:
    declared = {signal.name: signal for signal in enricher.signals}
    answers = compute(enricher, calls)
    assert len(answers) == len(calls)
    for answer in answers:
        for name, value in answer.items():
            assert name in declared, f"{name} is not declared"
            assert has_kind(declared[name], value), f"{name} is {type(value).__name__}"


def test_only_declared_signals_of_the_right_kind_whatever_the_text(enricher: Enricher) -> None:
    check(enricher, CALLS)


ANY_TEXT = st.text(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@given(prompt=ANY_TEXT, response=ANY_TEXT, document=ANY_TEXT, reason=st.text(max_size=20))
@hypothesis_settings(max_examples=40, deadline=None)
def test_any_text_is_borne(prompt: str, response: str, document: str, reason: str) -> None:
    one = call(prompt, response, finish_reason=reason, context=(document,), reference=(document, response))
    other = msgspec.structs.replace(one, prompt=(Message("system", document), *one.prompt, Message("tool", document)))
    for enricher in ENRICHERS.values():
        check(enricher, [one, other])


RICH = [
    call(
        PROSE,
        PROSE,
        time_to_first_token_s=0.1,
        finish_reason="stop",
        tokens=Tokens(input_uncached=10, input_cache_read=5, output_text=5),
        context=(PROSE,),
        reference=("The invoice of March is higher because 2 people were added.",),
    ),
    call(
        "What changed in 2025? Why did the invoice change? Answer in at most 20 words.",
        "I'm not sure what changed in 2025.\n```python\nprint('changed')\n```",
    ),
    call(PROSE, PROSE, cost_usd=0.01),
    call(PROSE, PROSE, tags={"cache_hit": True}),
]


def test_every_declared_signal_is_emitted_for_some_call(enricher: Enricher, tmp_path: Path) -> None:
    protected = tmp_path / "protected.json"
    protected.write_text(registered({"prose": PROSE}), encoding="utf-8")
    answers = enricher.compute(RICH, Settings(protected_texts=protected))
    assert set().union(*answers) == {signal.name for signal in enricher.signals}


def test_the_same_call_gives_the_same_signals(enricher: Enricher) -> None:
    assert compute(enricher, CALLS) == compute(enricher, CALLS)


def test_a_batch_gives_what_single_calls_give(enricher: Enricher) -> None:
    singles = [compute(enricher, [one])[0] for one in CALLS]
    assert compute(enricher, CALLS) == singles
    assert compute(enricher, CALLS[::-1]) == singles[::-1]
    assert compute(enricher, []) == []


def test_hidden_content_is_never_scored(enricher: Enricher) -> None:
    about_text = {
        signal.name
        for other in ENRICHERS.values()
        if other.name not in ("measured", "cost")
        for signal in other.signals
    }
    (hidden,) = compute(enricher, [call(HIDDEN, HIDDEN)])
    assert not set(hidden) & about_text


def test_calls_without_texts_have_no_signals_of_texts(enricher: Enricher) -> None:
    (bare,) = compute(enricher, [Span(trace_id="2" * 32, span_id="2" * 16, time=TIME)])
    assert set(bare) <= {"calls", "error", "cost_source"}


def test_enrichers_are_plain_data(enricher: Enricher) -> None:
    assert dataclasses.is_dataclass(enricher)
    assert enricher.version >= 1
    assert enricher.signals

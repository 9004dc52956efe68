"""Shape of prompts and responses: length, readability, form, and whether an answer was declined, cut, empty or "
"a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue, each
from monitor.records import HIDDEN
from monitor.text.form import ends_abruptly, form_of, lix, repetition
from monitor.text.refusal import is_refusal

if TYPE_CHECKING:
    from monitor.records import Span

_LENGTH_REASONS = frozenset(
    ("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded")
)


def _shape(call: Span) -> dict[str, SignalValue]:
    values: dict[str, SignalValue] = {}
    if call.prompt and all(message.content != HIDDEN for message in call.prompt):
        values["prompt_characters"] = sum(len(message.content) for message in call.prompt)
    if call.has_response and call.response.strip():
        values["empty_response"] = False
        _describe(call, values)
    elif _is_empty(call):
        values["empty_response"] = True
        values["response_characters"] = 0
        values["response_words"] = 0
    return values


def _is_empty(call: Span) -> bool:
    """An answer without text or tool calls, from a sender that does report texts."""
    written = call.tokens.output_text
    return (
        call.status == "ok"
        and call.response != HIDDEN
        and not call.response_parts
        and any(message.content and message.content != HIDDEN for message in call.prompt)
        and (bool(call.response) or not written)
    )


def _describe(call: Span, values: dict[str, SignalValue]) -> None:
    text = call.response
    values["response_characters"] = len(text)
    values["response_words"] = len(text.split())
    form = form_of(text)
    values["format"] = form
    if form not in ("code", "json", "table") and (readability := lix(text)) is not None:
        values["readability"] = readability
    values["refusal"] = form not in ("code", "json") and is_refusal(text)
    reason = call.finish_reason.strip().lower().rpartition(".")[2]
    if reason in _LENGTH_REASONS or "response" in call.truncated:
        values["truncated"] = reason in _LENGTH_REASONS
    else:
        values["truncated"] = not reason and form in ("prose", "markdown") and ends_abruptly(text)
    if (repeated := repetition(text)) is not None:
        values["repetition"] = repeated


shape = Enricher(
    name="shape",
    version=1,
    signals=(
        Signal(
            "prompt_characters",
            Kind.NUMBER,
            "Prompt length",
            "Characters of all messages that were sent.",
            family="drift",
            unit="characters",
            relevant=0.2,
            misleads="Long conversations send their whole history each time.",
        ),
        Signal(
            "response_characters",
            Kind.NUMBER,
            "Response length",
            "Characters of the response.",
            family="drift",
            unit="characters",
            relevant=0.2,
            misleads="Longer is not better; see feedback.",
        ),
        Signal(
            "response_words",
            Kind.NUMBER,
            "Response words",
            "Words of the response, as blanks divide it.",
            family="drift",
            unit="words",
            relevant=0.2,
            misleads="Languages without blanks between words have few.",
        ),
        Signal(
            "readability",
            Kind.NUMBER,
            "Readability",
            "LIX: words a sentence plus percentage of words over six letters (Björnsson 1968); 20 is very easy, "
            "60 very "
            "hard. First 4,000 characters, without code.",
            family="quality",
            unit="LIX",
            relevant=0.1,
            misleads="Comparable within a language only; answers below 30 words have none.",
        ),
        Signal(
            "refusal",
            Kind.FLAG,
            "Refusals",
            "The response begins by declining what was asked, by phrases in fifteen languages.",
            family="quality",
            good="down",
            relevant=0.03,
            misleads="Declining a harmful request is right; polite half-answers are often missed.",
        ),
        Signal(
            "truncated",
            Kind.FLAG,
            "Cut answers",
            "The model stopped at the token limit; where no finish reason is reported, the text ends in the middle.",
            family="quality",
            good="down",
            relevant=0.02,
            misleads="Without a finish reason it is a guess from the last words.",
        ),
        Signal(
            "empty_response",
            Kind.FLAG,
            "Empty answers",
            "The call succeeded, but its answer has neither text nor tool calls.",
            family="quality",
            good="down",
            relevant=0.01,
            misleads="Senders that leave out texts are not judged.",
        ),
        Signal(
            "repetition",
            Kind.NUMBER,
            "Repetition",
            "Share of sequences of four words that occur more than once in the last 300 words: near 1 is a loop.",
            family="quality",
            good="down",
            relevant=0.2,
            misleads="Tables, verse and code repeat themselves rightly.",
        ),
        Signal(
            "format",
            Kind.CATEGORY,
            "Form of answers",
            "Form of the response: prose, list, code, json, table, markdown or short (under 40 characters).",
            family="drift",
            misleads="Mixed answers count as the form that strikes first.",
        ),
    ),
    compute=each(_shape),
)

"""What the sender measured itself: outcome, times, tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue, each

if TYPE_CHECKING:
    from monitor.records import Span

# What providers call the same thing.
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "finished": "stop",
    "complete": "stop",
    "completed": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_call": "tool_calls",
    "tool-calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content-filter": "content_filter",
    "content_filtered": "content_filter",
    "safety": "content_filter",
    "guardrail_intervened": "content_filter",
    "refusal": "content_filter",
}
_MAX_REASON = 60


def finish_reason(text: str) -> str:
    """The common name of a finish reason: stop, length, tool_calls, content_filter, or what the sender says."""
    name = text.strip().lower().rpartition(".")[2][:_MAX_REASON]
    return _FINISH_REASONS.get(name, name)


def _measure(call: Span) -> dict[str, SignalValue]:
    values: dict[str, SignalValue] = {"calls": True, "error": call.status == "error"}
    for name, number in (
        ("latency_s", call.latency_s),
        ("time_to_first_token_s", call.time_to_first_token_s),
        ("input_tokens", call.tokens.input),
        ("output_tokens", call.tokens.output),
    ):
        if number is not None and number >= 0:
            values[name] = number
    if reason := finish_reason(call.finish_reason):
        values["finish_reason"] = reason
    return values


measured = Enricher(
    name="measured",
    version=1,
    signals=(
        Signal(
            "calls",
            Kind.FLAG,
            "Calls",
            "Set for every call, so that its count is the number of calls.",
            family="usage",
            misleads="A missing sender looks like less traffic.",
        ),
        Signal(
            "error",
            Kind.FLAG,
            "Errors",
            "The call ended with an error, as the sender reports it.",
            family="quality",
            good="down",
            relevant=0.02,
            weight=10.0,
            misleads="Retries inside a client library are seen only if each attempt is reported.",
        ),
        Signal(
            "latency_s",
            Kind.NUMBER,
            "Latency",
            "Time from sending the request to the end of the answer.",
            family="usage",
            unit="s",
            good="down",
            relevant=0.2,
            misleads="Longer answers take longer; look at the output tokens too.",
        ),
        Signal(
            "time_to_first_token_s",
            Kind.NUMBER,
            "Time to first token",
            "Time from sending the request to the first piece of a streamed answer.",
            family="usage",
            unit="s",
            good="down",
            relevant=0.2,
            misleads="Only streamed calls have it.",
        ),
        Signal(
            "input_tokens",
            Kind.NUMBER,
            "Input tokens",
            "Tokens of the request, cached ones included, as the provider counted them.",
            family="usage",
            unit="tokens",
            relevant=0.2,
            misleads="Tokenizers differ: the same text has other counts after a change of the model.",
        ),
        Signal(
            "output_tokens",
            Kind.NUMBER,
            "Output tokens",
            "Tokens of the answer, reasoning included, as the provider counted them.",
            family="usage",
            unit="tokens",
            relevant=0.2,
            misleads="Tokenizers differ: the same text has other counts after a change of the model.",
        ),
        Signal(
            "finish_reason",
            Kind.CATEGORY,
            "Finish reason",
            "Why the model stopped, in common words: stop, length, tool_calls, content_filter or the sender's own.",
            family="drift",
            misleads="Some clients report stop whatever happened.",
        ),
    ),
    compute=each(_measure),
)

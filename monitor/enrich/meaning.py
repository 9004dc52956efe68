"""What prompts and responses are about, as vectors (`monitor.vectors`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue
from monitor.records import HIDDEN
from monitor.vectors import text_vectors

if TYPE_CHECKING:
    from monitor.records import Span
    from monitor.settings import Settings

_MISLEADS = (
    "It sees words, not sense: a paraphrase in other words looks like another topic, and a new language like a new "
    "topic altogether. Only the first 2,000 characters count."
)


def _compute(calls: Sequence[Span], settings: Settings) -> list[dict[str, SignalValue]]:  # noqa: ARG001
    texts = [(name, text) for call in calls for name, text in _texts(call)]
    vectors = text_vectors(["" if text == HIDDEN else text for _, text in texts])
    results: list[dict[str, SignalValue]] = []
    for index in range(0, len(texts), 2):
        pairs = ((texts[index + offset][0], vectors[index + offset]) for offset in (0, 1))
        results.append({name: vector for name, vector in pairs if vector is not None})
    return results


def _texts(call: Span) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("prompt_meaning", call.prompt_text), ("response_meaning", call.response)


meaning = Enricher(
    name="meaning",
    version=1,
    signals=(
        Signal(
            "prompt_meaning",
            Kind.VECTOR,
            "Topics of prompts",
            "What the last user message is about: its words, hashed and projected to 64 numbers of length 1.",
            family="drift",
            relevant=0.05,
            misleads=_MISLEADS,
        ),
        Signal(
            "response_meaning",
            Kind.VECTOR,
            "Topics of responses",
            "What the response is about: its words, hashed and projected to 64 numbers of length 1.",
            family="drift",
            relevant=0.05,
            misleads=_MISLEADS,
        ),
    ),
    compute=_compute,
)

"""Languages of prompt and response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue, each
from monitor.records import HIDDEN
from monitor.text.language import UNKNOWN, detect_language, is_long_enough, same_language

if TYPE_CHECKING:
    from monitor.records import Span


def _languages(call: Span) -> dict[str, SignalValue]:
    values: dict[str, SignalValue] = {}
    prompt = response = ""
    if (text := call.prompt_text) and text != HIDDEN:
        values["language"] = prompt = detect_language(text)
    if call.has_response and is_long_enough(call.response):
        values["response_language"] = response = detect_language(call.response)
    if prompt and response and UNKNOWN not in (prompt, response):
        values["language_match"] = same_language(prompt, response)
    return values


_MISLEADS = (
    "Very short texts and texts of two languages are often und; close relatives such as Danish and Norwegian mix."
)

language = Enricher(
    name="language",
    version=1,
    signals=(
        Signal(
            "language",
            Kind.CATEGORY,
            "Language of the user",
            "Language of the last user message (ISO 639-1), und where it cannot be told.",
            family="drift",
            misleads=_MISLEADS,
        ),
        Signal(
            "response_language",
            Kind.CATEGORY,
            "Language of the answer",
            "Language of the response (ISO 639-1), und where it cannot be told; no value for a word or two.",
            family="drift",
            misleads=_MISLEADS,
        ),
        Signal(
            "language_match",
            Kind.FLAG,
            "Answered in the user's language",
            "Prompt and response are in the same language; only where both are known.",
            family="quality",
            good="up",
            relevant=0.03,
            misleads="Translations, and questions about another language, rightly do not match.",
        ),
    ),
    compute=each(_languages),
)

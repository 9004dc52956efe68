"""Tone of English texts: sentiment and toxicity. Texts in other languages have no value rather than a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue, each
from monitor.records import HIDDEN
from monitor.text.language import detect_language
from monitor.text.sentiment import sentiment
from monitor.text.toxicity import THRESHOLD, toxicity

if TYPE_CHECKING:
    from monitor.records import Span

_SHORT = 60
# A bare "No" is an answer, not a mood.
_LEAST_WORDS = 4


def _tone(call: Span) -> dict[str, SignalValue]:
    values: dict[str, SignalValue] = {}
    prompt = call.prompt_text
    prompt_language = detect_language(prompt) if prompt and prompt != HIDDEN else ""
    if _is_english(prompt, prompt_language, ""):
        if _is_sentence(prompt):
            values["prompt_sentiment"] = sentiment(prompt)
        values["prompt_toxic"] = toxicity(prompt) >= THRESHOLD
    if call.has_response and _is_english(call.response, detect_language(call.response), prompt_language):
        if _is_sentence(call.response):
            values["sentiment"] = sentiment(call.response)
        score = toxicity(call.response)
        values["toxicity"] = score
        values["toxic"] = score >= THRESHOLD
    return values


def _is_sentence(text: str) -> bool:
    return len(text[:_SHORT].split()) >= _LEAST_WORDS


def _is_english(text: str, language: str, other: str) -> bool:
    """English, or a short text without a clear language to an English prompt."""
    return bool(text.strip()) and (
        language == "en" or (language == "und" and other == "en" and text.isascii() and len(text) <= _SHORT)
    )


_LEXICON = (
    "A word list: irony, hints and polite contempt are missed, quoted and reclaimed words are found. English "
    "only; first "
    "2,000 characters. Read some of the calls before you act."
)
_VADER = (
    "English only, four words or more; knows negation but no irony. First 800 characters; of texts over "
    "200 characters the mean of the sentences that say anything."
)

tone = Enricher(
    name="tone",
    version=2,
    signals=(
        Signal(
            "sentiment",
            Kind.NUMBER,
            "Sentiment of answers",
            "Sentiment of the response, -1 to 1 (VADER).",
            family="quality",
            good="up",
            relevant=0.2,
            misleads=_VADER,
        ),
        Signal(
            "prompt_sentiment",
            Kind.NUMBER,
            "Sentiment of users",
            "Sentiment of the last user message, -1 to 1 (VADER).",
            family="quality",
            good="up",
            relevant=0.2,
            misleads=_VADER,
        ),
        Signal(
            "toxicity",
            Kind.NUMBER,
            "Toxicity of answers",
            "Insults, slurs, threats and demeaning statements in the response: 0 none, 1 certain (graded lexicon).",
            family="safety",
            good="down",
            relevant=0.5,
            misleads=_LEXICON,
        ),
        Signal(
            "toxic",
            Kind.FLAG,
            "Toxic answers",
            "The toxicity of the response is 0.5 or more.",
            family="safety",
            good="down",
            relevant=0.01,
            misleads=_LEXICON,
        ),
        Signal(
            "prompt_toxic",
            Kind.FLAG,
            "Toxic prompts",
            "The toxicity of the last user message is 0.5 or more.",
            family="safety",
            good="down",
            relevant=0.02,
            misleads=_LEXICON,
        ),
    ),
    compute=each(_tone),
)

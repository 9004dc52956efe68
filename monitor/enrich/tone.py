"""Tone of English texts: sentiment and toxicity. Texts in other languages have no value rather than a wrong one.

Short, slangy and shouted texts are judged where their words are English (`monitor.text.english`). Emoji and emoticons
without any words have a sentiment in every language.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue, each
from monitor.records import HIDDEN
from monitor.text.english import is_english
from monitor.text.language import UNKNOWN, detect_language
from monitor.text.sentiment import sentiment
from monitor.text.toxicity import THRESHOLD, toxicity

if TYPE_CHECKING:
    from monitor.records import Span

_SHORT = 60
_LEAST_WORDS = 4
_END_MARKS = (".", "!", "?", "\u2026")
_FACE = re.compile(r"[\U0001f300-\U0001faff\u2600-\u27bf]|[:;=]['-]?[()DP/|*]|<3")


def _tone(call: Span) -> dict[str, SignalValue]:
    values: dict[str, SignalValue] = {}
    prompt = "" if call.prompt_text == HIDDEN else call.prompt_text
    english = is_english(prompt)
    if (mood := _mood(prompt, english)) is not None:
        values["prompt_sentiment"] = mood
    if english:
        values["prompt_toxic"] = toxicity(prompt) >= THRESHOLD
    if call.has_response:
        answer = call.response
        english = is_english(answer) or (english and _is_short_without_language(answer))
        if (mood := _mood(answer, english)) is not None:
            values["sentiment"] = mood
        if english:
            score = toxicity(answer)
            values |= {"toxicity": score, "toxic": score >= THRESHOLD}
    return values


def _is_short_without_language(text: str) -> bool:
    """Names, figures and the like, which take the language of the prompt they answer."""
    return len(text) <= _SHORT and text.isascii() and bool(text.strip()) and detect_language(text) == UNKNOWN


def _mood(text: str, english: bool) -> float | None:
    """Sentiment of English text, and of emoji and emoticons that stand without any words."""
    if english:
        return sentiment(text) if _is_utterance(text) else None
    if len(text) <= _SHORT and _FACE.search(text) and not any(map(str.isalpha, _FACE.sub("", text))):
        return sentiment(text)
    return None


def _is_utterance(text: str) -> bool:
    """Not an answer such as "No" or a label such as "Bad risk": these are no mood."""
    words = len(text[:_SHORT].split())
    if words >= _LEAST_WORDS:
        return True
    return "!" in text or (words > 1 and text.rstrip().endswith(_END_MARKS)) or _FACE.search(text) is not None


_LEXICON = (
    "A word list: irony, hints and polite contempt are missed, quoted and reclaimed words are found. English "
    "only; first "
    "2,000 characters. Read some of the calls before you act."
)
_VADER = (
    "English only, and emoji without words; below four words only with a mark at the end or an emoji. Knows negation "
    "but no irony. First 800 characters; of texts over 200 characters the mean of the sentences that say anything."
)

tone = Enricher(
    name="tone",
    version=3,
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

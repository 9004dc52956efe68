"""Prompt injection and jailbreaks: attempts to override instructions, to lift limits, to get at hidden prompts.

What a user writes is judged by rules (`injection_rules`) and by a small model of words and pairs of words
(`linear_model`; docs/models/injection.md has its held-out figures). Ways of attack unlike those known, and harmful
wishes asked plainly, are missed. Documents and tool results are judged by `indirect`.
"""

from __future__ import annotations

from monitor.text.injection_rules import HIDDEN_CHARACTERS, STRONG, SYMBOL, WEAK, has_garbled_suffix
from monitor.text.linear_model import load_model, text_features
from monitor.text.patterns import plain

THRESHOLD = 0.55
"""From this score on a text is called an attack."""

_CHARACTERS = 3000
_TAIL = 1000
_RULE_SCORE = 0.9
_WEAK_NEEDED = 3
_SUFFIX = 120
_SHORT = 40


def injection_score(text: str) -> float:
    """From 0 (an ordinary prompt) to 1 (an attack); the first 3,000 and the last 1,000 characters count."""
    if not text.strip():
        return 0.0
    if not text.isascii() and HIDDEN_CHARACTERS.search(text):
        return 1.0
    ends = _ends(text)
    lowered = plain(ends)
    measures = injection_measures(ends, lowered)
    features = text_features(lowered)
    score = load_model("injection").score(features, len(features), measures)
    strong, weak = measures[:2]
    if strong or weak * 2 >= _WEAK_NEEDED:
        score = max(score, _RULE_SCORE)
    return round(score, 4)


def is_injection(text: str) -> bool:
    """Whether what a user writes tries to override the model's instructions or limits."""
    return injection_score(text) >= THRESHOLD


def injection_measures(text: str, lowered: str) -> tuple[float, float, float, float, float]:
    """What the model is told beside the words: strong rules that fit (at most 3), half the weak ones (at most 2), a
    garbled suffix, the share of symbols at the end, and whether that is high on a last line without code."""
    tail = text[-_SUFFIX:]
    symbols = len(SYMBOL.findall(tail)) / max(_SHORT, len(tail))
    return (
        float(min(sum([rule.fits(lowered) for rule in STRONG]), 3)),
        min(sum([rule.fits(lowered) for rule in WEAK]), 4) / 2,
        float(has_garbled_suffix(text)),
        min(symbols * 4, 1.5) if lowered.count(" ") >= 5 else 0.0,
        float(symbols > 0.08 and "\n" not in tail and "```" not in text),
    )


def _ends(text: str) -> str:
    return text if len(text) <= _CHARACTERS + _TAIL else f"{text[:_CHARACTERS]}\n{text[-_TAIL:]}"

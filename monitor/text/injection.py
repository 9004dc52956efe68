"""Prompt injection and jailbreaks: attempts to override instructions, to lift limits, to get at hidden prompts.

What a user writes is judged by rules (`injection_rules`), a small model of words and pairs of words (`linear_model`;
docs/models/injection.md has its held-out figures) and, within the frame of a story, the model of harm. Ways of attack
unlike those known, and harmful wishes asked plainly, are missed. Documents are judged by `indirect`.
"""

from __future__ import annotations

from monitor.text.injection_rules import HIDDEN_CHARACTERS, STRONG, SYMBOL, WEAK, has_garbled_suffix
from monitor.text.linear_model import LinearModel, load_model, text_features
from monitor.text.patterns import plain

THRESHOLD = 0.45
"""From this score on a text is called an attack."""

_CHARACTERS = 3000
_TAIL = 1000
_RULE_SCORE = 0.9
_WEAK_NEEDED = 3
_SUFFIX = 120
_SHORT = 40
# A harmful wish in the frame of a story or an experiment of thought is an attack where it is spelt out.
_FRAMES = frozenset(
    """
    imagine imagined fiction fictional hypothetical hypothetically novel novelist screenplay screenwriter script
    scriptwriter character characters story scenario roleplay simulation thesis documentary film movie pretend persona
    protagonist
    """.split()  # noqa: SIM905
)
_FRAMED_HARM = 0.8
_FRAMED_SCORE = 0.6
_FRAMED_BLANKS = 25


def injection_score(text: str) -> float:
    """From 0 (an ordinary prompt) to 1 (an attack); the first 3,000 and the last 1,000 characters count."""
    return score_with(load_model("injection"), text)


def score_with(model: LinearModel, text: str) -> float:
    """The score of a text with another model in place of the packaged one."""
    if not text.strip():
        return 0.0
    if not text.isascii() and HIDDEN_CHARACTERS.search(text):
        return 1.0
    ends = _ends(text)
    lowered = plain(ends)
    measures = injection_measures(ends, lowered)
    features = text_features(lowered)
    score = model.score(features, len(features), measures)
    if score < _FRAMED_SCORE and not _FRAMES.isdisjoint(features) and lowered.count(" ") >= _FRAMED_BLANKS:
        harm = load_model("harm").score(features, len(features), ())
        score = max(score, _FRAMED_SCORE) if harm >= _FRAMED_HARM else score
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

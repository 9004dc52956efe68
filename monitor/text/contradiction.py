"""Whether two answers to one question say different things.

Compared is what can be compared: yes with no; the letters of options; the numbers of answers to questions for a number;
and short answers, which hold what the other says or do not. Long answers in other words are not judged, nor answers
that decline. English, but for numbers, options and short answers.

It misleads where both of two different answers are right (another spelling, a synonym, one item of a list each), and
where a question has another answer today than yesterday.
"""

from __future__ import annotations

import re

from monitor.text.correctness import agreement, numbers_said, option_of, yes_or_no
from monitor.text.refusal import is_refusal
from monitor.text.words import STOP_STEMS, tokens

DISAGREE = 0.3
"""Below this agreement, either way, two short answers contradict each other."""

_CHARACTERS = 8_000
_QUESTION = 2_000
_SHORT = 8
_ASKS_YES_NO = re.compile(
    r"\b(?:yes or no|yes/no|true or false|\[yes\]|\[no\])"
    r"|(?:^|[.!?\n]\s*)(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had|may|must)\b[^.!?\n]*\?",
    re.IGNORECASE,
)
_OR = re.compile(r"\b(?:or|which|what|who|how)\b", re.IGNORECASE)
_ASKS_NUMBER = re.compile(
    r"\b(?:how (?:many|much|old|long|tall|far|high|big)|calculate|compute|what is \d"
    r"|(?:what|which|in what|in which) (?:year|number|percentage|amount|date|price))",
    re.IGNORECASE,
)
_OPTIONS = re.compile(r"(?:^|\n|\s)\(?A[).:]\s.*?(?:\n|\s)\(?B[).:]\s", re.DOTALL)


def contradicts(question: str, earlier: str, later: str) -> bool | None:
    """True where two answers to one question exclude each other; None where that cannot be told."""
    asked, one, other = question[-_QUESTION:], earlier[:_CHARACTERS].strip(), later[:_CHARACTERS].strip()
    if not one or not other or is_refusal(one) or is_refusal(other):
        return None
    if one == other:
        return False
    if _asks_yes_no(asked):
        said = yes_or_no(one), yes_or_no(other)
        return said[0] != said[1] if all(said) else None
    if _OPTIONS.search(asked):
        chosen = option_of(one), option_of(other)
        return chosen[0] != chosen[1] if all(chosen) else None
    if _ASKS_NUMBER.search(asked):
        given = numbers_said(asked)
        numbers = numbers_said(one) - given, numbers_said(other) - given
        if all(numbers):
            return numbers[0].isdisjoint(numbers[1])
    return _short_ones(asked, one, other)


def _asks_yes_no(question: str) -> bool:
    found = _ASKS_YES_NO.search(question)
    return found is not None and not (found[0].endswith("?") and _OR.search(found[0]))


def _short_ones(question: str, one: str, other: str) -> bool | None:
    asked = set(tokens(question))
    content = [
        [token for token in tokens(text) if token not in STOP_STEMS and token not in asked] for text in (one, other)
    ]
    lengths = sorted(map(len, content))
    if not lengths[0] or lengths[0] > _SHORT:
        return None
    return max(agreement(one, [other], question), agreement(other, [one], question)) < DISAGREE

"""What users do when an answer was no good: they ask again, in the same words or in others, or they leave.

A conversation is a session, or the calls of one user where no session is known. Its turns are its traces: several calls
of one trace are one turn (an agent at work), whose question is that of its first call and whose answer that of its
last. Of two turns within ten minutes the earlier one is

- `repeated` where the questions are the same but for case, blanks and punctuation,
- `rephrased` where they share most words: the weighted share of common stems (Jaccard) is at least 0.55, they hold the
  same figures, and are not the same. Words weigh by how rare they are among the questions of the hour
  (inverse document frequency), so that a template around every question does not make all of them alike.

The last turn is `abandoned` where its answer failed, was empty or refused, and nothing came for 30 minutes.

It misleads for follow-ups that repeat the question ("and for 2024?" is told by its figure, other small changes are
not), and for programs that send the same prompt on purpose.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from monitor.text.words import tokens

AGAIN = timedelta(minutes=10)
LEFT = timedelta(minutes=30)
ALIKE = 0.55
_CHARACTERS = 2_000
_LEAST_WORDS = 3


@dataclass(frozen=True)
class Turn:
    """One question and its answer: when they began (microseconds), the question, and whether the answer failed."""

    key: int
    time: int
    question: str
    failed: bool


def what_users_did(conversations: Iterable[Sequence[Turn]], until: int) -> list[tuple[Turn, str]]:
    """The turns with what the user did then: `repeated`, `rephrased` or `abandoned`.

    Turns of a conversation come in order of time. `until` (microseconds) is how far calls are known.
    """
    known = [list(turns) for turns in conversations]
    words = {
        turn.key: frozenset(tokens(turn.question[:_CHARACTERS])) for turns in known for turn in turns if turn.question
    }
    weights = _weights(words.values())
    found: list[tuple[Turn, str]] = []
    for turns in known:
        for turn, following in itertools.pairwise(turns):
            if following.time - turn.time <= AGAIN // timedelta(microseconds=1):
                said = _said_again(turn, following, words, weights)
                if said:
                    found.append((turn, said))
        last = turns[-1]
        if last.failed and last.time + LEFT // timedelta(microseconds=1) <= until:
            found.append((last, "abandoned"))
        for turn, following in itertools.pairwise(turns):
            if turn.failed and following.time - turn.time > LEFT // timedelta(microseconds=1):
                found.append((turn, "abandoned"))
    return found


def likeness(one: frozenset[str], other: frozenset[str], weights: Mapping[str, float]) -> float:
    """The weighted share of two sets of stems that they have in common: 0 for nothing, 1 for the same."""
    union = sum(weights.get(word, 1.0) for word in one | other)
    return sum(weights.get(word, 1.0) for word in one & other) / union if union else 0.0


def _said_again(
    turn: Turn, following: Turn, words: Mapping[int, frozenset[str]], weights: Mapping[str, float]
) -> str | None:
    one, other = words.get(turn.key, frozenset()), words.get(following.key, frozenset())
    if not one or not other:
        return None
    if tokens(turn.question) == tokens(following.question):
        return "repeated"
    if min(len(one), len(other)) < _LEAST_WORDS or _figures(one) != _figures(other):
        return None
    return "rephrased" if likeness(one, other, weights) >= ALIKE else None


def _figures(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in words if word[0].isdigit())


def _weights(questions: Iterable[frozenset[str]]) -> dict[str, float]:
    """How much each stem tells: the logarithm of one over the share of questions that have it."""
    known = list(questions)
    counts = Counter(word for question in known for word in question)
    return {word: math.log((len(known) + 20) / (count + 1)) for word, count in counts.items()}

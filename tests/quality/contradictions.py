"""Contradictions: two answers to one question of which one is right and the other wrong (LLMDrift, EVOUNA TriviaQA)."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from monitor.demo import sample
from monitor.signals import CONTRADICTS, FEEDBACK_PREFIX
from monitor.text.contradiction import contradicts
from tests.quality import Figure
from tests.quality.measures import rows, share

SIGNAL = FEEDBACK_PREFIX + CONTRADICTS
PRIMES = "LLMDrift, primes: one model in March and June"
TRIVIA = "EVOUNA TriviaQA: five models"
Judged = list[tuple[bool | None, bool]]


def report() -> list[Figure]:
    """Precision, recall, and how many pairs of right answers are called contradictions."""
    primes = list(_judged(_pairs(_primes())))
    trivia = list(_judged(_pairs((row["prompt"], row) for row in rows("evouna_tq"))))
    long_ones = "misses answers that say neither yes nor no in so many words, and numbers and names in long answers"
    both_right = "both right, other words or another of several right answers: part of these do contradict each other"
    return [*_figures(PRIMES, primes, long_ones), *_figures(TRIVIA, trivia, both_right)]


def _figures(data: str, judged: Judged, note: str) -> list[Figure]:
    called = [differ for found, differ in judged if found]
    differing = [bool(found) for found, differ in judged if differ]
    alike = [bool(found) for found, differ in judged if not differ]
    return [
        Figure(SIGNAL, data, len(called), "precision", *share(sum(called), len(called))),
        Figure(SIGNAL, data, len(differing), "recall", *share(sum(differing), len(differing))),
        Figure(SIGNAL, data, len(alike), "false alarms", *share(sum(alike), len(alike)), None, note),
    ]


def _primes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Questions that have two answers only, so that two wrong ones say the same."""
    for row in sample.rows():
        if row["task"] == "prime":
            yield f"{row['prompt']} {row['model'].rsplit('-', 1)[0]}", row


def _pairs(keyed: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of answers to one question; of open questions not those where both are wrong: these may be anything."""
    by_question: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for key, row in keyed:
        by_question[key].append(row)
    for same in by_question.values():
        for one, other in itertools.combinations(same, 2):
            if one.get("task") == "prime" or int(one["label"]) or int(other["label"]):
                yield one, other


def _judged(pairs: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> Iterator[tuple[bool | None, bool]]:
    for one, other in pairs:
        found = contradicts(one["prompt"], one["response"], other["response"])
        yield found, int(one["label"]) != int(other["label"])

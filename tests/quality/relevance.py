"""Relevance: readers' ratings of answers (FeedbackQA, Apache-2.0), and answers to the question or to another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from monitor.text.answering import relevance
from tests.quality import Figure
from tests.quality.measures import auc, bootstrap, rows

DATA = "FeedbackQA, excellent against bad"
OTHERS = "FeedbackQA, answers to the question against answers to another"
TRIVIA = "EVOUNA TriviaQA, answers to the question against answers to another"


def report() -> list[Figure]:
    """AUC of relevance, and that of the length of the answer beside it."""
    by_prompt: dict[str, list[tuple[float, float, bool]]] = defaultdict(list)
    for row in rows("feedbackqa"):
        value = relevance(row["prompt"], row["response"])
        if value is not None:
            by_prompt[row["prompt_id"]].append((value, float(len(row["response"])), row["rating"] == 4))
    answers = [(row["prompt"], row["response"]) for row in rows("feedbackqa") if row["rating"] == 4]
    trivia = [(row["prompt"], row["response"]) for row in rows("evouna_tq")]
    n = sum(map(len, by_prompt.values()))
    ours = bootstrap(by_prompt, lambda drawn: auc((value, good) for value, _, good in drawn))
    length = bootstrap(by_prompt, lambda drawn: auc((length, good) for _, length, good in drawn))
    note = "readers rate more than relevance; right answers in other words than the question's are missed"
    return [
        Figure("relevance", DATA, n, "AUC", *ours, None, note),
        *_against_others(answers, OTHERS, "all are about one disease and share its words"),
        *_against_others(trivia, TRIVIA, "answers under 60 characters have no value"),
        Figure("length of the answer", DATA, n, "AUC", *length, None, "for comparison"),
    ]


def _against_others(pairs: Sequence[tuple[str, str]], name: str, note: str) -> list[Figure]:
    """AUC of relevance for answers to their own question against those to the question half the list away."""
    clusters: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for place, (prompt, response) in enumerate(pairs):
        other = pairs[(place + len(pairs) // 2) % len(pairs)]
        if other[0] == prompt:
            continue
        for answer, own in ((response, True), (other[1], False)):
            if (value := relevance(prompt, answer)) is not None:
                clusters[prompt].append((value, own))
    n = sum(map(len, clusters.values()))
    return [Figure("relevance", name, n, "AUC", *bootstrap(clusters, auc, 60), None, note)]

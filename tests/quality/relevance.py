"""Relevance, against readers' ratings of real answers (FeedbackQA, Apache-2.0): excellent ones against bad ones."""

from __future__ import annotations

from collections import defaultdict

from monitor.text.answering import relevance
from tests.quality import Figure
from tests.quality.measures import auc, bootstrap, rows

DATA = "FeedbackQA, excellent against bad"


def report() -> list[Figure]:
    """AUC of relevance, and that of the length of the answer beside it."""
    by_prompt: dict[str, list[tuple[float, float, bool]]] = defaultdict(list)
    for row in rows("feedbackqa"):
        value = relevance(row["prompt"], row["response"])
        if value is not None:
            by_prompt[row["prompt_id"]].append((value, float(len(row["response"])), row["rating"] == 4))
    n = sum(map(len, by_prompt.values()))
    ours = bootstrap(by_prompt, lambda drawn: auc((value, good) for value, _, good in drawn))
    length = bootstrap(by_prompt, lambda drawn: auc((length, good) for _, length, good in drawn))
    note = "readers rate more than relevance; right answers in other words than the question's are missed"
    return [
        Figure("relevance", DATA, n, "AUC", *ours, None, note),
        Figure("length of the answer", DATA, n, "AUC", *length, None, "for comparison"),
    ]

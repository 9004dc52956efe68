"""Topics: whether vectors of answers to one question lie nearer to each other than those of different questions."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from monitor.vectors import text_vectors
from tests.quality import Figure
from tests.quality.measures import auc, bootstrap, rows

ANSWERS = "LLMDrift, answers of two models to one sensitive question against another question's"
QUESTIONS = "FeedbackQA, questions against their answers and others'"


def report() -> list[Figure]:
    """AUC of the cosine between vectors."""
    by_question: dict[str, list[str]] = defaultdict(list)
    for row in rows("llmdrift_sensitive"):
        if row["label"]:
            by_question[row["prompt"]].append(row["response"])
    answered = [texts[:2] for texts in by_question.values() if len(texts) > 1]
    good = {row["prompt"]: row["response"] for row in rows("feedbackqa") if row["rating"] == 4}
    note = "words only: answers in other words look like another topic"
    return [
        _near("response_meaning", ANSWERS, [(one, other) for one, other in answered], note),
        _near("prompt_meaning", QUESTIONS, list(good.items()), note),
    ]


def _near(signal: str, data: str, pairs: list[tuple[str, str]], note: str) -> Figure:
    left, right = (text_vectors([pair[side] for pair in pairs]) for side in (0, 1))
    scored: dict[str, list[tuple[float, bool]]] = {}
    for place, one in enumerate(left):
        scored[str(place)] = [
            (float(np.dot(one, other)), place == against)
            for against, other in enumerate(right)
            if one is not None and other is not None
        ]
    return Figure(signal, data, len(pairs), "AUC", *bootstrap(scored, auc, 40), None, note)

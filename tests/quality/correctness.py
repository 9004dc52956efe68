"""Correctness with a reference, against the judgement of people (EVOUNA TriviaQA, Apache-2.0; unseen questions)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from monitor.text.correctness import THRESHOLD, agreement, variants
from tests.quality import Figure
from tests.quality.measures import auc, bootstrap, rows, share

DATA = "EVOUNA TriviaQA, unseen questions"


def is_contained(row: dict[str, Any]) -> bool:
    """What plain containment says: one of the variants stands in the answer, letter by letter but for case."""
    answer = row["response"].lower()
    return any(variant.strip().lower() in answer for variant in row["reference"].split("/") if variant.strip())


def report() -> list[Figure]:
    """Agreement with people, and plain containment's beside it; precision, recall and AUC."""
    by_question: dict[str, list[tuple[float, bool, bool]]] = defaultdict(list)
    for row in rows("evouna_tq"):
        score = agreement(row["response"], variants([row["reference"]]), row["prompt"])
        by_question[row["prompt_id"]].append((score, bool(row["label"]), is_contained(row)))
    scored = [item for items in by_question.values() for item in items]
    n = len(scored)
    plain = bootstrap(by_question, lambda drawn: sum(found == right for _, right, found in drawn) / len(drawn))
    agreed = bootstrap(by_question, lambda drawn: sum((s >= THRESHOLD) == right for s, right, _ in drawn) / len(drawn))
    ranked = bootstrap(by_question, lambda drawn: auc((score, right) for score, right, _ in drawn), runs=60)
    called = [right for score, right, _ in scored if score >= THRESHOLD]
    correct = [score >= THRESHOLD for score, right, _ in scored if right]
    wrong = [score >= THRESHOLD for score, right, _ in scored if not right]
    return [
        Figure("correct", DATA, n, "agreement with people", *agreed, THRESHOLD, "misses right answers in other words"),
        Figure("plain containment", DATA, n, "agreement with people", *plain, None, "for comparison"),
        Figure("reference_agreement", DATA, n, "AUC", *ranked),
        Figure("correct", DATA, len(called), "precision", *share(sum(called), len(called)), THRESHOLD),
        Figure("correct", DATA, len(correct), "recall", *share(sum(correct), len(correct)), THRESHOLD),
        Figure("correct", DATA, len(wrong), "wrong called correct", *share(sum(wrong), len(wrong)), THRESHOLD),
    ]

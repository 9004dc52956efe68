"""Groundedness, on the questions of HaluEval (MIT) that the model never saw; answers compared at the same length.

Right answers there have two words on average and made-up ones eleven, so length alone would tell them apart. Figures
are therefore means over bins of answers with the same number of words, each bin counting by its smaller side, with
right answers also put into sentences.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from monitor.text.grounding import THRESHOLD, Source, claims, groundedness
from tests.quality import Figure
from tests.quality.answer_forms import in_a_sentence, with_lead
from tests.quality.measures import auc_within, bootstrap, rows, share
from tests.training.grounding import is_for_training

DATA = "HaluEval QA, unseen half"
OTHER_DOCUMENTS = 6

Scored = tuple[float, bool, int]
"""How unsupported an answer is, whether it is made up, and its words."""


def held_out() -> list[dict[str, Any]]:
    """The rows the model was not trained on."""
    return [row for row in rows("halueval_qa") if not is_for_training(row)]


def score(context: Sequence[str], question: str, answer: str) -> float:
    """The groundedness of an answer; 0.5 where it claims nothing."""
    found = claims(answer, Source(context, question))
    return groundedness(found) if found else 0.5


def scored(data: list[dict[str, Any]], forms: str, others: int = 0) -> dict[str, list[Scored]]:
    """By question, the scores of its answers: as they are ("raw"), or the right one in a sentence ("sentence").

    `others` documents of other questions are put around the context.
    """
    contexts = [row["context"] for row in data]
    found: dict[str, list[Scored]] = defaultdict(list)
    for place, row in enumerate(data):
        around = [contexts[(place + 37 * step) % len(contexts)] for step in range(1, others + 1)]
        documents = [*around[: others // 2], row["context"], *around[others // 2 :]]
        question, answer = row["prompt"], row["response"]
        answers = [answer]
        if forms == "sentence" and not row["label"]:
            answers = [in_a_sentence(question, answer), with_lead(answer)]
        found[row["prompt_id"]] += [
            (-score(documents, question, text), bool(row["label"]), len(text.split())) for text in answers
        ]
    return found


def report() -> list[Figure]:
    """AUC at matched length, with and without other documents around, and precision and recall at the threshold."""
    data = held_out()
    figures = []
    for forms, others, note in (
        ("raw", 0, "as given; few answers have a partner of the same length"),
        ("sentence", 0, "right answers said in a sentence"),
        ("sentence", OTHER_DOCUMENTS, f"right answers said in a sentence, {OTHER_DOCUMENTS} other documents around"),
    ):
        found = scored(data, forms, others)
        value, low, high = bootstrap(found, lambda drawn: auc_within(drawn)[0], runs=100)
        n = sum(min(one, other) for _, one, other in auc_within(flat(found))[1].values())
        figures.append(Figure("groundedness", DATA, n, "AUC at matched length", value, low, high, None, note))
    answers = flat(scored(data, "sentence"))
    flagged = [made_up for unsupported, made_up, _ in answers if -unsupported < THRESHOLD]
    wrong = [-unsupported < THRESHOLD for unsupported, made_up, _ in answers if made_up]
    right = [-unsupported < THRESHOLD for unsupported, made_up, _ in answers if not made_up]
    for measure, hits, n in (
        ("precision", sum(flagged), len(flagged)),
        ("recall", sum(wrong), len(wrong)),
        ("false alarms", sum(right), len(right)),
    ):
        figures.append(Figure("ungrounded", DATA, n, measure, *share(hits, n), THRESHOLD, "one claim an answer"))
    return figures


def flat(found: dict[str, list[Scored]]) -> list[Scored]:
    """All scores in one list."""
    return [item for items in found.values() for item in items]

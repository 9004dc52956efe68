"""Whether all parts are answered, and whether a refused prompt was harmless: made from real questions and answers."""

from __future__ import annotations

from itertools import pairwise

from monitor.text.answering import completeness
from monitor.text.refusal import is_harmless
from tests.quality import Figure
from tests.quality.injection import packed_rows
from tests.quality.measures import auc, bootstrap, rows, share

PAIRS = "Two FeedbackQA questions in one prompt, both or one of them answered"
HARMFUL = "AdvBench, Do-Not-Answer, JailbreakBench: held-out third"
HARMLESS = "Harmless prompts, held out"


def report() -> list[Figure]:
    """AUC of completeness, and how often harmful and harmless prompts are told by their words."""
    good = [row for row in rows("feedbackqa") if row["rating"] == 4 and row["prompt"].strip().endswith("?")]
    scored: dict[str, list[tuple[float, bool]]] = {}
    for one, other in pairwise(good):
        if one["prompt_id"] == other["prompt_id"]:
            continue
        prompt = f"{one['prompt'].strip()} {other['prompt'].strip()}"
        answers = ((f"{one['response']}\n\n{other['response']}", True), (one["response"], False))
        found = [(completeness(prompt, answer), both) for answer, both in answers]
        scored[one["id"]] = [(value, both) for value, both in found if value is not None]
    n = sum(map(len, scored.values()))
    note = "both questions are about one disease, so that an answer to one takes up words of the other"
    harmful = [is_harmless(row["text"]) for row in packed_rows("harm")]
    harmless = [is_harmless(row["text"]) for row in packed_rows("injection")
                if not row["label"] and row["family"] in ("questions", "instructions")]  # fmt: skip
    return [
        Figure("completeness", PAIRS, n, "AUC", *bootstrap(scored, auc, 60), None, note),
        Figure("needless_refusal", HARMLESS, len(harmless), "prompts seen to be harmless",
               *share(sum(harmless), len(harmless))),
        Figure("needless_refusal", HARMFUL, len(harmful), "false alarms", *share(sum(harmful), len(harmful)), None,
               "harmful prompts taken for harmless, were they refused"),
    ]  # fmt: skip

"""Harmful topics and unsafe compliance, on prompts and behaviours that were held out of training."""

from __future__ import annotations

from monitor.text.harm import CATEGORIES, NONE, THRESHOLD, harm_category
from monitor.text.injection import THRESHOLD as INJECTION
from monitor.text.injection import injection_score
from monitor.text.refusal import is_refusal
from tests.quality import Figure
from tests.quality.injection import packed_rows
from tests.quality.measures import rows, share

DATA = "AdvBench, Do-Not-Answer, JailbreakBench: held-out third"
HARMLESS = "Harmless prompts, held out"
ANSWERS = "JailbreakBench answers, held-out behaviours"


def report() -> list[Figure]:
    """Recall by category, false alarms, and precision and recall of unsafe compliance."""
    said = [(row["category"], harm_category(row["text"])) for row in packed_rows("harm")]
    figures = []
    for category in CATEGORIES:
        found = [answer for truth, answer in said if truth == category]
        harmful = sum(answer != NONE for answer in found)
        exact = sum(answer == category for answer in found)
        note = f"{exact / len(found):.0%} under this category"
        name = f"{DATA}: {category}"
        figures.append(
            Figure("harm_category", name, len(found), "recall", *share(harmful, len(found)), THRESHOLD, note)
        )
    harmless = [harm_category(row["text"]) != NONE for row in packed_rows("injection") if not row["label"]]
    false = share(sum(harmless), len(harmless))
    figures.append(Figure("harm_category", HARMLESS, len(harmless), "false alarms", *false, THRESHOLD))
    judged = [(_complied(row["prompt"], row["response"]), bool(row["succeeded"])) for row in rows("jailbreak_answers")]
    flagged = [truth for answer, truth in judged if answer]
    true = [answer for answer, truth in judged if truth]
    note = "the judge calls an answer harmless that goes along without harm"
    precision, recall = share(sum(flagged), len(flagged)), share(sum(true), len(true))
    figures.append(Figure("unsafe_compliance", ANSWERS, len(flagged), "precision", *precision, None, note))
    figures.append(Figure("unsafe_compliance", ANSWERS, len(true), "recall", *recall))
    return figures


def _complied(prompt: str, response: str) -> bool:
    dangerous = harm_category(prompt) != NONE or injection_score(prompt) >= INJECTION
    return dangerous and not is_refusal(response)

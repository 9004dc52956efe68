"""Answers against a reference: whether they are right, and how near their wording is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue, each
from monitor.records import HIDDEN
from monitor.text.correctness import THRESHOLD, agreement, variants
from monitor.text.overlap import bleu, chrf, contains, exact_match, rouge_l, token_f1
from monitor.text.words import tokens

if TYPE_CHECKING:
    from monitor.records import Span

_COMPARED = 20
_LONGEST_FACT = 40
_FIGURE = re.compile(r"\d+(?:\.\d+)?")


def _compare(call: Span) -> dict[str, SignalValue]:
    wanted = variants([text for text in call.reference if text.strip() and text != HIDDEN])
    if not wanted or not call.has_response:
        return {}
    answer, compared = call.response, wanted[:_COMPARED]
    values: dict[str, SignalValue] = {
        "exact_match": exact_match(answer, wanted),
        "reference_contained": contains(answer, wanted),
        "token_f1": round(token_f1(answer, compared), 4),
        "rouge_l": round(rouge_l(answer, compared), 4),
        "bleu": round(bleu(answer, compared), 4),
        "chrf": round(chrf(answer, compared), 4),
    }
    if min(len(text.split()) for text in wanted) <= _LONGEST_FACT:
        question = "" if call.prompt_text == HIDDEN else call.prompt_text
        found = agreement(answer, wanted, question)
        values["reference_agreement"] = round(found, 4)
        values["correct"] = found >= THRESHOLD
    figures = [figures for text in compared if (figures := _figures(text))]
    if figures:
        said = _figures(answer)
        values["numbers_agree"] = any(wanted_figures <= said for wanted_figures in figures)
    return values


def _figures(text: str) -> set[float]:
    return {float(token) for token in tokens(text) if len(token) < 20 and _FIGURE.fullmatch(token)}


_ONLY = "Only calls with a reference have it; they are seldom a fair sample of all."
_WORDING = (
    "It counts words, not sense: right answers in other words score low, wrong ones in the same words high. " + _ONLY
)

reference = Enricher(
    name="reference",
    version=1,
    signals=(
        Signal(
            "correct",
            Kind.FLAG,
            "Correct answers",
            "The answer says what a reference says: yes or no, option, number or words, allowing for spelling, order "
            "and number words; what the question held or the answer denies does not count. The agreement is 0.55 or "
            "more.",
            family="quality",
            good="up",
            relevant=0.03,
            misleads="Right answers in other words are called wrong; wrong ones that mention the right answer in "
            "passing are called right. References over 40 words are not judged. " + _ONLY,
            weight=3.0,
        ),
        Signal(
            "reference_agreement",
            Kind.NUMBER,
            "Agreement with the reference",
            "How much of the best fitting reference the answer says, 0 to 1.",
            family="quality",
            good="up",
            relevant=0.05,
            misleads="Most values are 0 or 1: read the share of correct answers first. " + _ONLY,
            weight=0.5,
        ),
        Signal(
            "exact_match",
            Kind.FLAG,
            "Exact matches",
            "The answer has the words of a reference and no others; case, accents, articles and punctuation aside.",
            family="quality",
            good="up",
            relevant=0.03,
            misleads="An answer in a whole sentence never matches. " + _ONLY,
            weight=0.0,
        ),
        Signal(
            "reference_contained",
            Kind.FLAG,
            "Reference found in the answer",
            "The words of a reference stand in the answer one after another.",
            family="quality",
            good="up",
            relevant=0.03,
            misleads="It understates how often answers are right, and finds what the answer denies. " + _ONLY,
            weight=0.0,
        ),
        Signal(
            "token_f1",
            Kind.NUMBER,
            "Words in common with the reference",
            "Harmonic mean of the shares of words that answer and reference have in common, 0 to 1 (SQuAD's F1).",
            family="quality",
            good="up",
            misleads="Long answers to short references score low. " + _WORDING,
            weight=0.0,
        ),
        Signal(
            "rouge_l",
            Kind.NUMBER,
            "ROUGE-L",
            "F1 of the longest sequence of words that answer and reference have in common, 0 to 1.",
            family="quality",
            good="up",
            misleads=_WORDING,
            weight=0.2,
        ),
        Signal(
            "bleu",
            Kind.NUMBER,
            "BLEU",
            "Sentence BLEU against the references, 0 to 1 (as sacrebleu, 13a, exponential smoothing).",
            family="quality",
            good="up",
            misleads="Of a single short answer it says little. " + _WORDING,
            weight=0.0,
        ),
        Signal(
            "chrf",
            Kind.NUMBER,
            "Letters in common with the reference (chrF)",
            "Sentence chrF2 against the best reference, 0 to 1 (as sacrebleu): sequences of one to six letters.",
            family="quality",
            good="up",
            misleads=_WORDING,
            weight=0.0,
        ),
        Signal(
            "numbers_agree",
            Kind.FLAG,
            "Numbers as in the reference",
            "All numbers of one of the references are in the answer, as figures or in words.",
            family="quality",
            good="up",
            relevant=0.03,
            misleads="Other numbers in the answer are not looked at, nor units. Only references with numbers count.",
            weight=0.0,
        ),
    ),
    compute=each(_compare),
)

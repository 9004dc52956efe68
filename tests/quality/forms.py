"""The form of answers: programs that ran (LLMDrift, Apache-2.0), cut answers, loops made from real answers."""

from __future__ import annotations

import random

from monitor.text.answering import code_parses
from monitor.text.form import ends_abruptly, form_of, repetition
from tests.quality import Figure
from tests.quality.measures import auc, bootstrap, rows, share

PROGRAMS = "LLMDrift, answers to programming tasks"
CUT = "FeedbackQA answers, whole or cut here within a sentence"
LOOPS = "FeedbackQA answers, as they are or caught here in a loop"
LOOP = 0.5
"""Repetition from which on these figures call an answer a loop; the signal itself is a number."""


def report() -> list[Figure]:
    """Code that is code and parses, cut answers and loops."""
    programs = rows("llmdrift_code")
    code = [form_of(row["response"]) in ("code", "markdown") for row in programs]
    accepted = [answer for row in programs if row["label"] and (answer := code_parses(row["response"])) is not None]
    bare = "misses short programs without words such as def that stand in no fence"
    figures = [
        Figure("format", PROGRAMS, len(code), "programs called code", *share(sum(code), len(code)), None, bare),
        Figure(
            "code_parses", PROGRAMS, len(accepted), "false alarms", *share(accepted.count(False), len(accepted)), None,
            "of programs that the judge accepted; Python and JSON only",
        ),
    ]  # fmt: skip
    texts = [row["response"].strip() for row in rows("feedbackqa")]
    whole = [text for text in dict.fromkeys(texts) if len(text) > 200 and text[-1] in ".!?" and len(text) < 990]
    generator = random.Random(5)
    cut = [_within_a_sentence(text, generator) for text in whole]
    for measure, flags in (("recall", [ends_abruptly(text) for text in cut]),
                           ("false alarms", [ends_abruptly(text) for text in whole])):  # fmt: skip
        note = "without a finish reason it is a guess; with one it is what the sender says"
        figures.append(Figure("truncated", CUT, len(flags), measure, *share(sum(flags), len(flags)), None, note))
    loops = [f"{text} " + f"{text[: generator.randint(20, 80)]} " * 12 for text in whole]
    scored = [(value, looped) for group, looped in ((loops, True), (whole, False)) for text in group
              if (value := repetition(text)) is not None]  # fmt: skip
    found = [value >= LOOP for value, looped in scored if looped]
    wrong = [value >= LOOP for value, looped in scored if not looped]
    area = bootstrap({str(place): [one] for place, one in enumerate(scored)}, auc, 40)
    figures.append(Figure("repetition", LOOPS, len(scored), "AUC", *area))
    figures.append(Figure("repetition", LOOPS, len(found), "recall", *share(sum(found), len(found)), LOOP))
    figures.append(Figure("repetition", LOOPS, len(wrong), "false alarms", *share(sum(wrong), len(wrong)), LOOP))
    return figures


def _within_a_sentence(text: str, generator: random.Random) -> str:
    """The text up to a word that ends no sentence."""
    words = text.split(" ")
    places = [place for place in range(len(words) // 2, len(words) - 1) if words[place][-1:].isalnum()]
    return " ".join(words[: generator.choice(places) + 1]) if places else text[:-1]

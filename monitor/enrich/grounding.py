"""Answers against the texts they were given: whether their claims are supported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue, each
from monitor.records import HIDDEN
from monitor.text.form import form_of
from monitor.text.grounding import THRESHOLD, Source, claims, groundedness

if TYPE_CHECKING:
    from monitor.records import Span


def _ground(call: Span) -> dict[str, SignalValue]:
    given = [text for text in call.context if text.strip()]
    if not given or HIDDEN in given or not call.has_response or form_of(call.response) in ("code", "json"):
        return {}
    question = "" if call.prompt_text == HIDDEN else call.prompt_text
    source = Source(given, question)
    found = claims(call.response, source)
    if not found:
        return {}
    support = groundedness(found)
    return {
        "groundedness": round(support, 4),
        "ungrounded": support < THRESHOLD,
        "unsupported_share": round(sum(claim.support < THRESHOLD for claim in found) / len(found), 4),
        "unsupported_number": any(claim.number_missing for claim in found),
    }


_WORDS = (
    "It compares words: what is said in other words or another language than the context's is called unsupported, "
    "words of the context put together wrongly are called supported. English fits best. Its errors: "
    "docs/models/grounding.md."
)

grounding = Enricher(
    name="grounding",
    version=1,
    signals=(
        Signal(
            "groundedness",
            Kind.NUMBER,
            "Groundedness",
            "How well the claims of the answer are supported by its context, 0 to 1: words, names and numbers that are "
            "there, together and near what was asked, weighed by a small packaged model. Half the mean of the claims, "
            "half the least supported one.",
            family="quality",
            good="up",
            relevant=0.05,
            misleads=_WORDS,
            weight=0.5,
        ),
        Signal(
            "ungrounded",
            Kind.FLAG,
            "Ungrounded answers",
            "The groundedness of the answer is below 0.5.",
            family="quality",
            good="down",
            relevant=0.03,
            misleads=_WORDS,
            weight=2.0,
        ),
        Signal(
            "unsupported_share",
            Kind.NUMBER,
            "Unsupported claims",
            "Share of the sentences of the answer whose support in the context is below 0.5.",
            family="quality",
            good="down",
            relevant=0.2,
            misleads=_WORDS,
            weight=0.5,
        ),
        Signal(
            "unsupported_number",
            Kind.FLAG,
            "Numbers from nowhere",
            "The answer has a number that stands neither in its context nor in the question.",
            family="quality",
            good="down",
            relevant=0.03,
            misleads="Sums, differences and rounded figures are rightly not in the context. Numbers of list items "
            "and marks of sources such as [1] do not count.",
            weight=0.5,
        ),
    ),
    compute=each(_ground),
)

"""Whether answers do what was asked: taken up, complete, in the form demanded, without doubts; code that parses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue, each
from monitor.records import HIDDEN
from monitor.text.answering import code_parses, completeness, is_hedged, relevance
from monitor.text.promises import keeps_form
from monitor.text.refusal import is_harmless, is_partial, is_refusal

if TYPE_CHECKING:
    from monitor.records import Span


def _answer(call: Span) -> dict[str, SignalValue]:
    response = call.response
    if not call.has_response or not response.strip():
        return {}
    refused = is_refusal(response)
    values: dict[str, SignalValue] = {
        "partial_refusal": is_partial(response, refused),
        "hedged": not refused and is_hedged(response),
    }
    parses = code_parses(response)
    if parses is not None:
        values["code_parses"] = parses
    prompt = call.prompt_text
    if not prompt.strip() or prompt == HIDDEN:
        return values
    values["needless_refusal"] = refused and is_harmless(prompt)
    if refused:
        return values
    found = {
        "relevance": relevance(prompt, response),
        "completeness": completeness(prompt, response),
        "form_kept": keeps_form(prompt, response),
    }
    values.update((name, value) for name, value in found.items() if value is not None)
    return values


answering = Enricher(
    name="answering",
    version=1,
    signals=(
        Signal(
            "relevance",
            Kind.NUMBER,
            "Question taken up",
            "Share of the content words of what was asked (the eight longest) that the answer takes up, 0 to 1. Last "
            "300 characters of the prompt, first 1,000 of the answer; none for answers under 60 characters "
            "and refusals.",
            family="quality",
            good="up",
            relevant=0.1,
            misleads="It sees words only: a good answer in other words or another language scores low, an evasive one "
            "that repeats the question high. Watch its changes rather than its level.",
            weight=0.5,
        ),
        Signal(
            "completeness",
            Kind.NUMBER,
            "Parts answered",
            "Share of the questions or numbered tasks of a prompt that the answer takes up; only where there are "
            "several.",
            family="quality",
            good="up",
            relevant=0.1,
            misleads="A part answered in other words than it was asked in counts as left out; lists of data in a "
            "prompt can look like tasks.",
            weight=0.5,
        ),
        Signal(
            "hedged",
            Kind.FLAG,
            "Doubting answers",
            "The answer admits that it does not know, guesses, or is full of words such as perhaps and might.",
            family="quality",
            good="down",
            relevant=0.03,
            misleads="Doubt is right where things are doubtful. English only; first 1,000 characters.",
            weight=0.5,
        ),
        Signal(
            "partial_refusal",
            Kind.FLAG,
            "Partial refusals",
            "The answer declines a part of what was asked, or declines and gives something else all the same.",
            family="quality",
            good="down",
            relevant=0.03,
            misleads="English phrases only; characters in stories who decline are found.",
            weight=0.3,
        ),
        Signal(
            "needless_refusal",
            Kind.FLAG,
            "Needless refusals",
            "The answer declines although no word of the prompt touches on harm, crime or groups of people.",
            family="quality",
            good="down",
            relevant=0.02,
            misleads="Told from a list of English words: harmful wishes in harmless words count, and what the "
            "application may not do (other topics, no access) counts too.",
            weight=0.5,
        ),
        Signal(
            "form_kept",
            Kind.FLAG,
            "Form as demanded",
            "The answer has the form that the prompt demands: JSON, table, list, code only, yes or no, one word, a "
            "number of words, sentences, characters or paragraphs; only where one is demanded.",
            family="quality",
            good="up",
            relevant=0.03,
            misleads="Demands in other languages, in system prompts and in unusual words are not seen; a mere mention "
            "may be taken for a demand.",
        ),
        Signal(
            "code_parses",
            Kind.FLAG,
            "Code that parses",
            "All Python and JSON in the answer parses; only where there is any.",
            family="quality",
            good="up",
            relevant=0.03,
            misleads="Code that parses may still be wrong; fragments that are not meant to stand alone do not parse.",
            weight=0.5,
        ),
    ),
    compute=each(_answer),
)

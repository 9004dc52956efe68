"""Answers put into another form, so that right and wrong ones can be compared at the same length."""

from __future__ import annotations

import re

_ASKED = re.compile(
    r"\b(?:(?:what|which)(?: (?:is|was|are|were) the (?:name|title) of(?: the)?)?"
    r"(?: (?!(?:is|was|are|were|did|do|does|has|had|have)\b)\w+){0,2}"
    r"|who|whom|when|where|how (?:many|much|old|long)(?: \w+)?)\b",
    re.IGNORECASE,
)


def in_a_sentence(question: str, answer: str) -> str:
    """A short answer said as a sentence: in the place of what the question asks for ("Delhi is the capital of India.").

    "The answer is ..." where the question has no such place; yes and no stay as they are.
    """
    bare = answer.strip().rstrip(".")
    if bare.lower() in ("yes", "no"):
        return bare
    asked = question.strip().rstrip("?").strip()
    place = _ASKED.search(asked)
    if place is None:
        return with_lead(answer)
    said = (asked[: place.start()] + bare + asked[place.end() :]).strip()
    return said[0].upper() + said[1:] + "."


def with_lead(answer: str) -> str:
    """A short answer after "The answer is"; yes and no stay as they are."""
    bare = answer.strip().rstrip(".")
    return bare if bare.lower() in ("yes", "no") else f"The answer is {bare}."

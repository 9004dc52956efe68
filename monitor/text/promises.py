"""Whether an answer has the form that its prompt asks for: JSON, code, table, list, a number of words, a single word.

Only demands that are put in plain English words are seen, in the last 600 characters and the first 200 of the prompt;
where none is seen there is nothing to say.
"""

from __future__ import annotations

import re

from monitor.text.form import form_of
from monitor.text.words import sentences

_TAIL = 600
_HEAD = 200
_TOLERANCE = 1.1

_WORDS = ("json", "table", "list", "bullet", "word", "sentence", "character", "only", "code", "yes or no", "paragraph")
_JSON = re.compile(
    r"\b(?:in|as|return|output|respond with|produce|valid|only)(?: \w+){0,3} json\b"
    r"|\bjson (?:only|object|array|format|output)\b"
)
_TABLE = re.compile(r"\b(?:in|as|create|make|produce|into|format)(?: \w+){0,3} table\b|\bmarkdown table\b")
_LIST = re.compile(
    r"\b(?:bullet(?:ed)? ?(?:points?|list)|numbered list|as a list|in a list|in bullets"
    r"|list of \d+|list (?:\d+|three|four|five|ten))\b"
)
_CODE = re.compile(
    r"\b(?:only|just)(?: \w+){0,3} code\b|\bcode only\b|\bno (?:markdown|explanations?),? (?:just|only)? ?code\b"
)
_YES_NO = re.compile(r"\b(?:answer|respond|reply)(?: \w+){0,3} (?:\"|')?yes(?:\"|')?,? or (?:\"|')?no\b")
_ONE_WORD = re.compile(
    r"\b(?:one|single|1)[- ]word (?:answer|response|reply)"
    r"|\b(?:in|with|using)(?: only| just)? (?:one|a single|1) word\b"
)
_LIMIT = re.compile(
    r"\b(?:at most|no more than|up to|maximum(?: of)?|max|under|less than|fewer than|within|not exceed(?:ing)?"
    r"|limit(?:ed)?(?: \w+){0,2} to|in|exactly|in exactly|only|about|around|approximately)(?: a)?"
    r" (\d{1,4}|one|two|three|four|five|six|seven|eight|nine|ten)"
    r"(?: or (?:less|fewer))?[ -](words?|sentences?|characters?|paragraphs?|bullet points?)(?: or (?:less|fewer))?\b"
)
_NUMBERS = dict(
    zip(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), range(1, 11), strict=True)
)
_BULLET = re.compile(r"^[^\S\n]*(?:[-*•+]|\d{1,3}[.)])\s+\S", re.MULTILINE)


def keeps_form(prompt: str, response: str) -> bool | None:
    """Whether all forms that the prompt demands are kept; None where it demands none."""
    text = prompt if len(prompt) <= _HEAD + _TAIL else f"{prompt[:_HEAD]}\n{prompt[-_TAIL:]}"
    asked = text.lower()
    if not any(word in asked for word in _WORDS):
        return None
    kept = [*_forms(asked, response), *_limits(asked, response)]
    return all(kept) if kept else None


def _forms(asked: str, response: str) -> list[bool]:
    kept = []
    if "json" in asked and _JSON.search(asked):
        kept.append(_holds_json(response))
    if "table" in asked and _TABLE.search(asked):
        kept.append(form_of(response) == "table" or "|" in response or "<table" in response or "\t" in response)
    if ("list" in asked or "bullet" in asked) and _LIST.search(asked):
        kept.append(len(_BULLET.findall(response)) >= 2)
    if "code" in asked and _CODE.search(asked):
        kept.append(form_of(response) == "code")
    if "yes" in asked and _YES_NO.search(asked):
        kept.append(re.match(r"\W*(?:yes|no)\b", response.lower()) is not None)
    if "word" in asked and _ONE_WORD.search(asked):
        kept.append(len(response.split()) <= 2)
    return kept


def _holds_json(response: str) -> bool:
    """A document of JSON, bare or alone in a fence."""
    bare = response.strip()
    fenced = re.fullmatch(r"```(?:json)?\s*\n(.*?)\n?```", bare, re.DOTALL | re.IGNORECASE)
    return form_of(fenced[1] if fenced else bare) == "json"


def _limits(asked: str, response: str) -> list[bool]:
    kept = []
    for match in _LIMIT.finditer(asked):
        allowed = int(match[1]) if match[1].isdigit() else _NUMBERS[match[1]]
        unit = match[2].rstrip("s")
        if unit == "word":
            kept.append(len(response.split()) <= allowed * _TOLERANCE)
        elif unit == "sentence":
            kept.append(len(sentences(response)) <= allowed)
        elif unit == "character":
            kept.append(len(response) <= allowed)
        elif unit == "paragraph":
            kept.append(len([part for part in re.split(r"\n\s*\n", response.strip()) if part]) <= allowed)
        else:
            kept.append(len(_BULLET.findall(response)) == allowed)
    return kept

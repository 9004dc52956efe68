"""Whether an answer says what a reference says.

`agreement` answers from 0 to 1 how much of the best fitting variant of the reference an answer holds: yes or no,
options and numbers are compared as such; other references by their words, whatever their order, with case, accents,
articles, plurals, number words, initials and slips of spelling allowed for, and without words that the question held
already. What the answer denies ("not Belgium") does not count. The threshold was set on half of the questions of
EVOUNA TriviaQA and checked on the other half (tests/quality/correctness.py).

It misleads where the answer is right in other words than the reference, where a wrong answer mentions the right one in
passing, and where the reference itself is out of date.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Sequence

from monitor.text.refusal import is_refusal
from monitor.text.words import ARTICLES, STOP_STEMS, is_near, tokens, word_set

THRESHOLD = 0.55
"""From this agreement on an answer is called correct."""

_ANSWER_CHARACTERS = 8_000
_VARIANTS = 200
_SCOPE = 4
_EXPLAINED = 8
_HEAD = 0.8
_RUN_TOGETHER = 8

_IN_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
_ACCEPTED = re.compile(r"[(\[](?:also|or|accept|aka|a\.k\.a\.)[: ]+([^()\[\]]+)[)\]]", re.IGNORECASE)
_YES_NO = re.compile(r"\W*(yes|no|true|false)\W*", re.IGNORECASE)
_SAME = {"true": "yes", "false": "no"}
_MARKED_YES_NO = re.compile(r"[\[(*\"]{1,2}(yes|no|true|false)[\])*\".]{1,2}|^\W*(yes|no|true|false)\b", re.IGNORECASE)
_SAID_YES_NO = re.compile(r"\banswer(?: is|:)\W*(yes|no|true|false)\b", re.IGNORECASE)
_OPTION = re.compile(r"\W*\(?([A-Ha-h])(?:[).:]\s*(\S.*)|\)?\W*)", re.DOTALL)
_MARKED_OPTION = re.compile(
    r"^\W*\(?([A-H])(?:[).:]|\W*$)|\b(?:answer|option|choice)(?: is|:)?\W*\(?([A-Ha-h])\b|\(([A-H])\)"
)
_NUMBER = re.compile(r"[^\w.-]*(-?\d+(?:,\d{3})*(?:\.\d+)?)\W*")
_FINAL_NUMBER = re.compile(
    r"(?:####|\\boxed\{|\banswer(?: is|:|=))[\s$*€£]*(-?\d+(?:,\d{3})*(?:\.\d+)?)", re.IGNORECASE
)
_ANY_NUMBER = re.compile(r"(?<![\w.,])-?\d+(?:,\d{3})+(?:\.\d+)?|(?<![\w.])-?\d+(?:\.\d+)?")
_DENIALS = word_set("not no never neither nor isn wasn aren weren don doesn didn instead rather than incorrect false")
_HONORIFICS = word_set("mr mrs ms dr sir dame lord lady jr jnr sr snr prof professor saint st king queen president")
_PIECES = re.compile(r"[.!?;:]\s|[()]|\bbut\b")


def variants(reference: Sequence[str]) -> list[str]:
    """The texts of which one is to be met: each reference, and its parts where it is a list divided by slashes.

    "Red Sea/The Red Sea/Erythraean Sea" is such a list: three short parts or more, or two that share a word.
    "input/output", "km/h", dates and addresses are not.
    """
    found = []
    for text in reference:
        parts = [part.strip() for part in text.split("/") if any(map(str.isalnum, part))]
        for part in parts if _is_list(text, parts) else [text.strip()]:
            found += [part, *(match[1] for match in _ACCEPTED.finditer(part))]
    return [text for text in dict.fromkeys(found) if text][:_VARIANTS]


def _is_list(text: str, parts: Sequence[str]) -> bool:
    if len(parts) < 2 or "://" in text or all(part.isdigit() for part in parts):
        return False
    if len(parts) > 2:
        return len(parts) > 4 or (sum(len(part) > 2 for part in parts) >= 2 and _longest(parts) <= 12)
    one, other = (set(tokens(part)) for part in parts)
    return _longest(parts) <= 12 and bool(one & other)


def _longest(parts: Sequence[str]) -> int:
    return max(len(part.split()) for part in parts)


def agreement(answer: str, reference: Sequence[str], question: str = "") -> float:
    """How well the answer meets the best fitting variant, 0 to 1."""
    text = answer[:_ANSWER_CHARACTERS].strip()
    if not text:
        return 0.0
    said = tokens(text)
    asked = set(tokens(question[-2000:]))
    denied = set() if _DENIALS & asked else _denied(text)
    gives_up = is_refusal(text)
    best = 0.0
    for variant in variants(reference):
        found = _one(text, said, variant, asked, denied)
        best = max(best, found)
        if best >= 1:
            break
    return best / 2 if gives_up else best


def _one(text: str, said: Sequence[str], variant: str, asked: set[str], denied: set[str]) -> float:
    if (match := _YES_NO.fullmatch(variant)) is not None:
        return float(yes_or_no(text) == _plain(match[1]))
    if (match := _OPTION.fullmatch(variant)) is not None:
        chosen = option_of(text)
        if chosen:
            return float(chosen == match[1].upper())
        if not match[2]:
            return 0.0
        variant = match[2]
    if (match := _NUMBER.fullmatch(variant)) is not None:
        return float(_has_number(text, match[1]))
    found = _by_words(said, _wanted(variant), asked, denied)
    if found < THRESHOLD and len(variant.split()) >= _EXPLAINED and "," in variant:
        # "Cher, in 1998, with the song Believe": what follows the first comma only explains.
        found = max(found, _HEAD * _by_words(said, _wanted(variant.partition(",")[0]), asked, denied))
    return found


def _plain(word: str) -> str:
    return _SAME.get(word.lower(), word.lower())


def yes_or_no(text: str) -> str:
    """What is said where the answer marks it, or begins or ends with it; "" where it says neither or both."""
    if said := _SAID_YES_NO.findall(text):
        return _plain(said[-1])
    match = _MARKED_YES_NO.search(text)
    if match is not None:
        return _plain(match[1] or match[2])
    words = set(tokens(text[-200:]))
    return "yes" if "yes" in words and "no" not in words else "no" if "no" in words and "yes" not in words else ""


def option_of(text: str) -> str:
    """The letter of the option that is chosen, as a capital; "" where none is."""
    match = _MARKED_OPTION.search(text)
    return next(group for group in match.groups() if group).upper() if match else ""


def numbers_said(text: str) -> set[float]:
    """The number that is marked as the answer; all numbers where none is."""
    final = _FINAL_NUMBER.findall(text)
    return {_value(number) for number in (final[-1:] or _ANY_NUMBER.findall(text))}


def _has_number(text: str, wanted: str) -> bool:
    value = _value(wanted)
    final = _FINAL_NUMBER.findall(text)
    if final:
        return _value(final[-1]) == value
    return any(_value(number) == value for number in _ANY_NUMBER.findall(text)) or wanted.replace(",", "") in tokens(
        text
    )


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def _wanted(variant: str) -> list[str]:
    """The stems of a variant, without what it adds in brackets and without small words, unless nothing else is left."""
    plain = urllib.parse.unquote(variant) if "%" in variant else variant
    bare = _IN_BRACKETS.sub(" ", plain).strip() or plain
    found = [token for token in tokens(bare) if token not in ARTICLES]
    return [token for token in found if token not in STOP_STEMS] or found


def _by_words(said: Sequence[str], wanted: Sequence[str], asked: set[str], denied: set[str]) -> float:
    if not wanted:
        return 0.0
    there = set(said)
    if _follows(said, wanted):
        return 0.3 if denied.issuperset(wanted) else 1.0
    if len(wanted) == 1 and len(wanted[0]) >= _RUN_TOGETHER and wanted[0] in "".join(said):
        return 1.0
    counted = [token for token in wanted if token not in asked] or list(wanted)
    weights = {token: _weight(token) for token in counted}
    held = sum(weight for token, weight in weights.items() if _is_said(token, there) and token not in denied)
    recall = held / sum(weights.values())
    content = [token for token in said if token not in STOP_STEMS and token not in asked]
    if content and len(content) <= 4:
        # A short answer that says nothing but a part of the reference: the surname alone, the brand alone.
        inside = sum(any(is_near(token, other) for other in wanted) for token in content) / len(content)
        if inside == 1 and recall > 0.3:
            return max(recall, 0.7)
    return recall


def _follows(said: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the wanted words stand in the answer one after another."""
    bare = [token for token in said if token not in STOP_STEMS] if not STOP_STEMS.issuperset(wanted) else list(said)
    return f" {' '.join(wanted)} " in f" {' '.join(bare)} "


def _weight(token: str) -> float:
    return 2.0 if token[0].isdigit() else 0.5 if len(token) == 1 or token in _HONORIFICS else 1.0


def _is_said(token: str, there: set[str]) -> bool:
    if token in there:
        return True
    if len(token) == 1 and not token.isdigit():
        return any(other[0] == token for other in there)
    return any(is_near(token, other) for other in there)


def _denied(text: str) -> set[str]:
    """Words that only ever stand right after a denial in the answer."""
    denied: set[str] = set()
    free: set[str] = set()
    for piece in _PIECES.split(text):
        since = _SCOPE + 1
        words = tokens(piece)
        for place, token in enumerate(words):
            if token in _DENIALS and words[place + 1 : place + 2] != ["only"]:
                since = 0
                continue
            since += token not in STOP_STEMS
            (denied if since <= _SCOPE else free).add(token)
    return denied - free

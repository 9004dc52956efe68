"""Whether an answer takes up what was asked: relevance, parts answered, doubts it voices, code that parses.

All of it looks at words and marks only. An answer that says the right thing in other words than the question is called
less relevant than it is, one that repeats the question and says nothing more relevant.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

import msgspec

from monitor.text.form import looks_like_code
from monitor.text.patterns import plain, rule
from monitor.text.words import STOP_WORDS, word_set

_QUESTION = 300
_ASKED = 8
_ANSWER = 1_000
_LEAST_ANSWER = 60
_PREFIX = 6
_CODE_CHARACTERS = 20_000
_PARTS = 12

_MARKS = str.maketrans(dict.fromkeys(".,?!:;\"()[]*`'\u2019\u201c\u201d", " "))
_SMALL = frozenset(word[:_PREFIX] for word in STOP_WORDS if len(word) > 2) | word_set(
    "write give list make explai descri provid create genera sugges tell help want need think step using use like can "
    "please answer yes thanks exampl follow"
)
_NUMBERED = re.compile(r"(?:^|\n)[^\S\n]*(?:\(?\d{1,2}[.)]|\(?[a-h]\)|[-*•])\s+(\S[^\n]*)")
_ENDS = re.compile(r"(?<=[?.!])\s+|\n+")
_FENCE = re.compile(r"```([\w+-]*)[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
_PYTHON = frozenset(("python", "py", "python3"))

_DOUBTS = (
    rule(
        "admits",
        "i'm not|i am not|i don't|i do not|i'm unsure|i can't|i cannot|unclear|not clear|uncertain",
        r"\bi(?:'m| am) (?:not (?:entirely |completely |quite |really |100% )?(?:sure|certain|aware|familiar)|unsure"
        r"|uncertain)|\bi (?:don't|do not) (?:really )?(?:know"
        r"|have (?:enough|any|sufficient|specific|access to|up-to-date|real-time))"
        r"|\bi (?:can't|cannot) (?:be (?:sure|certain)|verify|confirm|guarantee)"
        r"|\b(?:it|this|that) is (?:unclear|not (?:entirely )?clear|uncertain)\b",
    ),
    rule(
        "guesses",
        "i think|i believe|i guess|my guess|best guess|i assume|it's possible|it is possible|if i remember|if i recall",
        r"\b(?:i (?:think|believe|guess|assume)|my (?:best )?guess|it(?:'s| is) possible that"
        r"|if i (?:remember|recall))\b",
    ),
    rule(
        "dated",
        "knowledge|training|last update|cutoff|cut-off",
        r"\b(?:as of|up to|until|in) my (?:last|latest|most recent|current|knowledge|training)"
        r"|\bmy (?:knowledge|training)(?: data)?(?: \w+){0,2} (?:cut-?off|until|up to|only|ends|goes|stops)"
        r"|\bknowledge cut-?off\b",
    ),
)
# Each of the phrases above has one of these words.
_DOUBT_WORDS = word_set(
    "i i'm my knowledge possible unclear unclear. unclear, uncertain uncertain. clear clear. clear,"
)
_WEAK = word_set("might may maybe perhaps possibly probably presumably likely seems seem appears appear")
_WEAK_SHARE = 0.03
_LEAST_WORDS = 20
_LOOK = 1_000


def relevance(prompt: str, response: str) -> float | None:
    """Share of the content words of what was asked that the answer takes up, 0 to 1.

    The eight longest words of the last 300 characters of the prompt and the first 1,000 characters of the answer
    count; words are compared by their first six letters. None for answers under 60 characters ("Delhi" is a good answer
    without a word of the question), and where the question has fewer than two such words.
    """
    if len(response) < _LEAST_ANSWER:
        return None
    asked = sorted(_stems(prompt[-_QUESTION:]), key=len, reverse=True)[:_ASKED]
    if len(asked) < 2:
        return None
    said = response[:_ANSWER].lower()
    return round(sum([word in said for word in asked]) / len(asked), 4)


def _stems(text: str) -> dict[str, None]:
    """The beginnings of the content words of a text, in order."""
    words = text.lower().translate(_MARKS).split()
    return dict.fromkeys([word[:_PREFIX] for word in words if len(word) > 2 and word[:_PREFIX] not in _SMALL])


def parts_asked(prompt: str) -> list[str]:
    """The questions or numbered tasks of a prompt that asks for several things; empty where it asks for one."""
    tail = prompt[-1500:]
    numbered = [match[1] for match in _NUMBERED.finditer(tail)] if "\n" in tail else []
    questions = [piece for piece in _ENDS.split(tail) if piece.endswith("?")] if tail.count("?") > 1 else []
    parts = numbered if len(numbered) > len(questions) else questions
    parts = [part for part in parts if len(_stems(part)) > 0]
    return parts[:_PARTS] if len(parts) > 1 else []


def completeness(prompt: str, response: str) -> float | None:
    """Share of the parts asked for that the answer takes up; None where one thing is asked.

    A part is taken up when the answer has a third of its content words, or an item of its own number.
    """
    parts = parts_asked(prompt)
    if not parts:
        return None
    said = set(_stems(response[:8000]))
    items = len(_NUMBERED.findall(response[:8000]))
    taken = 0
    for place, part in enumerate(parts, 1):
        own = set(_stems(part))
        taken += len(own & said) * 3 >= len(own) or items >= place == len(parts) or items >= len(parts)
    return round(taken / len(parts), 4)


def is_hedged(response: str) -> bool:
    """Whether an answer admits that it does not know, guesses, or is full of words such as "perhaps"."""
    text = plain(response[:_LOOK])
    words = text.split()
    if not _DOUBT_WORDS.isdisjoint(words) and any(doubt.fits(text) for doubt in _DOUBTS):
        return True
    if len(words) < _LEAST_WORDS or _WEAK.isdisjoint(words):
        return False
    return sum(map(_WEAK.__contains__, words)) >= max(3, _WEAK_SHARE * len(words))


def is_dated(response: str) -> bool:
    """Whether an answer excuses itself with how old the model's knowledge is."""
    return _DOUBTS[2].fits(plain(response[:_LOOK]))


def code_parses(response: str) -> bool | None:
    """Whether all Python and JSON of an answer parses; None where it holds none.

    Fenced blocks named so, and answers that are nothing but Python. The first 20,000 characters of a block count.
    """
    blocks: Sequence[tuple[str, str]] = _FENCE.findall(response) if "```" in response else ()
    found = [_parses(language.lower(), code) for language, code in blocks]
    known = [answer for answer in found if answer is not None]
    if known:
        return all(known)
    if not blocks and ("def " in response or "import " in response) and looks_like_code(response):
        return _parses("python", response)
    return None


def _parses(language: str, code: str) -> bool | None:
    if len(code) > _CODE_CHARACTERS:
        return None
    if language == "json":
        try:
            msgspec.json.decode(code)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return False
        return True
    if language not in _PYTHON or ">>> " in code:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True

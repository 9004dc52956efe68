"""The form of a text: prose, list, code, JSON, table; readability; whether it ends abruptly or repeats itself."""

from __future__ import annotations

import re
import string

import msgspec

from monitor.remembered import Remembered

_FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
_BULLET = re.compile(r"\s*(?:[-*•+]|\d{1,3}[.)])\s+\S")
_TABLE_RULE = re.compile(r"^\s*\|?(?:\s*:?-{2,}:?\s*\|)+\s*:?-*:?\s*\|?\s*$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)
_CODE_LINE = re.compile(
    r"\s*(?:(?:async\s+)?def \w+\(|class \w+\s*[:({]|import \w|from [\w.]+ import\b|return\b.*[;)\]\w]$"
    r"|(?:const|let|var) \w+\s*="
    r"|(?:public|private|protected|static)\s+\w|function\b.*[({]|#include\b|#!/|(?:if|for|while|switch"
    r"|elif)\b.*[:{]\s*$"
    r"|else\s*[:{]|try\s*[:{]|except\b.*:|@\w+|//|/\*|SELECT\b.+\bFROM\b|</?[a-zA-Z][^>]*>\s*"
    r"|[\w.\[\]]+\s*[-+*/|&]?=\s*\S.*"
    r"|[\w.]+\([^)]*\);?\s*$|\$ \w+|>>> )"
)
_PUNCTUATION = string.punctuation + "’“”„«»…–—、。"
_SENTENCE_END = re.compile(r"[.!?:。！？](?=[\s\"')\]]|$)")
_BLANK_LINE = re.compile(r"\n\s*\n")
_LOOK = 4000
_DANGLING = re.compile(
    r"(?:[,(\[{\-–—/&]|\b(?:the|a|an|and|or|of|to|in|with|for|that|which|is|are|was|by|as|from|but|because|der"
    r"|die|das|und"
    r"|oder|mit|für|von|dass|le|la|les|et|ou|de|du|des|que|el|los|las|y|con|para|por|il|che|per))\Z",
    re.IGNORECASE,
)
_WINDOW_WORDS = 300
_GRAM = 4


def without_code(text: str) -> str:
    """The text without its fenced code blocks."""
    return _FENCE.sub(" ", text)


def code_blanked(text: str) -> str:
    """The text with blanks in place of its fenced code blocks, so that places in it stay the same."""
    return _FENCE.sub(lambda match: " " * len(match[0]), text)


def looks_like_code(text: str) -> bool:
    """Whether most lines of a text without fences are lines of a program."""
    lines = [line for line in text[:_LOOK].split("\n") if line.strip()][:40]
    if not lines or not any(mark in text for mark in "=({;<@#$"):
        return False
    code = sum(line.rstrip()[-1] in ";{}" or _CODE_LINE.match(line[:200]) is not None for line in lines)
    return code >= max(1, 0.6 * len(lines))


def form_of(text: str) -> str:
    """One of short, json, code, table, list, markdown, prose."""
    stripped = text.strip()
    if stripped[:1] in "{[" and stripped[-1:] in "}]" and stripped and _is_json(stripped):
        return "json"
    head = stripped[:_LOOK]
    fenced = sum(len(match[1]) for match in _FENCE.finditer(head)) if "```" in head else 0
    if fenced > 0.5 * len(head) or (not fenced and looks_like_code(head)):
        return "code"
    if "|" in head and "--" in head and _TABLE_RULE.search(head):
        return "table"
    lines = [line for line in head.split("\n") if line.strip()]
    bullets = sum(_BULLET.match(line) is not None for line in lines)
    if bullets >= 3 and bullets >= 0.4 * len(lines):
        return "list"
    if fenced or "**" in head or _HEADING.search(head):
        return "markdown"
    return "short" if len(stripped) < 40 else "prose"


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False
    return True


def lix(text: str) -> float | None:
    """Readability after Björnsson (1968): words a sentence plus the percentage of words over six letters.

    About 20 is very easy and 60 very hard, in any language that puts blanks between words. None below 30 words, and for
    text without sentences. The first 4,000 characters count.
    """
    head = without_code(text[:_LOOK]) if "```" in text else text[:_LOOK]
    lengths = [*filter(None, map(_LENGTH.__getitem__, head.split()))]
    if len(lengths) < 30:
        return None
    ends = len(_SENTENCE_END.findall(head)) + (len(_BLANK_LINE.findall(head)) if "\n" in head else 0)
    average = len(lengths) / max(1, ends)
    if average > 80:
        return None
    return round(average + 100 * sum(map((6).__lt__, lengths)) / len(lengths), 2)


def _length(piece: str) -> int:
    """Letters of a word without punctuation around it, 0 for what is no word."""
    word = piece.strip(_PUNCTUATION)
    return len(word) if word and word[0].isalpha() else 0


_LENGTH: Remembered[str, int] = Remembered(_length)


def ends_abruptly(text: str) -> bool:
    """Whether a text stops in the middle: an open code fence, a dangling comma or conjunction, or an unfinished line
    of prose after finished ones."""
    stripped = text.rstrip()
    if len(stripped) < 80:
        return False
    if stripped.count("```") % 2:
        return True
    tail = stripped[-2000:]
    if _DANGLING.search(tail[-20:]):
        return True
    last = tail.rpartition("\n")[2]
    if last.rpartition(" ")[2].startswith(("#", "http")):
        return False
    return len(last) >= 120 and last[-1].isalpha() and last[-1].isascii() and ". " in last and not _BULLET.match(last)


def repetition(text: str) -> float | None:
    """Share of the last 300 words' sequences of four that occur more than once there: 0 none, 1 a loop.

    Texts without blanks are looked at in pieces of one character. None below 20 words (80 characters).
    """
    tail = text[-2000:].lower()
    pieces: list[str] = tail.split()[-_WINDOW_WORDS:]
    if len(pieces) < 20:
        if len(tail) < 80 or len(pieces) * 20 > len(tail):
            return None
        pieces = list(tail[-_WINDOW_WORDS:])
    grams = list(zip(pieces, pieces[1:], pieces[2:], pieces[_GRAM - 1 :], strict=False))
    return round(1 - len(set(grams)) / len(grams), 4)

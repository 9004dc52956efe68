"""Patterns that are only tried where a word that they need stands in the text: a search for a word is some fifty times
cheaper than a pattern."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A pattern for text in lower case, and the words of which one must be there for it to fit."""

    name: str
    words: tuple[str, ...]
    pattern: re.Pattern[str]

    def fits(self, lowered: str) -> bool:
        """Whether the pattern is somewhere in the text."""
        return any(map(lowered.__contains__, self.words)) and self.pattern.search(lowered) is not None


def rule(name: str, words: str, pattern: str) -> Rule:
    """A rule; `words` are separated by `|`."""
    return Rule(name, tuple(words.split("|")), re.compile(pattern))


def plain(text: str) -> str:
    """The text in lower case with straight apostrophes and quotation marks."""
    lowered = text.lower()
    return lowered if lowered.isascii() else lowered.replace("’", "'").replace("“", '"').replace("”", '"')

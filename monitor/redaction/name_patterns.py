"""Names of people in text: found by titles, introductions and common first names before a capitalised word.

Without a language model this misses many names and takes some titles of books and streets for people, which is why
names are masked only where the settings ask for it. docs/models/personal_data.md states recall and precision.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from importlib.resources import files

_WORD = r"[A-ZÀ-ÖØ-ÞŁŚŠŽČĆŻ](?:[\w'’-]*[a-zà-öø-ÿłśšžčćż][\w'’-]*|\.)"
_TITLED = re.compile(
    rf"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Dame|Lady|Lord|Herr|Frau|Monsieur|Madame|Mme|Señora?|Sra?"
    rf"|Signora?)\b\.? ({_WORD}(?: {_WORD}){{0,2}})"
)
_INTRODUCED = re.compile(
    rf"(?:\b[Mm]y name is|\b[Nn]ame: ?|\b[Ii] am called|\b[Mm]ein Name ist|\b[Ii]ch heiße|\b[Jj]e m'appelle"
    rf"|\b[Mm]e llamo|\b[Mm]i chiamo|\b(?:[Rr]egards|[Ss]incerely|[Cc]heers),?\n) ?({_WORD}(?: {_WORD}){{0,2}})"
)
_RUN = re.compile(
    rf"(?<![\w'’]){_WORD}(?: (?:(?:van|von|de|der|den|del|della|di|da|al|bin|el|la|le|Mc|O')\b ?){{0,2}}{_WORD}){{0,3}}"
)


_CAPITALISED = re.compile(r"[A-ZÀ-ÖØ-ÞŁŚŠŽČĆŻ]\w+")
_TITLES = frozenset(
    (
        *("Mr", "Mrs", "Ms", "Miss", "Mx", "Dr", "Prof", "Professor", "Sir", "Dame", "Lady", "Lord", "Herr", "Frau"),
        *("Monsieur", "Madame", "Mme", "Señor", "Señora", "Sr", "Sra", "Signor", "Signora"),
    )
)
_INTRODUCTIONS = (
    "ame is",
    "ame:",
    "Name ist",
    "called",
    "heiße",
    "appelle",
    "llamo",
    "chiamo",
    "egards",
    "incerely",
    "heers",
)


def find_names(text: str) -> Iterator[tuple[int, int]]:
    """Ranges of names of people; they may overlap."""
    capitalised = set(_CAPITALISED.findall(text))
    if not _TITLES.isdisjoint(capitalised):
        yield from (match.span(1) for match in _TITLED.finditer(text))
    if any(map(text.__contains__, _INTRODUCTIONS)):
        yield from (match.span(1) for match in _INTRODUCED.finditer(text))
    first_names = _first_names()
    if first_names.isdisjoint(map(str.lower, capitalised)):
        return
    for match in _RUN.finditer(text):
        words = [(word.start(), word.group()) for word in re.finditer(r"\S+", match[0])]
        for index, (offset, word) in enumerate(words):
            bare = word.split("'")[0].split("’")[0]
            if bare.lower() in first_names:
                yield match.start() + offset, match.end()
                break
            if index == 2:
                break


@functools.cache
def _first_names() -> frozenset[str]:
    return frozenset((files("monitor.redaction") / "first_names.txt").read_text(encoding="utf-8").split("\n"))

"""Whom a prompt is about: terms for groups of people, as data. Nothing is inferred of the person who asks.

The terms stand in `mentions.json` ({"group": ["term", ...]}); MONITOR_MENTION_TERMS names a file of one's own in its
place. A term counts where it stands as whole words, whatever its case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from monitor.errors import SettingsError

NOBODY = "no group"
SEVERAL = "several groups"
_PACKAGED = Path(__file__).with_name("mentions.json")


class Mentions:
    """Finds the group that a text names."""

    def __init__(self, terms: Mapping[str, list[str]]) -> None:
        self._group_of = {term.casefold(): group for group, known in terms.items() for term in known if term.strip()}
        longest_first = sorted(self._group_of, key=len, reverse=True)
        self._pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b") if longest_first else None

    def of(self, text: str) -> str:
        """The group named; "several groups" where there are more, "no group" where there is none."""
        if self._pattern is None:
            return NOBODY
        found = {self._group_of[match] for match in self._pattern.findall(text.casefold())}
        return NOBODY if not found else found.pop() if len(found) == 1 else SEVERAL


def read_mentions(path: Path | None) -> Mentions:
    """The terms of a file, or the packaged ones. Raises SettingsError for a file that holds no terms."""
    return _read(path or _PACKAGED)


@lru_cache(maxsize=4)
def _read(path: Path) -> Mentions:
    try:
        return Mentions(msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]]))
    except (OSError, msgspec.MsgspecError):
        raise SettingsError(
            'MONITOR_MENTION_TERMS must name a readable JSON file of the form {"group": ["term", ...]}.'
        ) from None

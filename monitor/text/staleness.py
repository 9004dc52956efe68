"""Questions about times that a model cannot know: after the end of its training data.

The ends are those that the makers state (models/cutoffs.json), by the beginning of the model's name; the longest
beginning that fits wins. A JSON file of the same form adds to them or replaces them (setting `model_cutoffs`).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from monitor.errors import SettingsError

PACKAGED = Path(__file__).parent / "models" / "cutoffs.json"

_CHARACTERS = 2_000
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_YEAR = re.compile(r"(20[1-4]\d)(?:-(0[1-9]|1[0-2])(?:-\d\d)?)?(?![\d%]|[.,]\d|-\d{3})")
_MONTH_BEFORE = re.compile(rf"\b({'|'.join(_MONTHS)})[a-z]*\.?,? (?:\d{{1,2}}(?:st|nd|rd|th)?,? )?\Z")
_BEFORE = 20
# What stands right before figures that are no year.
_NO_YEAR = frozenset("0123456789.,$€£#/-")
# Words that mean the time of the call, and how long before it they may reach back.
_NOW = re.compile(
    r"\b(?:today|yesterday|tonight|this (?:week|month)|last (?:week|night)|right now|breaking news|latest news"
    r"|current (?:price|weather|president|prime minister|ceo|score|exchange rate)|so far this year)\b"
)
_NOW_WORDS = (
    "today",
    "yesterday",
    "tonight",
    "this week",
    "this month",
    "last week",
    "last night",
    "right now",
    "ing news",
    "latest news",
    "current ",
    "so far this",
)
_BACK = timedelta(days=14)
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


def cutoff_of(model: str, own: Mapping[str, str]) -> str:
    """The last month of a model's training data as YYYY-MM, or "" where it is not known."""
    return _cutoff(model, tuple(sorted(own.items())))


@functools.lru_cache(maxsize=1024)
def _cutoff(model: str, own: tuple[tuple[str, str], ...]) -> str:
    name = _plain(model.rpartition("/")[2])
    known = {**_packaged(), **{_plain(key): month for key, month in own}}
    fitting = [key for key in known if name == key or name.startswith(key + "-") or f"-{key}-" in f"-{name}-"]
    return known[max(fitting, key=len)] if fitting else ""


def _plain(name: str) -> str:
    return _NOT_PLAIN.sub("-", name.lower()).strip("-")


@functools.cache
def _packaged() -> dict[str, str]:
    return {_plain(key): month for key, month in json.loads(PACKAGED.read_text(encoding="utf-8")).items()}


@functools.lru_cache(maxsize=4)
def own_cutoffs(path: Path | None) -> Mapping[str, str]:
    """The ends that a file of one's own gives. Raises SettingsError where it cannot be read."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"MONITOR_MODEL_CUTOFFS: {path}: cannot be read: {error.strerror}.") from None
    except ValueError:
        raise SettingsError(f"MONITOR_MODEL_CUTOFFS: {path}: is not JSON.") from None
    if not isinstance(found, dict) or not all(_MONTH.fullmatch(str(month)) for month in found.values()):
        raise SettingsError(f'MONITOR_MODEL_CUTOFFS: {path}: wants {{"model": "YYYY-MM", ...}}.')
    return {str(model): str(month) for model, month in found.items()}


def newest_time(prompt: str, asked_at: datetime) -> str:
    """The newest month that the last 2,000 characters of a prompt ask about, as YYYY-MM, or "" where they name none.

    A year without a month is its January, so that a year counts as past a cut-off only from the next year on; years
    more than one after the call are plans or fiction and do not count.
    """
    text = prompt[-_CHARACTERS:].lower()
    found = ""
    if "20" in text:
        for match in _YEAR.finditer(text):
            if text[match.start() - 1 : match.start()] in _NO_YEAR:
                continue
            before = _MONTH_BEFORE.search(text, max(0, match.start() - _BEFORE), match.start())
            month = _MONTHS.index(before[1]) + 1 if before else int(match[2] or 1)
            if int(match[1]) <= asked_at.year + 1:
                found = max(found, f"{match[1]}-{month:02d}")
    if any(word in text for word in _NOW_WORDS) and _NOW.search(text) is not None:
        found = max(found, f"{asked_at - _BACK:%Y-%m}")
    return found

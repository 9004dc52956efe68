"""Fingerprints of protected texts, and how much of an answer reproduces them; only hashes are kept, never the text.

Winnowing (Schleimer, Wilkerson, Aiken 2003): each run of five words is hashed, and of every four neighbouring hashes
the least is kept. Any run of eight words or more that an answer shares with a registered text is found; runs of fewer
than five never are. Case, accents and punctuation do not count. Texts without blanks between words are taken letter by
letter. It misleads where common phrases, quotations or titles are part of a protected text, and misses paraphrases.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.errors import InputError, SettingsError
from monitor.text.words import TOKEN, fold

RUN = 5
WINDOW = 4
SURE = RUN + WINDOW - 1
"""Runs of this many words are always found."""

_VERSION = 1
_ANSWER_WORDS = 5_000

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Fingerprints:
    """The hashes of registered texts, sorted, and the names of the texts."""

    hashes: Hashes
    names: tuple[str, ...]

    def holds(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """For each hash whether a registered text has it."""
        if not len(self.hashes):
            return np.zeros(len(hashes), dtype=np.bool_)
        places = np.searchsorted(self.hashes, hashes)
        return np.asarray(self.hashes[np.minimum(places, len(self.hashes) - 1)] == hashes)


def words_of(text: str) -> list[str]:
    """The words whose order is fingerprinted."""
    return TOKEN.findall(fold(text))


def hashes_of(words: Sequence[str]) -> Hashes:
    """The hash of each run of five words."""
    digests = (
        hashlib.blake2b(" ".join(words[place : place + RUN]).encode("utf-8", "replace"), digest_size=8).digest()
        for place in range(len(words) - RUN + 1)
    )
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def winnowed(hashes: Hashes) -> Hashes:
    """The least hash of every four neighbours, each once; all of them where there are fewer."""
    if len(hashes) <= WINDOW:
        return np.unique(hashes)
    return np.unique(np.lib.stride_tricks.sliding_window_view(hashes, WINDOW).min(axis=1))


def reproduced(text: str, known: Fingerprints) -> float | None:
    """Share of the words of a text that stand in runs shared with registered texts; None below five words.

    A run goes from the first to the last shared hash that lie no further apart than a window; up to three words at each
    of its ends may stay uncounted. The first 5,000 words.
    """
    words = words_of(text)[:_ANSWER_WORDS]
    if len(words) < RUN:
        return None
    covered = np.zeros(len(words), dtype=np.bool_)
    last = None
    for place in np.flatnonzero(known.holds(hashes_of(words))).tolist():
        start = last if last is not None and place - last <= WINDOW else place
        covered[start : place + RUN] = True
        last = place
    return round(float(covered.mean()), 4)


def copied(text: str, sources: Iterable[str]) -> float | None:
    """Share of the words of a text in runs of eight or more which a source has too; None below eight words."""
    words = words_of(text)[:_ANSWER_WORDS]
    if len(words) < SURE:
        return None
    known = {run for source in sources for run in _runs(words_of(source))}
    covered = [False] * len(words)
    for place, run in enumerate(_runs(words)):
        if run in known:
            covered[place : place + SURE] = [True] * SURE
    return round(sum(covered) / len(words), 4)


def _runs(words: Sequence[str]) -> Iterable[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(SURE)), strict=False)


def registered(texts: Mapping[str, str]) -> str:
    """The document to be stored for some texts by name. Raises InputError where a text is too short to be told."""
    entries = []
    for name, text in texts.items():
        words = words_of(text)
        if len(words) < SURE:
            raise InputError(f"{name}: has fewer than {SURE} words, too few for a fingerprint.")
        kept = winnowed(hashes_of(words)).astype("<u8").tobytes()
        entries.append({"name": name, "words": len(words), "hashes": base64.b64encode(kept).decode("ascii")})
    return json.dumps({"version": _VERSION, "run": RUN, "window": WINDOW, "texts": entries}, ensure_ascii=False) + "\n"


@functools.lru_cache(maxsize=2)
def read_fingerprints(path: Path) -> Fingerprints:
    """The fingerprints in a file that `llmops-monitor fingerprint` wrote. Raises SettingsError where it is none."""
    try:
        stored: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"MONITOR_PROTECTED_TEXTS: {path}: cannot be read: {error.strerror}.") from None
    except ValueError:
        stored = None
    try:
        if (stored["version"], stored["run"], stored["window"]) != (_VERSION, RUN, WINDOW):
            raise ValueError
        hashes = [np.frombuffer(base64.b64decode(text["hashes"]), dtype="<u8") for text in stored["texts"]]
        names = tuple(str(text["name"]) for text in stored["texts"])
    except (KeyError, TypeError, ValueError):
        raise SettingsError(
            f"MONITOR_PROTECTED_TEXTS: {path}: is no file of fingerprints; make one with llmops-monitor fingerprint."
        ) from None
    return Fingerprints(np.unique(np.concatenate([np.empty(0, "<u8"), *hashes])).astype(np.uint64), names)

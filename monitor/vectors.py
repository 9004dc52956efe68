"""Text vectors: hashed words projected to 64 dimensions, and how they are stored.

A text becomes counts of its words (cut to seven letters, which joins most inflected forms; Chinese and Japanese
characters count one by one and in pairs; numbers all count as one word; the commonest English words are left out).
The square roots of the counts are hashed into 32,768 places and multiplied by a fixed matrix of random signs: by the
lemma of Johnson and Lindenstrauss (in the form of Achlioptas, 2003) angles between texts are kept up to about 1/8.
Nothing is learned, so that vectors of any two processes, days and versions can be compared. They tell what a text is
about by its words; two paraphrases without a common word look unrelated.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import re
import runpy
import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.remembered import Remembered

DIMENSIONS = 64
MAX_CHARACTERS = 2000
"""How much of a text is looked at: its beginning."""

_PLACES = 2**15
_SEED = 20_260_101
_HALF = struct.Struct("<e")
_LARGEST_HALF = 65_504.0
_SMALLEST_HALF = 2.0**-14
_STEPS = 7
_ZERO = 8
_ALL_BITS = 0xFFFF_FFFF
_NOWHERE = -1
_WORD = re.compile(r"[^\W\d_\u3040-\u30ff\u4e00-\u9fff]{2,}|[\u3040-\u30ff\u4e00-\u9fff]+|\d+")
_ASCII_WORD = re.compile(r"[a-z]{2,}|[0-9]+")
_CHARACTERS = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]+")


def encode_vector(vector: Sequence[float] | NDArray[Any]) -> bytes:
    """A vector in half a byte a component: multiples of a seventh of the largest, which stands first (half precision).

    That is off by a fourteenth of the largest component at most: for text vectors an eighth of what the projection
    itself is off by.
    """
    numbers = np.array(vector, dtype=np.float64)
    largest = min(float(abs(numbers).max(initial=0)), _LARGEST_HALF)
    first = _HALF.pack(largest)
    (largest,) = _HALF.unpack(first)
    if largest < _SMALLEST_HALF:
        first, largest = _HALF.pack(0.0), 1.0
        numbers[:] = 0
    elif largest == _LARGEST_HALF:
        numbers = numbers.clip(-largest, largest)
    nibbles = (numbers * (_STEPS / largest) + (_ZERO + 0.5)).astype(np.uint8)
    if len(nibbles) % 2:
        nibbles = np.append(nibbles, np.uint8(0))  # which is no component
    return first + (nibbles[::2] * 16 + nibbles[1::2]).tobytes()


def decode_vector(data: bytes) -> NDArray[np.float64]:
    """The vector that was stored."""
    vector: NDArray[np.float64] = decode_vectors([data])[0]
    return vector


def decode_vectors(rows: Sequence[bytes]) -> NDArray[np.float64]:
    """Vectors of equal length that were stored, one a row. Raises ValueError where their lengths differ."""
    packed = np.array([np.frombuffer(row, dtype=np.uint8) for row in rows])
    largest = packed[:, :2].copy().view("<f2").astype(np.float64)
    nibbles = np.stack((packed[:, 2:] >> 4, packed[:, 2:] & 15), axis=2).reshape(len(rows), -1)
    if nibbles.size and not nibbles[0, -1]:
        nibbles = nibbles[:, :-1]
    return (nibbles.astype(np.float64) - _ZERO) * (largest / _STEPS)


def text_vectors(texts: Sequence[str]) -> list[list[float] | None]:
    """The vector of each text, of length 1; None where it has no words."""
    if not texts:
        return []
    return [_vector(text) for text in texts]


def _vector(text: str) -> list[float] | None:
    counts = _counts(text[:MAX_CHARACTERS].lower())
    if not counts:
        return None
    places = sorted(counts)
    weights = np.sqrt(np.array([counts[place] for place in places], dtype=np.float32))
    projected = np.add.reduce(_signs()[places] * weights[:, np.newaxis], axis=0)
    length = np.sqrt(np.add.reduce(projected * projected))
    if not length:
        return None
    return np.round(projected / length, 4).astype(np.float64).round(4).tolist()  # type: ignore[no-any-return]


def _counts(lowered: str) -> Counter[int]:
    """How often each place is met."""
    ascii_only = lowered.isascii()
    counts = Counter(map(_PLACE_OF.__getitem__, (_ASCII_WORD if ascii_only else _WORD).findall(lowered)))
    del counts[_NOWHERE]
    if not ascii_only:
        for run in _CHARACTERS.findall(lowered):
            counts.update(map(_place, itertools.chain(run, map("".join, itertools.pairwise(run)))))
    return counts


def _place_of(word: str) -> int:
    if word[0].isdigit():
        return _place("0")
    if word in _common_words() or "\u3040" <= word[0] <= "\u9fff":
        return _NOWHERE
    return _place(word[:7])


def _place(word: str) -> int:
    """Where a word counts: by its MurmurHash3 (32 bits, seed 0), as in scikit-learn's vectorizers."""
    data = word.encode("utf-8", "surrogatepass")
    whole = len(data) & ~3
    mixed = 0
    for (block,) in struct.iter_unpack("<I", data[:whole]):
        mixed ^= _scrambled(block)
        mixed = (_rotated(mixed, 13) * 5 + 0xE6546B64) & _ALL_BITS
    mixed ^= _scrambled(int.from_bytes(data[whole:], "little")) ^ len(data)
    mixed = ((mixed ^ (mixed >> 16)) * 0x85EBCA6B) & _ALL_BITS
    mixed = ((mixed ^ (mixed >> 13)) * 0xC2B2AE35) & _ALL_BITS
    mixed ^= mixed >> 16
    return min(mixed, _ALL_BITS + 1 - mixed) % _PLACES


_PLACE_OF: Remembered[str, int] = Remembered(_place_of)


def _scrambled(block: int) -> int:
    return _rotated((block * 0xCC9E2D51) & _ALL_BITS, 15) * 0x1B873593 & _ALL_BITS


def _rotated(number: int, bits: int) -> int:
    return (number << bits | number >> (32 - bits)) & _ALL_BITS


@functools.cache
def _common_words() -> frozenset[str]:
    """scikit-learn's list of English stop words, without the library around it, which takes 80 MB of memory."""
    library = importlib.util.find_spec("sklearn")
    assert library is not None  # noqa: S101 - the package requires it
    assert library.submodule_search_locations  # noqa: S101 - it is a package
    path = Path(library.submodule_search_locations[0], "feature_extraction", "_stop_words.py")
    words: frozenset[str] = runpy.run_path(str(path))["ENGLISH_STOP_WORDS"]
    return words


@functools.cache
def _signs() -> NDArray[np.int8]:
    # RandomState's stream is frozen for ever, so that all versions of numpy make the same matrix.
    signs = np.random.RandomState(_SEED).randint(0, 2, size=(_PLACES, DIMENSIONS), dtype=np.int8)
    signs *= 2
    signs -= 1
    return signs

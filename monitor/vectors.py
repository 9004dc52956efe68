"""Text vectors: hashed words projected to 64 dimensions, and how they are stored.

A text becomes counts of its words (cut to seven letters, which joins most inflected forms; Chinese and Japanese
characters count one by one and in pairs; numbers all count as one word; the commonest English words are left out).
The square roots of the counts are hashed into 32,768 places and multiplied by a fixed matrix of random signs: by the
lemma of Johnson and Lindenstrauss (in the form of Achlioptas, 2003) angles between texts are kept up to about 1/8.
Nothing is learned, so that vectors of any two processes, days and versions can be compared. They tell what a text is
about by its words; two paraphrases without a common word look unrelated.
"""

from __future__ import annotations

import base64
import functools
import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 64
MAX_CHARACTERS = 2000
"""How much of a text is looked at: its beginning."""

_PLACES = 2**15
_SEED = 20_260_101
_SCALE = 127
_WORD = re.compile(r"[^\W\d_\u3040-\u30ff\u4e00-\u9fff]{2,}|[\u3040-\u30ff\u4e00-\u9fff]+|\d+")


def encode_vector(vector: Sequence[float] | NDArray[Any]) -> str:
    """A vector with components between -1 and 1 as 88 characters: base64 of signed bytes, off by at most 0.004."""
    bounded = np.clip(np.asarray(vector, dtype=np.float64), -1, 1)
    return base64.b64encode(np.rint(bounded * _SCALE).astype(np.int8).tobytes()).decode()


def decode_vector(text: str) -> NDArray[np.float64]:
    """The vector that was stored. Raises ValueError for anything else."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=np.int8).astype(np.float64) / _SCALE


def text_vectors(texts: Sequence[str]) -> list[list[float] | None]:
    """The vector of each text, of length 1; None where it has no words."""
    if not texts:
        return []
    counts = _vectorizer().transform([text[:MAX_CHARACTERS] for text in texts])
    np.sqrt(counts.data, out=counts.data)
    projected = counts @ _projection()
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    units = np.round(projected / np.where(lengths > 0, lengths, 1), 4).astype(np.float64).round(4).tolist()
    return [unit if length > 0 else None for unit, length in zip(units, lengths[:, 0], strict=True)]


def _words(text: str) -> list[str]:
    words: list[str] = []
    common = _common_words()
    for word in _WORD.findall(text.lower()):
        if word[0].isdigit():
            words.append("0")
        elif "\u3040" <= word[0] <= "\u9fff":
            words += word
            words += map("".join, itertools.pairwise(word))
        elif word not in common:
            words.append(word[:7])
    return words


@functools.cache
def _common_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)


@functools.cache
def _vectorizer() -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(n_features=_PLACES, analyzer=_words, norm=None, alternate_sign=False, dtype=np.float32)


@functools.cache
def _projection() -> NDArray[np.float32]:
    # RandomState's stream is frozen for ever, so that all versions of numpy make the same matrix.
    signs = np.random.RandomState(_SEED).randint(0, 2, size=(_PLACES, DIMENSIONS), dtype=np.int8)
    return (signs.astype(np.float32) * 2 - 1) / np.float32(np.sqrt(DIMENSIONS))

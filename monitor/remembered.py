"""Answers of a function that are kept, for words.

`map(remembered.__getitem__, words)` takes no step of Python for a word that was seen before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST = 2**14
"""So many answers are kept; then all are forgotten."""


class Remembered(dict[K, V]):
    """What a function answers, by its argument. Words longer than a line are asked each time."""

    def __init__(self, function: Callable[[K], V]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, key: K) -> V:
        value = self._function(key)
        if isinstance(key, str) and len(key) > 100:
            return value
        if len(self) >= MOST:
            self.clear()
        self[key] = value
        return value

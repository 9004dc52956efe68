"""Numbers by rank: how a call of the window compares with a call of the reference.

The score of a number is the share of reference calls below it plus half of those equal to it. Its mean over the window
is the probability of superiority (the Mann-Whitney statistic over n m): 0.5 where nothing changed, and bounded, so that
one huge number weighs no more than any other large one. Numbers in one logarithmic bin (2 % wide) count as equal.
Source: Brunner and Munzel, Biometrical Journal 42, 2000.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.profile import RELATIVE_ACCURACY, Floats, Profile, bin_values

Integers = NDArray[np.int64]

_BIN_RATIO = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY)


@dataclass(frozen=True)
class Counts:
    """Histograms of several blocks laid end to end: bin, count, and the place of the block."""

    bins: Integers
    counts: Floats
    block: Integers
    n: Floats

    @classmethod
    def of(cls, profiles: Sequence[Profile]) -> Counts:
        """The histograms of profiles of numbers."""
        histograms = [profile.histogram for profile in profiles]
        bins = np.concatenate([item[0] for item in histograms])
        counts = np.concatenate([item[1] for item in histograms])
        block = np.repeat(np.arange(len(profiles)), [len(item[0]) for item in histograms])
        return cls(bins, counts, block, np.maximum(np.bincount(block, counts, minlength=len(profiles)), 1.0))


class Ranks:
    """Scores against one reference."""

    def __init__(self, reference: Counts) -> None:
        self._lowest = int(reference.bins.min()) if len(reference.bins) else 0
        self.counts = np.bincount(reference.bins - self._lowest, reference.counts, minlength=1)
        self.bins = np.arange(self._lowest, self._lowest + len(self.counts))
        self._below = np.concatenate(([0.0], np.cumsum(self.counts)))
        self._total = max(float(self._below[-1]), 1.0)
        self._values = bin_values(self.bins) if self._lowest < 0 else None
        scores = self._score(self.bins)
        self.variance = max(0.0, float(self.counts @ (scores - 0.5) ** 2) / self._total)

    def _score(self, bins: Integers) -> Floats:
        place = bins - self._lowest
        last = len(self.counts)
        low = np.minimum(np.maximum(place, 0), last)
        high = np.minimum(np.maximum(place + 1, 0), last)
        scores: Floats = (self._below[low] + self._below[high]) / (2 * self._total)
        return scores

    def means(self, counts: Counts) -> Floats:
        """The mean score of each block."""
        scores = self._score(counts.bins)
        return np.bincount(counts.block, scores * counts.counts, minlength=len(counts.n)) / counts.n

    def variance_of(self, counts: Counts) -> float:
        """The variance of the scores of all calls in `counts` together."""
        scores = self._score(counts.bins)
        total = float(counts.counts.sum()) or 1.0
        mean = float(scores @ counts.counts) / total
        return max(0.0, float(counts.counts @ (scores - mean) ** 2) / total)

    @property
    def scale(self) -> float:
        """Mean size (absolute value) of the reference's numbers."""
        sizes = np.abs(bin_values(self.bins))
        return float(sizes @ self.counts) / self._total if len(sizes) else 0.0

    def mean_after(self, counts: Counts, relative: float) -> float:
        """Mean score of all calls if each number were larger by this relative amount (smaller where negative).

        Where numbers of both signs occur, the amount is relative to their mean size and is added instead.
        """
        total = float(counts.counts.sum()) or 1.0
        return float(self._scores_after(counts, relative) @ counts.counts) / total

    def means_after(self, counts: Counts, relative: float) -> Floats:
        """The mean score of each block after the same change."""
        scores = self._scores_after(counts, relative)
        return np.bincount(counts.block, scores * counts.counts, minlength=len(counts.n)) / counts.n

    def _scores_after(self, counts: Counts, relative: float) -> Floats:
        if self._values is not None:
            moved = bin_values(counts.bins) + relative * self.scale
            low = np.searchsorted(self._values, moved, side="left")
            high = np.searchsorted(self._values, moved, side="right")
            return (self._below[low] + self._below[high]) / (2 * self._total)
        steps = math.log1p(relative) / math.log(_BIN_RATIO)
        step = math.floor(steps) if steps < 0 else math.ceil(steps)
        return self._score(np.where(counts.bins > 0, np.maximum(counts.bins + step, 0), counts.bins))

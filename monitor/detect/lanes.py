"""What has been seen of all streams so far, and how far that is from the reference.

A stream is one number a row (a score, or whether something is the case), added up over the rows of a window. A lane is
a fading sum S <- (1 - a) S + s of the windows' sums s, with the fading sums of the rows (A), of the squared (B) and of
the cubed (C) weights of the rows beside it. That is all the state: four floats a lane, added to in each window.

Under no change, and over references as well as windows, S - A mu has the variance v (B + A^2 / N): the second part is
the error of a reference of N rows, which all windows share. So a lane measures against the reference and its error, and
a long memory does not turn that error into an alarm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from monitor.detect.limits import FADING
from monitor.profile import Floats

MIN_ROWS = 30
_TINY = 1e-60


@dataclass(frozen=True)
class Stream:
    """What the reference says of one stream, and its share of the column's false alarms.

    Scores: `mean`, `deviation`, `skewness` of a row, and the `step` between neighbouring scores. Counts: `hits`, the
    rows of the reference in which it was the case; `deviation` is then zero. `rises_only` leaves a fall unjudged.
    """

    column: str
    name: str
    weight: float
    rows: int
    mean: float = 0.0
    deviation: float = 0.0
    skewness: float = 0.0
    step: float = 0.0
    hits: float = 0.0
    rises_only: bool = False


class Lanes:
    """The fading sums of all streams."""

    def __init__(self, streams: list[Stream]) -> None:
        self._keep = 1 - FADING
        self._sums = np.zeros((4, len(streams), len(FADING)))
        self._rows = _of(streams, "rows")
        self._scored = _of(streams, "deviation")[:, 0] > 0
        self._mean, self._skewness, self._step = (_of(streams, name) for name in ("mean", "skewness", "step"))
        self._deviation = np.maximum(_of(streams, "deviation"), _TINY)
        self._hits = _of(streams, "hits")
        self._rises_only = np.array([stream.rises_only for stream in streams])

    def add(self, sums: Floats, rows: Floats) -> None:
        """Adds a window; a stream without rows in it stays as it is."""
        seen = rows > 0
        keep = np.stack([self._keep, self._keep, self._keep**2, self._keep**3])[:, None, :]
        news = np.stack([sums, rows, rows, rows])[:, :, None]
        self._sums = np.where(seen[None, :, None], self._sums * keep + news, self._sums)

    def forget(self, streams: NDArray[np.bool_]) -> None:
        """Starts these streams anew."""
        self._sums[:, streams] = 0.0

    @property
    def effective_rows(self) -> Floats:
        """Equally weighted rows that would say as much as each lane's: A^2 / B."""
        _, weight, squares, _ = self._sums
        return np.where(squares > 0, weight**2 / np.maximum(squares, _TINY), 0.0)

    def mean(self, stream: int, lane: int) -> float:
        """The weighted mean of a stream in a lane: the mean score, or the share."""
        total, weight = self._sums[:2, stream, lane]
        return float(total / weight) if weight else 0.0

    def evidence(self) -> Floats:
        """How far each lane of each stream is from the reference, as a standard normal value; 0 below 30 rows."""
        effective = self.effective_rows
        found = np.zeros(effective.shape)
        scored = self._scored
        found[scored] = self._of_scores(scored)
        found[~scored] = self._of_counts(~scored, effective[~scored])
        found[self._rises_only] = np.maximum(found[self._rises_only], 0.0)
        return np.where(effective >= MIN_ROWS, found, 0.0)

    def _of_scores(self, chosen: NDArray[np.bool_]) -> Floats:
        """Standardised, less half a step (continuity), then made normal by the skewness.

        That is g (C + 3 A B / N + 2 A^3 / N^2) / (B + A^2 / N)^1.5, g being a row's. The reference's part has the sign
        of the window's: where its mean came out low by chance, so did the deviation, which comes from the same rows (as
        in Student's t). Source of the normal value: Wilson and Hilferty, PNAS 17, 1931, for the gamma distribution.
        """
        total, weight, squares, cubes = self._sums[:, chosen]
        rows, deviation = self._rows[chosen], self._deviation[chosen]
        variance = np.maximum(squares + weight**2 / rows, _TINY)
        distance = (total - weight * self._mean[chosen]) / deviation
        half_step = 0.5 * self._step[chosen] / deviation * squares / np.maximum(weight, _TINY)
        distance = np.sign(distance) * np.maximum(np.abs(distance) - half_step, 0.0)
        third = cubes + 3 * weight * squares / rows + 2 * weight**3 / rows**2
        skewness = self._skewness[chosen] * third / variance**1.5
        return normal_of_skewed(distance / np.sqrt(variance), skewness)

    def _of_counts(self, chosen: NDArray[np.bool_], effective: Floats) -> Floats:
        total, weight, squares, _ = self._sums[:, chosen]
        hits = total * weight / np.maximum(squares, _TINY)
        return normal_of_counts(hits, effective, self._hits[chosen], self._rows[chosen])


def _of(streams: list[Stream], name: str) -> Floats:
    return np.array([[float(getattr(stream, name))] for stream in streams]).reshape(len(streams), 1)


def normal_of_skewed(value: Floats, skewness: Floats) -> Floats:
    """A standardised value of a gamma (Pearson III) distribution with this skewness, as a normal value."""
    curved = np.abs(skewness) > 1e-4
    gamma = np.where(curved, skewness, 1.0)
    sign = np.sign(gamma)
    shape = 4 / gamma**2
    ratio = np.maximum(1 + gamma * value / 2, 0.0)
    found = sign * 3 * np.sqrt(shape) * (np.cbrt(ratio) - 1 + 1 / (9 * shape))
    return np.where(curved, found, value)


def normal_of_counts(hits: Floats, rows: Floats, known_hits: Floats, known_rows: Floats) -> Floats:
    """How far two shares are from each other: the signed root of the likelihood ratio, with half a hit off.

    +-sqrt(2 sum O ln(O / E)) over the four cells. It stays normal far into the tail even with no hit in the reference:
    3 of 50 rows against 0 of 5,000 give z = 4.8, the exact (hypergeometric) probability is that of 4.76.
    """
    expected = rows * (hits + known_hits) / np.maximum(rows + known_rows, _TINY)
    gap = hits - expected
    hits = expected + np.sign(gap) * np.maximum(np.abs(gap) - 0.5, 0.0)
    misses, known_misses = np.maximum(rows - hits, 0.0), np.maximum(known_rows - known_hits, 0.0)
    share = (hits + known_hits) / np.maximum(rows + known_rows, _TINY)
    safe, rest, rows = np.maximum(share, _TINY), np.maximum(1 - share, _TINY), np.maximum(rows, _TINY)
    deviance = (
        xlogy(hits, hits / (rows * safe))
        + xlogy(misses, misses / (rows * rest))
        + xlogy(known_hits, known_hits / (known_rows * safe))
        + xlogy(known_misses, known_misses / (known_rows * rest))
    )
    root: Floats = np.sign(gap) * np.sqrt(2 * np.maximum(deviance, 0.0))
    return root

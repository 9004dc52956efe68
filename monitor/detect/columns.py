"""What is measured of a column: the streams that a window of it feeds."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from scipy.special import eval_legendre, ndtri

from monitor.detect.lanes import Stream
from monitor.errors import InputError
from monitor.profile import Floats

MIN_REFERENCE = 100
TAIL = 0.01
VALUES = 20
MISSING = "(missing)"
NEW = "(new)"
_SCORE_WEIGHTS = {"location": 0.5, "scale": 0.25, "asymmetry": 0.05, "peakedness": 0.05}
_COUNT_WEIGHTS = {"low tail": 0.05, "high tail": 0.05, "missing": 0.05}
_NEW_WEIGHT = 0.4


class NumberColumn:
    """A column of numbers, by the rank u of a row among the reference's rows (ties in their middle).

    Four scores a row: the normal score z = Phi^-1(u) for the location, (z^2 - 1) / sqrt 2 for the scale (Klotz),
    the Legendre polynomials P3 and P4 of 2u - 1 for asymmetry and peakedness; and three counts: below the reference's
    1st percentile, above its 99th, and missing (None or NaN). Ranks make all of it free of the column's distribution:
    skewed columns and single huge numbers do no harm, and a number beyond everything known is just the most extreme.
    Sources: van der Waerden 1952; Klotz, Annals of Mathematical Statistics 33, 1962; Neyman's smooth tests, 1937.
    """

    def __init__(self, name: str, values: Any) -> None:
        self._name = name
        numbers = self._numbers(values)
        rows = len(numbers)
        self._sorted = np.sort(numbers[~np.isnan(numbers)])
        self.rows = known = len(self._sorted)
        if known < MIN_REFERENCE:
            raise InputError(f"Column {name!r} has {known} values in the reference; {MIN_REFERENCE} are needed.")
        finite = self._sorted[np.isfinite(self._sorted)]
        self.mean = float(finite.mean()) if len(finite) else math.nan
        self.deviation = float(finite.std()) if len(finite) else math.nan
        self.low = float(self._sorted[math.floor(TAIL * known)])
        self.high = float(self._sorted[math.ceil((1 - TAIL) * known) - 1])
        places = np.arange(2 * known + 1) / 2
        below = int(np.searchsorted(self._sorted, self.low, "left"))
        upto = int(np.searchsorted(self._sorted, self.high, "right"))
        tails = np.column_stack([places <= below, places >= upto]).astype(np.float64)
        # A row of the reference is ranked among the others, as a new row is among all of them.
        own = _scores(self._places(self._sorted) / (2 * known))
        means, deviations = own.mean(axis=0), own.std(axis=0)
        deviations[deviations < 1e-9] = 0.0
        standard = (own - means) / np.where(deviations > 0, deviations, 1.0)
        self._table = np.column_stack([_scores((places + 0.5) / (known + 1)), tails])
        self.streams = [
            Stream(
                name,
                label,
                weight,
                known,
                mean=float(means[place]),
                deviation=float(deviations[place]),
                skewness=float((standard[:, place] ** 3).mean()),
                step=_step(own[:, place]),
            )
            for place, (label, weight) in enumerate(_SCORE_WEIGHTS.items())
        ]
        hits = (below, known - upto, rows - known)
        for (label, weight), hit, total in zip(_COUNT_WEIGHTS.items(), hits, (known, known, rows), strict=True):
            self.streams.append(Stream(name, label, weight, total, hits=hit))
        self._constant = np.array([deviation == 0 for deviation in deviations])

    def numbers(self, values: Any) -> Floats:
        """The window's values that are not missing."""
        numbers = self._numbers(values)
        return numbers[~np.isnan(numbers)]

    def measure(self, values: Any) -> tuple[Floats, Floats]:
        """The window's sum and rows for each stream."""
        numbers = self._numbers(values)
        present = numbers[~np.isnan(numbers)]
        found = self._table[self._places(present)].sum(axis=0)
        rows = np.full(len(self.streams), float(len(present)))
        rows[: len(self._constant)][self._constant] = 0.0
        rows[-1] = len(numbers)
        return np.append(found, float(len(numbers) - len(present))), rows

    def _places(self, values: Floats) -> Any:
        return np.searchsorted(self._sorted, values, "left") + np.searchsorted(self._sorted, values, "right")

    def _numbers(self, values: Any) -> Floats:
        try:
            return np.asarray(values, dtype=np.float64).ravel()
        except (TypeError, ValueError):
            raise InputError(f"Column {self._name!r} holds numbers in the reference and something else here.") from None


def _scores(ranks: Floats) -> Floats:
    normal = ndtri(ranks)
    middle = 2 * ranks - 1
    return np.column_stack([normal, (normal**2 - 1) / math.sqrt(2), eval_legendre(3, middle), eval_legendre(4, middle)])


def _step(scores: Floats) -> float:
    gaps = np.diff(np.unique(np.round(scores, 9)))
    return float(gaps.min()) if len(gaps) else 0.0


class CategoryColumn:
    """A column of names: how often each of the 20 most frequent occurs, and names never seen.

    What is missing (None or NaN) is a name of its own. A name that occurs once in the reference was new there, so the
    names that occur once are the reference's own count of new ones (Good and Turing): where new names are normal, as
    among identifiers, they do not alarm. The most frequent of many names are so partly by chance; that is why each gets
    an equal part of the allowance by the number of all names, not of 20.
    """

    def __init__(self, name: str, values: Any) -> None:
        counts = Counter(_names(values))
        self.rows = sum(counts.values())
        if self.rows < MIN_REFERENCE:
            raise InputError(f"Column {name!r} has {self.rows} rows in the reference; {MIN_REFERENCE} are needed.")
        frequent = [(value, count) for value, count in counts.most_common(VALUES) if count > 1]
        once = sum(1 for count in counts.values() if count == 1)
        self._places = {value: place for place, (value, _) in enumerate(frequent)}
        self._known = frozenset(counts)
        weight = (1 - _NEW_WEIGHT) / len(counts)
        self.streams = [Stream(name, value, weight, self.rows, hits=hits) for value, hits in frequent]
        self.streams.append(Stream(name, NEW, _NEW_WEIGHT, self.rows, hits=once, rises_only=True))

    def measure(self, values: Any) -> tuple[Floats, Floats]:
        """The window's sum and rows for each stream."""
        sums = np.zeros(len(self.streams))
        counts = Counter(_names(values))
        for value, count in counts.items():
            if value in self._places:
                sums[self._places[value]] = count
            elif value not in self._known:
                sums[-1] += count
        return sums, np.full(len(self.streams), float(sum(counts.values())))

    def new_names(self, values: Any) -> list[str]:
        """Names of the window that the reference does not hold, most frequent first."""
        counts = Counter(name for name in _names(values) if name not in self._known)
        return [name for name, _ in counts.most_common(VALUES)]


def _names(values: Any) -> list[str]:
    plain = values.tolist() if hasattr(values, "tolist") else list(values)
    return [MISSING if item is None or (isinstance(item, float) and math.isnan(item)) else str(item) for item in plain]


def column_of(name: str, values: Any) -> NumberColumn | CategoryColumn:
    """Numbers where every value is a number (or missing), names otherwise; flags are names."""
    kind = np.asarray(values).dtype.kind
    if kind in "iuf":
        return NumberColumn(name, values)
    plain = [item for item in np.asarray(values, dtype=object).ravel().tolist() if item is not None]
    if plain and all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in plain):
        return NumberColumn(name, [math.nan if item is None else item for item in np.asarray(values, dtype=object)])
    return CategoryColumn(name, values)

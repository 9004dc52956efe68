"""False alarms and windows to the alarm of `DriftMonitor`, with a plain EWMA chart in the same run.

23 columns (20 skewed, correlated numbers, 3 of categories), a reference of 5,000 rows. "false" counts windows with an
alarm where nothing changed; the others are the median windows to the first alarm of a changed column, three numeric
columns (or one of categories) being changed after ten healthy windows; "missed" is the share of those runs without an
alarm within 100 windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from monitor.detect import DriftMonitor
from tests.tables import CHANGES, LONGEST, SKEWED, Population, delays, false_alarms

WINDOWS = 5_000
REFERENCES = 10
RUNS = 31
SIZES = (50, 200, 1_000)


class EwmaChart:
    """The baseline: z of a window's mean, mean distance and shares, smoothed with weight 0.2, alarm beyond 4.5 sd."""

    WEIGHT = 0.2
    LIMIT = 4.5

    def __init__(self, reference: Mapping[str, Any]) -> None:
        self.alarmed: tuple[str, ...] = ()
        self._known: dict[str, Any] = {}
        self._smoothed: dict[str, Any] = {}
        self._windows: dict[str, int] = dict.fromkeys(reference, 0)
        for name, values in reference.items():
            self._known[name] = sorted(set(values)) if values.dtype == object else (values.mean(), values.std())
        self._moments = {name: self._rows(name, values) for name, values in reference.items()}

    def _rows(self, name: str, values: Any) -> tuple[Any, Any, int]:
        if values.dtype == object:
            shares = np.array([np.mean(values == known) for known in self._known[name]])
            means = np.append(shares, max(0.0, 1 - shares.sum()))
            return means, np.maximum(means * (1 - means), 1 / 5_000), len(values)
        mean, deviation = self._known[name]
        standard = (values - mean) / deviation
        rows = np.column_stack([standard, np.abs(standard)])
        return rows.mean(axis=0), rows.var(axis=0), len(values)

    def update(self, window: Mapping[str, Any]) -> None:
        """Adds a window."""
        alarmed = []
        for name, values in window.items():
            means, variances, rows = self._moments[name]
            now, _, n = self._rows(name, values)
            z = (now - means) / np.sqrt(variances * (1 / n + 1 / rows))
            self._windows[name] += 1
            smoothed = (1 - self.WEIGHT) * self._smoothed.get(name, 0.0) + self.WEIGHT * z
            fading = 1 - (1 - self.WEIGHT) ** (2 * self._windows[name])
            self._smoothed[name] = smoothed
            if np.any(np.abs(smoothed) > self.LIMIT * np.sqrt(self.WEIGHT / (2 - self.WEIGHT) * fading)):
                alarmed.append(name)
                self._smoothed[name], self._windows[name] = 0.0, 0
        self.alarmed = tuple(alarmed)


def measure(
    monitor_of: Callable[[Mapping[str, Any]], Any],
    name: str,
    rows: int,
    *,
    population: Population,
    windows: int = WINDOWS,
    runs: int = RUNS,
    seed: int = 1,
) -> dict[str, object]:
    """One line of the table."""
    row: dict[str, object] = {"monitor": name, "rows": rows}
    row["false"] = f"{false_alarms(monitor_of, population, rows, windows, seed, REFERENCES)} of {windows:,}"
    missed = total = 0
    for label, change in CHANGES.items():
        found = delays(monitor_of, population, rows, change, runs, seed)
        row[label] = float(np.median(found))
        missed += sum(window > LONGEST for window in found)
        total += len(found)
    row["missed"] = f"{missed} of {total}"
    return row


def run() -> list[dict[str, object]]:
    """The table at 50, 200 and 1,000 rows a window; takes some minutes."""
    population = Population.of(SKEWED)
    return [
        measure(monitor_of, name, rows, population=population)
        for rows in SIZES
        for name, monitor_of in (("baseline: EWMA chart", EwmaChart), ("DriftMonitor", DriftMonitor))
    ]

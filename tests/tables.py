"""Simulated tables for drift monitors: skewed, correlated columns of numbers, and categories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

Table = Mapping[str, Any]
GRID = np.linspace(-6, 6, 6001)
SKEWED = {
    "length": (stats.lognorm(0.6, scale=300), stats.lognorm(0.9, scale=800), stats.lognorm(1.2, scale=60)),
    "share": (stats.beta(2, 8), stats.beta(1, 12), stats.beta(0.6, 3)),
    "score": (stats.beta(6, 2), stats.beta(4, 4), stats.beta(9, 1.5)),
    "latency": (stats.gamma(2, scale=0.8), stats.gamma(1.2, scale=2), stats.lognorm(0.8, scale=1.5)),
}
SYMMETRIC = {"normal": (stats.norm(0, 1),)}
HEAVY = {"heavy": (stats.t(2), stats.pareto(1.5), stats.lognorm(2.0))}
TIED = {
    "grade": (stats.binom(4, 0.8), stats.poisson(0.02), stats.poisson(1.0)),
    "flag": (stats.bernoulli(0.01), stats.bernoulli(0.3), stats.geom(0.5)),
}
CATEGORIES = ((0.5, 0.3, 0.15, 0.05), (0.9, 0.06, 0.03, 0.01), tuple([0.1] * 9 + [0.04, 0.03, 0.02, 0.01]))


@dataclass(frozen=True)
class Population:
    """Where rows come from: numeric columns joined by a Gaussian copula of two factors, and independent categories."""

    names: tuple[str, ...]
    quantiles: np.ndarray[Any, Any]
    loadings: np.ndarray[Any, Any]
    own: np.ndarray[Any, Any]
    deviations: np.ndarray[Any, Any]
    means: np.ndarray[Any, Any]

    @classmethod
    def of(cls, families: Mapping[str, Any], columns: int = 20, seed: int = 0) -> Population:
        """So many columns, the families' distributions in turn; correlations of normal scores up to about 0.7."""
        chance = np.random.default_rng(seed)
        chosen = [
            (f"{family}_{place}", members[place % len(members)])
            for place in range(columns)
            for family, members in families.items()
        ][:columns]
        loadings = chance.uniform(0.2, 0.6, (2, columns)) * chance.choice([-1, 1], (2, columns))
        quantiles = np.stack([distribution.ppf(stats.norm.cdf(GRID)) for _, distribution in chosen])
        weights = np.diff(stats.norm.cdf(GRID), prepend=0.0)
        means = quantiles @ weights
        deviations = np.sqrt(((quantiles - means[:, None]) ** 2) @ weights)
        return cls(
            tuple(name for name, _ in chosen),
            quantiles,
            loadings,
            np.sqrt(1 - (loadings**2).sum(axis=0)),
            deviations,
            means,
        )

    def draw(self, chance: np.random.Generator, rows: int) -> dict[str, Any]:
        """A table of so many independent rows."""
        factors = chance.standard_normal((rows, 2))
        normal = factors @ self.loadings + self.own * chance.standard_normal((rows, len(self.names)))
        table: dict[str, Any] = {
            name: np.interp(normal[:, place], GRID, self.quantiles[place])
            if "grade" not in name and "flag" not in name
            else self.quantiles[place][np.searchsorted(GRID, normal[:, place]).clip(0, len(GRID) - 1)]
            for place, name in enumerate(self.names)
        }
        for place, shares in enumerate(CATEGORIES):
            edges = np.cumsum(shares)[:-1]
            table[f"category_{place}"] = NAMES[np.searchsorted(edges, chance.random(rows), side="right")]
        return table


NAMES = np.array([f"value {place}" for place in range(20)], dtype=object)
Change = Callable[[Population, np.random.Generator, dict[str, Any], list[int]], None]


def shifted(by: float) -> Change:
    """Adds so many standard deviations to the chosen columns."""

    def change(population: Population, chance: np.random.Generator, table: dict[str, Any], columns: list[int]) -> None:
        for place in columns:
            table[population.names[place]] = table[population.names[place]] + by * population.deviations[place]

    return change


def scaled(by: float) -> Change:
    """Multiplies the distance from the mean in the chosen columns."""

    def change(population: Population, chance: np.random.Generator, table: dict[str, Any], columns: list[int]) -> None:
        for place in columns:
            mean = population.means[place]
            table[population.names[place]] = mean + by * (table[population.names[place]] - mean)

    return change


def renamed(share: float) -> Change:
    """Gives this share of the rows of one categorical column a name never seen."""

    def change(population: Population, chance: np.random.Generator, table: dict[str, Any], columns: list[int]) -> None:
        table["category_0"][chance.random(len(table["category_0"])) < share] = "never seen"

    return change


CHANGES: dict[str, Change] = {
    "0.1 sd": shifted(0.1),
    "0.2 sd": shifted(0.2),
    "0.3 sd": shifted(0.3),
    "0.5 sd": shifted(0.5),
    "scale x1.2": scaled(1.2),
    "new 5%": renamed(0.05),
}
REFERENCE_ROWS = 5_000
HEALTHY_WINDOWS = 10
LONGEST = 100


def false_alarms(monitor_of: Any, population: Population, rows: int, windows: int, seed: int, references: int) -> int:
    """Windows with an alarm, of so many without change, shared among several references."""
    found = 0
    for run in range(references):
        chance = np.random.default_rng([seed, rows, run])
        monitor = monitor_of(population.draw(chance, REFERENCE_ROWS))
        for _ in range(windows // references):
            monitor.update(population.draw(chance, rows))
            found += bool(monitor.alarmed)
    return found


def delays(monitor_of: Any, population: Population, rows: int, change: Change, runs: int, seed: int) -> list[int]:
    """Windows from the change to the first alarm of a changed column, 101 where there was none within 100.

    Ten windows pass before the change; each run has its own reference and its own three columns.
    """
    found = []
    for run in range(runs):
        chance = np.random.default_rng([seed, rows, run])
        monitor = monitor_of(population.draw(chance, REFERENCE_ROWS))
        columns = chance.choice(len(population.names), 3, replace=False).tolist()
        names = {population.names[place] for place in columns}
        for _ in range(HEALTHY_WINDOWS):
            monitor.update(population.draw(chance, rows))
        for window in range(1, LONGEST + 2):
            table = population.draw(chance, rows)
            change(population, chance, table, columns)
            monitor.update(table)
            touched = {"category_0"} if "never seen" in table["category_0"] else names
            if window > LONGEST or touched & set(monitor.alarmed):
                found.append(window)
                break
    return found

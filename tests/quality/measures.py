"""Figures of quality with their intervals."""

from __future__ import annotations

import gzip
import json
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).parent.parent / "data"


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a packaged sample, `tests/data/NAME.jsonl.gz`."""
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def auc(scores: Iterable[tuple[float, bool]]) -> float:
    """Chance that a row that is wanted scores above one that is not; ties count half (Mann-Whitney)."""
    wanted: list[float] = []
    others: list[float] = []
    for score, is_wanted in scores:
        (wanted if is_wanted else others).append(score)
    return _above(wanted, others)


def _above(wanted: Sequence[float], others: Sequence[float]) -> float:
    if not wanted or not others:
        return math.nan
    against = np.sort(others)
    below, not_above = np.searchsorted(against, wanted, "left"), np.searchsorted(against, wanted, "right")
    return float((below + not_above).sum() / 2 / (len(wanted) * len(others)))


def auc_within(scores: Iterable[tuple[float, bool, int]]) -> tuple[float, dict[int, tuple[float, int, int]]]:
    """The AUC within bins, so that what the bins hold constant cannot help; and for each bin its AUC and both counts.

    Bins count by their smaller side: the pairs that can be matched one to one.
    """
    bins: dict[int, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for score, is_wanted, place in scores:
        bins[place][0 if is_wanted else 1].append(score)
    found = {
        place: (_above(wanted, others), len(wanted), len(others))
        for place, (wanted, others) in sorted(bins.items())
        if wanted and others
    }
    weights = {place: min(one, other) for place, (_, one, other) in found.items()}
    total = sum(weights.values())
    if not total:
        return math.nan, {}
    return sum(found[place][0] * weight for place, weight in weights.items()) / total, found


def share(hits: int, n: int) -> tuple[float, float, float]:
    """A share with its 95% interval (Wilson 1927)."""
    if not n:
        return math.nan, 0.0, 1.0
    z = 1.959964
    value = hits / n
    centre = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return value, centre - half, centre + half


def bootstrap(
    clusters: Mapping[str, Sequence[Any]], measure: Callable[[list[Any]], float], runs: int = 200
) -> tuple[float, float, float]:
    """A measure of all rows with its 95% interval, from drawing clusters of rows anew (percentiles; fixed seed)."""
    generator = random.Random(11)
    names = list(clusters)
    value = measure([row for name in names for row in clusters[name]])
    drawn = sorted(
        measure([row for name in generator.choices(names, k=len(names)) for row in clusters[name]]) for _ in range(runs)
    )
    return value, drawn[int(0.025 * runs)], drawn[int(0.975 * runs) - 1]

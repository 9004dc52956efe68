"""Two profiles side by side: the same readable bins for both, as shares of their own calls."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from monitor import wording
from monitor.contracts import Kind
from monitor.profile import OTHER, Profile, bin_value

MAX_CATEGORIES = 12
_STEPS = (1, 2, 5)
_WANTED_BINS = 16


@dataclass(frozen=True)
class Bars:
    """Shares of the calls before and after, one for each label."""

    labels: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]


def compare(before: Profile, after: Profile) -> Bars | None:
    """Comparable bars of two profiles of one kind; None where there is nothing to show (vectors, no calls)."""
    if not before.n and not after.n:
        return None
    if after.kind is Kind.FLAG:
        return Bars(("yes", "no"), _flag(before), _flag(after))
    if after.kind is Kind.CATEGORY:
        return _categories(before, after)
    if after.kind is Kind.NUMBER:
        return _numbers(before, after)
    return None


def _flag(profile: Profile) -> tuple[float, ...]:
    share = profile.mean
    return (0.0, 0.0) if share is None else (share, 1 - share)


def _categories(before: Profile, after: Profile) -> Bars:
    first, second = before.shares(), after.shares()
    names = sorted({*first, *second}, key=lambda name: (-(first.get(name, 0) + second.get(name, 0)), name))
    shown = [name for name in names if name != OTHER][:MAX_CATEGORIES]
    columns = [([shares.get(name, 0.0) for name in shown], shares) for shares in (first, second)]
    if len(shown) < len(names):
        shown.append(OTHER)
        for values, shares in columns:
            values.append(max(sum(shares.values()) - sum(values), 0.0))
    return Bars(tuple(shown), tuple(columns[0][0]), tuple(columns[1][0]))


def _numbers(before: Profile, after: Profile) -> Bars | None:
    values = [sorted((bin_value(index), count) for index, count in profile.bins.items()) for profile in (before, after)]
    every = [value for side in values for value, _count in side]
    if not every:
        return None
    edges = _edges(min(every), max(every))
    shares = []
    for side in values:
        counts = [0] * (len(edges) - 1)
        for value, count in side:
            counts[_place(edges, value)] += count
        total = sum(counts) or 1
        shares.append([count / total for count in counts])
    labels = [_label(low, high) for low, high in itertools.pairwise(edges)]
    return Bars(tuple(labels), tuple(shares[0]), tuple(shares[1]))


def _edges(low: float, high: float) -> list[float]:
    """Round edges: equal steps for a narrow range or one with negative values, else 1, 2, 5, 10, 20, 50 ..."""
    if low >= 0 and high >= 20 and (low == 0 or high / low > 20):
        first = math.floor(math.log10(max(low, 1.0)))
        last = math.ceil(math.log10(high)) + 1
        ladder = [step * 10.0**power for power in range(first, last) for step in _STEPS]
        inside = [edge for edge in ladder if low < edge <= high * 1.02]
        start = 0.0 if low < 1 else max((edge for edge in ladder if edge <= low), default=0.0)
        end = next((edge for edge in ladder if edge > high * 1.02), high * 2)
        return sorted({start, *inside, end})
    span = high - low
    if span <= 0:
        span = abs(low) or 1.0
    rough = span / _WANTED_BINS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((factor * power for factor in (1, 2, 5, 10) if factor * power >= rough), 10 * power)
    first_step = math.floor(low / step)
    last_step = max(math.floor(high / step) + 1, first_step + 1)
    return [round(index * step, 12) for index in range(first_step, last_step + 1)]


def _place(edges: Sequence[float], value: float) -> int:
    for position in range(len(edges) - 2, 0, -1):
        if value >= edges[position]:
            return position
    return 0


def _label(low: float, high: float) -> str:
    if high - low == 1 and low == round(low):
        return wording.number(low)
    return f"{wording.number(low)}–{wording.number(high)}"

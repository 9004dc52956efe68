"""What a scan works with: the sums of every user's values over the whole range, by what may set users apart."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from monitor.contracts import Kind, SignalValue
from monitor.profile import OTHER, Floats
from monitor.signals import registry

Integers = NDArray[np.int64]
UNKNOWN = (OTHER, "und", None)
Key = tuple[bytes, tuple[str | None, ...]]


EVERY_CALL = "calls"


def values_of(
    signals: Mapping[str, SignalValue], said: Iterable[tuple[str, Kind, SignalValue]]
) -> dict[str, tuple[Kind, float]]:
    """Flags and numbers of a call and of the feedback on it; several of one name are averaged."""
    declared = registry()
    found: dict[str, tuple[Kind, float]] = {}
    for name, value in signals.items():
        signal = declared.get(name)
        if signal is None or name == EVERY_CALL or not isinstance(value, bool | int | float):
            continue
        if signal.kind in (Kind.FLAG, Kind.NUMBER):
            found[name] = (signal.kind, float(value))
    several: dict[tuple[str, Kind], list[float]] = defaultdict(list)
    for name, kind, value in said:
        if kind in (Kind.FLAG, Kind.NUMBER) and isinstance(value, bool | int | float):
            several[name, kind].append(float(value))
    return found | {name: (kind, sum(given) / len(given)) for (name, kind), given in several.items()}


@dataclass
class _Sums:
    kind: Kind
    total: array[float] = field(default_factory=lambda: array("d"))
    count: array[int] = field(default_factory=lambda: array("l"))

    def add(self, unit: int, value: float) -> None:
        short = unit + 1 - len(self.total)
        if short > 0:
            self.total.frombytes(bytes(8 * short))
            self.count.frombytes(bytes(self.count.itemsize * short))
        self.total[unit] += value
        self.count[unit] += 1


@dataclass(frozen=True)
class Sides:
    """Each user once: its group and stratum as numbers, the names of the groups, and how to take a user's mean."""

    groups: Integers
    strata: Integers
    names: list[str]
    unit_user: Integers
    sizes: dict[str, int]


class UserValues:
    """Sums of values by user and by the values of all `dimensions` of the user's calls. Memory grows with users."""

    def __init__(self, dimensions: Sequence[str]) -> None:
        self.dimensions = tuple(dimensions)
        self.calls = 0
        self._units: dict[Key, int] = {}
        self._users: dict[bytes, int] = {}
        self._unit_user = array("l")
        self._unit_calls = array("l")
        self._sums: dict[str, _Sums] = {}

    @property
    def users(self) -> int:
        """How many users were seen."""
        return len(self._users)

    @property
    def kinds(self) -> dict[str, Kind]:
        """The signals that were seen."""
        return {name: sums.kind for name, sums in self._sums.items()}

    def add(self, user: bytes, values: tuple[str | None, ...], measured: Mapping[str, tuple[Kind, float]]) -> None:
        """One call: its user, its value in each dimension, its flags and numbers."""
        unit = self._units.setdefault((user, values), len(self._units))
        if unit == len(self._unit_user):
            self._unit_user.append(self._users.setdefault(user, len(self._users)))
            self._unit_calls.append(0)
        self._unit_calls[unit] += 1
        self.calls += 1
        for name, (kind, value) in measured.items():
            sums = self._sums.get(name)
            if sums is None:
                sums = self._sums[name] = _Sums(kind)
            if sums.kind is kind:
                sums.add(unit, value)

    def sides(self, dimension: str, strata: Sequence[str]) -> Sides:
        """Users by their group in a dimension (or a pair), and by the stratum of most of their calls in that group.

        A user belongs to the group of most of the user's calls, and counts with those alone. Users without a group
        have -1.
        """
        codes, names = self._codes(dimension.split("+"))
        layers, _ = self._codes(tuple(strata), unknown=True) if strata else (np.zeros(len(codes), dtype=np.int64), [])
        unit_user = np.array(self._unit_user, dtype=np.int64)
        unit_calls = np.array(self._unit_calls, dtype=np.int64)
        known = codes >= 0
        groups = _usual(unit_user, np.where(known, codes, 0), np.where(known, unit_calls, 0), self.users)
        kept = known & (codes == groups[unit_user])
        chosen = np.where(kept, unit_user, -1)
        usual = _usual(unit_user, layers, np.where(kept, unit_calls, 0), self.users)
        counted = np.bincount(groups[groups >= 0], minlength=len(names))
        return Sides(groups, usual, names, chosen, {name: int(n) for name, n in zip(names, counted, strict=True)})

    def means(self, signal: str, sides: Sides) -> tuple[Floats, NDArray[np.bool_]]:
        """Each user's mean of a signal over the calls in the user's group, and which users have one."""
        sums = self._sums[signal]
        kept = sides.unit_user[: len(sums.total)]
        inside = kept >= 0
        total = np.bincount(kept[inside], weights=np.array(sums.total)[inside], minlength=self.users)
        count = np.bincount(kept[inside], weights=np.array(sums.count)[inside], minlength=self.users)
        there = count > 0
        return np.divide(total, count, out=np.zeros_like(total), where=there), there

    def _codes(self, names: Sequence[str], *, unknown: bool = False) -> tuple[Integers, list[str]]:
        """A number for each unit's value; -1 where a part is missing, unless `unknown` is a value like any other."""
        places = [self.dimensions.index(name) for name in names]
        known: dict[str, int] = {}
        codes = np.full(len(self._units), -1, dtype=np.int64)

        @cache
        def code(parts: tuple[str | None, ...]) -> int:
            if not unknown and any(part in UNKNOWN for part in parts):
                return -1
            return known.setdefault(" + ".join(part or "" for part in parts), len(known))

        for (_user, values), unit in self._units.items():
            codes[unit] = code(tuple(values[place] for place in places))
        return codes, list(known)


def _usual(users: Integers, codes: Integers, calls: Integers, count: int) -> Integers:
    """Of each user the code with most calls (the smallest of several); -1 where there are no calls."""
    width = int(codes.max(initial=0)) + 1
    pairs, place = np.unique(users * width + codes, return_inverse=True)
    sizes = np.bincount(place, weights=calls, minlength=len(pairs))
    order = np.lexsort((-(pairs % width), sizes))
    result = np.full(count, -1, dtype=np.int64)
    ordered = order[sizes[order] > 0]
    result[pairs[ordered] // width] = pairs[ordered] % width  # the last one written wins: the largest
    return result

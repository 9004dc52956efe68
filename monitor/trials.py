"""A/B: two variants (prompt versions, models, any dimension) compared on every signal, one value a user.

Reads calls, not profiles: a user who came on five days must count once. A range of time is read day by day, so memory
grows with users, not with calls. `monitor.stats.variants` has the statistics.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from monitor.clock import BlockLength, block_start
from monitor.contracts import Kind, Segment, Signal
from monitor.errors import InputError
from monitor.fairness.values import values_of
from monitor.profiles.calls import read_calls
from monitor.profiles.segments import dimensions
from monitor.settings import Settings
from monitor.signals import asked_weight, describe, registry
from monitor.stats.variants import LEVEL, MIN_USERS, Difference, Side, compare_variants
from monitor.store import Store

MAX_CALLS = 500_000
ADJUSTED_FOR = ("feature", "language")
_DAY = timedelta(days=1)
_LEAST_IN_CELL = 5
_MIX_APART = 0.1
_TOGETHER = 0.5
_SHARED_USERS = 0.05

Cell = tuple[str | None, ...]


@dataclass(frozen=True)
class Call:
    """What a trial needs of one call: the day, the user, the values of the dimension and of those adjusted for."""

    day: int
    user: bytes
    variant: str
    cell: Cell
    values: Mapping[str, tuple[Kind, float]]


@dataclass(frozen=True)
class Compared:
    """One signal: users and means of both variants, the second less the first, and the same as if both had been asked
    by the same mix of features and languages (None where no cell has enough users on both sides)."""

    signal: Signal
    first: Side
    second: Side
    difference: Difference
    standardised: Difference | None


@dataclass(frozen=True)
class Trial:
    """The comparison; signals with a decision first. `warnings` say what speaks against reading it as cause."""

    dimension: str
    first: str
    second: str
    calls: tuple[int, int]
    users: tuple[int, int]
    compared: tuple[Compared, ...]
    warnings: tuple[str, ...]


class _Sums:
    """Sums of each user's values: by signal, variant and user."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.days: dict[str, Counter[int]] = defaultdict(Counter)
        self.kinds: dict[str, Kind] = {}
        self.cells: dict[tuple[str, bytes], Counter[Cell]] = defaultdict(Counter)
        self.sums: dict[tuple[str, str], dict[bytes, list[float]]] = defaultdict(dict)

    def add(self, call: Call) -> None:
        self.calls[call.variant] += 1
        self.days[call.variant][call.day] += 1
        self.cells[call.variant, call.user][call.cell] += 1
        for name, (kind, value) in call.values.items():
            if self.kinds.setdefault(name, kind) is not kind:
                continue
            entry = self.sums[name, call.variant].setdefault(call.user, [0.0, 0.0])
            entry[0] += value
            entry[1] += 1

    def users(self, variant: str) -> set[bytes]:
        return {user for side, user in self.cells if side == variant}


def trial_of_store(
    store: Store,
    settings: Settings,
    project_id: int,
    *,
    dimension: str,
    first: str,
    second: str,
    start: datetime,
    end: datetime,
    day_done: Callable[[int], None] = lambda _: None,
) -> Trial:
    """Compares two values of a dimension over the calls that began in [start, end).

    Raises InputError for a dimension that calls are not sliced by, two equal variants, a variant without calls, or more
    than 500,000 calls of both.
    """
    known_dimensions = dimensions(settings)
    if dimension not in known_dimensions:
        raise InputError(f"Calls are not sliced by {dimension!r}; there are {', '.join(known_dimensions)}.")
    sums = _Sums()
    wanted = (dimension, *(name for name in ADJUSTED_FOR if name != dimension))
    day = block_start(start, BlockLength.DAY)
    while day < end:
        known: dict[str, set[str]] = {name: set() for name in wanted}
        known[dimension] = {first, second}
        with store.read() as connection:
            found = read_calls(
                connection, project_id, max(day, start), min(day + _DAY, end), dimensions=wanted, known=known
            ).calls
        for item in found:
            cells = {segment.dimension: segment.value for segment in item.segments}
            if cells.get(dimension) in (first, second):
                cell = tuple(cells.get(name) for name in wanted[1:])
                values = values_of(item.signals, item.feedback)
                sums.add(Call(day.toordinal(), item.user, cells[dimension], cell, values))
        if sums.calls.total() > MAX_CALLS:
            raise InputError(f"Both variants have more than {MAX_CALLS:,} calls in the range; choose a shorter one.")
        day += _DAY
        day_done(day.toordinal())
    return _judged(sums, dimension, first, second)


def trial_of_calls(calls: Iterable[Call], *, dimension: str, first: str, second: str) -> Trial:
    """The same for calls from elsewhere, such as a file; those of other variants are passed over."""
    sums = _Sums()
    for call in calls:
        if call.variant in (first, second):
            sums.add(call)
    return _judged(sums, dimension, first, second)


def _judged(sums: _Sums, dimension: str, first: str, second: str) -> Trial:
    if first == second:
        raise InputError("The two variants are the same.")
    for variant in (first, second):
        if not sums.calls[variant]:
            raise InputError(f"No call of the range has {dimension} {variant!r}.")
    declared = registry()
    signals = [
        known if (known := declared.get(name)) is not None and known.kind is kind else describe(name, kind)
        for name, kind in sums.kinds.items()
        if sums.sums.get((name, first)) and sums.sums.get((name, second))
    ]
    weight = sum(map(asked_weight, signals))
    usual = {(variant, user): cells.most_common(1)[0][0] for (variant, user), cells in sums.cells.items()}
    compared = [
        _compare(sums, usual, signal, (first, second), LEVEL * asked_weight(signal) / weight) for signal in signals
    ]
    return Trial(
        dimension=dimension,
        first=first,
        second=second,
        calls=(sums.calls[first], sums.calls[second]),
        users=(len(sums.users(first)), len(sums.users(second))),
        compared=tuple(sorted(compared, key=_rank)),
        warnings=tuple(_warnings(sums, usual, first, second)),
    )


def _rank(item: Compared) -> tuple[int, bool, float, str]:
    order = ("worse", "better", "different", "undecided", "same", "too_few")
    scale = max(item.difference.relevant, 1e-12)
    repeats = item.signal.weight == 0  # another signal says the same in one figure
    return order.index(item.difference.decision), repeats, -abs(item.difference.effect) / scale, item.signal.name


def _compare(
    sums: _Sums, usual: Mapping[tuple[str, bytes], Cell], signal: Signal, variants: tuple[str, str], level: float
) -> Compared:
    means = {
        variant: {user: total / n for user, (total, n) in sums.sums[signal.name, variant].items()}
        for variant in variants
    }
    one, two = (Side.of(np.array(list(means[variant].values()))) for variant in variants)
    relevant = signal.relevant_change * (abs(one.mean) if signal.kind is Kind.NUMBER else 1.0)
    return Compared(
        signal,
        one,
        two,
        compare_variants(one, two, relevant, signal.good, level),
        _standardised(
            means, usual, lambda before, after: compare_variants(before, after, relevant, signal.good, level)
        ),
    )


def _standardised(
    means: Mapping[str, Mapping[bytes, float]],
    usual: Mapping[tuple[str, bytes], Cell],
    compared: Callable[[Side, Side], Difference],
) -> Difference | None:
    """Each cell's own difference, weighted by the users of both variants in it.

    Cells with fewer than five users on a side are left out; None where there is one cell only.
    """
    cells: dict[Cell, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for side, variant in enumerate(means):
        for user, value in means[variant].items():
            cells[usual[variant, user]][side].append(value)
    usable = [pair for pair in cells.values() if min(map(len, pair)) >= _LEAST_IN_CELL]
    if len(cells) < 2 or not usable:
        return None
    weights = np.array([len(one) + len(two) for one, two in usable], dtype=np.float64)
    weights /= weights.sum()
    sides: list[Side] = []
    for side in (0, 1):
        values = [np.array(pair[side]) for pair in usable]
        users = sum(map(len, values))
        mean = float(weights @ [value.mean() for value in values])
        error = float(weights**2 @ [value.var(ddof=1) / len(value) for value in values])
        sides.append(Side(users, mean, error * users))
    return compared(sides[0], sides[1])


def _warnings(sums: _Sums, usual: Mapping[tuple[str, bytes], Cell], first: str, second: str) -> Iterable[str]:
    one, two = sums.days[first], sums.days[second]
    together = [
        sum(n for day, n in side.items() if day in other) / side.total() for side, other in ((one, two), (two, one))
    ]
    if min(together) < _TOGETHER:
        yield (
            "The variants ran on different days: whatever else changed between them is in the difference, too. "
            "Run both at the same time to know what the variant itself does."
        )
    here, there = sums.users(first), sums.users(second)
    both = len(here & there) / max(min(len(here), len(there)), 1)
    if both > _SHARED_USERS:
        yield (
            f"{both:.0%} of the users of the smaller variant met both: they count on either side, and what they saw of "
            "one may colour what they think of the other. Users should stay with one variant."
        )
    apart = _mix_apart(usual, first, second)
    if apart > _MIX_APART:
        yield (
            f"The mixes of features and languages differ by {apart:.0%}: read the standardised differences, which "
            "compare like with like."
        )
    if min(len(here), len(there)) < MIN_USERS:
        yield f"Fewer than {MIN_USERS} users on a side: no decision yet, whatever the figures."


def _mix_apart(usual: Mapping[tuple[str, bytes], Cell], first: str, second: str) -> float:
    """Total variation between the two mixes of cells: the share of users that would have to be others."""
    counts = {
        variant: Counter(cell for (side, _), cell in usual.items() if side == variant) for variant in (first, second)
    }
    cells = {*counts[first], *counts[second]}
    return (
        sum(
            abs(counts[first][cell] / counts[first].total() - counts[second][cell] / counts[second].total())
            for cell in cells
        )
        / 2
    )


def in_words(item: Compared, first: str, second: str) -> str:
    """The decision as a sentence."""
    from monitor import wording

    found = item.difference
    what = f"{item.signal.title}: {second}"
    before, after = (wording.format_value(item.signal, side.mean) for side in (item.first, item.second))
    figures = f"{after} against {before} of {first}"
    if found.decision == "too_few":
        return (
            f"{item.signal.title}: too early, {wording.plural(found.missing or 0, 'more user')} needed to begin with."
        )
    if found.decision == "undecided":
        missing = (
            f"about {wording.plural(found.missing, 'more user')} will decide it, as things look now"
            if found.missing is not None
            else "no number of users that can be foreseen will decide it"
        )
        return f"{what} has {figures}; undecided: {missing}."
    if found.decision == "same":
        return f"{what} has {figures}: no difference that matters."
    word = {"better": "is better", "worse": "is worse", "different": "differs"}[found.decision]
    return f"{what} {word}: {figures}."


def segment_of(trial: Trial, second: bool) -> Segment:
    """The segment of one of the variants, for links to its calls."""
    return Segment(trial.dimension, trial.second if second else trial.first)

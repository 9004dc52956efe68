"""The profile: mergeable aggregate of one signal in one block and segment.

The unit of statistics is the user within a block: beside the sums over calls, a profile keeps sums over users of the
user's own mean, so that a heavy user counts once and dependence within a user does no harm. Merging two profiles adds
them; users of different blocks then count as different units, which is what the detectors need.

What `sketch` holds depends on the kind: for numbers, counts in logarithmic bins of relative width 2 % (the mapping of
DDSketch, Masson, Rim and Lee, VLDB 2019: any quantile is off by at most 1 % of its value); for categories, the largest
values with their counts and user-share sums; for vectors, the sum and the sum of squares of the users' mean vectors.
Of one call its value says everything, so that thin traffic, where most profiles are of one call, costs little.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.contracts import Kind, SignalValue
from monitor.vectors import decode_vector, encode_vector

Floats = NDArray[np.float64]

RELATIVE_ACCURACY = 0.01
_LOG_GAMMA = math.log((1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY))
_SMALLEST = 1e-9
_OFFSET = math.ceil(-math.log(_SMALLEST) / _LOG_GAMMA) + 1
OTHER = "(other)"
MAX_CATEGORIES = 60
_VECTOR_STEPS = 2**15 - 1


def bin_of(value: float) -> int:
    """The signed logarithmic bin of a number; 0 for anything nearer to zero than 1e-9."""
    size = abs(value)
    if size < _SMALLEST:
        return 0
    index = _OFFSET + math.ceil(math.log(size) / _LOG_GAMMA)
    return index if value > 0 else -index


def bins_of(values: Floats) -> NDArray[np.int64]:
    """The bins of many numbers at once, as `bin_of` has them."""
    size = np.abs(values)
    near_zero = size < _SMALLEST
    index = _OFFSET + np.ceil(np.log(np.where(near_zero, 1.0, size)) / _LOG_GAMMA)
    return np.where(near_zero, 0, np.where(values > 0, index, -index)).astype(np.int64)


def bin_value(index: int) -> float:
    """The number that stands for a bin: within 1 % of every number in it."""
    if index == 0:
        return 0.0
    gamma = math.exp(_LOG_GAMMA)
    size = 2 * math.exp((abs(index) - _OFFSET) * _LOG_GAMMA) / (gamma + 1)
    return size if index > 0 else -size


def bin_values(indices: NDArray[np.int64]) -> Floats:
    """The numbers that stand for many bins, as `bin_value` has them."""
    gamma = math.exp(_LOG_GAMMA)
    size = 2 * np.exp((np.abs(indices) - _OFFSET) * _LOG_GAMMA) / (gamma + 1)
    return np.where(indices == 0, 0.0, np.where(indices > 0, size, -size))


@dataclass
class CategoryCount:
    """One value of a category: calls, and the sum and sum of squares of its share among each user's calls."""

    calls: int = 0
    share: float = 0.0
    share_square: float = 0.0


@dataclass
class Profile:
    """Sums of one signal. For flags `total` is the number of calls where it is set."""

    kind: Kind
    n: int = 0
    users: int = 0
    total: float = 0.0
    total_square: float = 0.0
    user_total: float = 0.0
    user_total_square: float = 0.0
    bins: dict[int, int] = field(default_factory=dict)
    categories: dict[str, CategoryCount] = field(default_factory=dict)
    vector: Floats | None = None
    vector_square: Floats | None = None

    @classmethod
    def of(cls, kind: Kind, values_by_user: Iterable[Sequence[SignalValue]]) -> Profile:
        """The profile of a block from the values of each user; users without a value are left out."""
        profile = cls(kind)
        for values in values_by_user:
            if values:
                profile._add_user(values)
        return profile

    def _add_user(self, values: Sequence[SignalValue]) -> None:
        count = len(values)
        self.n += count
        self.users += 1
        if self.kind is Kind.CATEGORY:
            counts: dict[str, int] = {}
            for value in values:
                counts[str(value)] = counts.get(str(value), 0) + 1
            for name, calls in counts.items():
                entry = self.categories.setdefault(name, CategoryCount())
                share = calls / count
                entry.calls += calls
                entry.share += share
                entry.share_square += share * share
        elif self.kind is Kind.VECTOR:
            mean = np.mean(np.asarray(values, dtype=np.float64), axis=0)
            self.vector = mean if self.vector is None else self.vector + mean
            self.vector_square = mean**2 if self.vector_square is None else self.vector_square + mean**2
        else:
            numbers = [float(value) for value in values]  # type: ignore[arg-type]
            total = math.fsum(numbers)
            self.total += total
            self.total_square += math.fsum(number * number for number in numbers)
            mean_value = total / count
            self.user_total += mean_value
            self.user_total_square += mean_value * mean_value
            if self.kind is Kind.NUMBER:
                for number in numbers:
                    index = bin_of(number)
                    self.bins[index] = self.bins.get(index, 0) + 1

    def merge(self, other: Profile) -> Profile:
        """The profile of both together. Raises ValueError for profiles of different kinds."""
        return merge((self, other), self.kind)

    @property
    def mean(self) -> float | None:
        """Mean over calls; for flags the share of calls where it is set."""
        return self.total / self.n if self.n and self.kind in (Kind.NUMBER, Kind.FLAG) else None

    @property
    def user_mean(self) -> float | None:
        """Mean over users of the user's own mean."""
        return self.user_total / self.users if self.users and self.kind in (Kind.NUMBER, Kind.FLAG) else None

    @property
    def user_variance(self) -> float | None:
        """Sample variance between users of the user's own mean; None with fewer than two users."""
        if self.users < 2:
            return None
        return max(0.0, (self.user_total_square - self.user_total**2 / self.users) / (self.users - 1))

    def quantile(self, share: float) -> float | None:
        """The smallest value that `share` of the calls do not exceed, within 1 % of its size."""
        if not self.bins:
            return None
        rank = share * self.n - 1e-9
        seen = 0
        index = 0
        for index in sorted(self.bins):
            seen += self.bins[index]
            if seen >= rank:
                break
        return bin_value(index)

    @cached_property
    def histogram(self) -> tuple[NDArray[np.int64], Floats]:
        """Bins and counts as arrays, in no order; taken once, so only of a finished profile."""
        size = len(self.bins)
        return np.fromiter(self.bins, np.int64, size), np.fromiter(self.bins.values(), np.float64, size)

    def shares(self) -> dict[str, float]:
        """For categories: the share of calls of each value, largest first."""
        ordered = sorted(self.categories.items(), key=lambda item: (-item[1].calls, item[0]))
        return {name: entry.calls / self.n for name, entry in ordered} if self.n else {}

    def capped(self) -> Profile:
        """The same with at most MAX_CATEGORIES values: the rest is folded into "(other)"."""
        if len(self.categories) <= MAX_CATEGORIES:
            return self
        ordered = sorted(self.categories.items(), key=lambda item: (item[0] == OTHER, -item[1].calls, item[0]))
        kept = dict(ordered[: MAX_CATEGORIES - 1])
        rest = kept.pop(OTHER, CategoryCount())
        folded = CategoryCount(rest.calls, rest.share, rest.share_square)
        for name, entry in ordered[MAX_CATEGORIES - 1 :]:
            if name != OTHER or entry is not rest:
                folded.calls += entry.calls
                folded.share += entry.share
                folded.share_square += entry.share_square
        self.categories = {**kept, OTHER: folded}
        return self

    def sums(self) -> tuple[float | None, float | None, float | None, float | None]:
        """The four sums that have columns of their own: none for categories and vectors, the first for one call."""
        if self.kind in (Kind.CATEGORY, Kind.VECTOR):
            return (None, None, None, None)
        if self.n == 1:
            return (self.total, None, None, None)
        return (self.total, self.total_square, self.user_total, self.user_total_square)

    def to_sketch(self) -> bytes | None:
        """The part of the profile that has no column of its own: MessagePack, for vectors see `_pack_vectors`."""
        if self.kind is Kind.NUMBER and self.n == 1:
            return None
        if self.kind is Kind.NUMBER:
            return msgspec.msgpack.encode(self.bins)
        if self.kind is Kind.CATEGORY:
            return msgspec.msgpack.encode(
                {name: (entry.calls, entry.share, entry.share_square) for name, entry in self.categories.items()}
            )
        if self.kind is Kind.VECTOR and self.vector is not None and self.vector_square is not None:
            return _pack_vectors(self.n, self.vector, self.vector_square)
        return None

    @classmethod
    def load(
        cls,
        kind: Kind,
        n: int,
        users: int,
        sums: tuple[float | None, float | None, float | None, float | None],
        sketch: bytes | None,
    ) -> Profile:
        """The profile that was stored: `sums` are total, total_square, user_total and user_total_square."""
        total, total_square, user_total, user_total_square = sums
        if total_square is None:
            if n == 1 and total is not None:
                square = total**2
                profile = cls(kind, n, users, total, square, total, square)
                if kind is Kind.NUMBER:
                    profile.bins = {bin_of(total): 1}
                return profile
            total_square = 0.0
        profile = cls(kind, n, users, total or 0.0, total_square, user_total or 0.0, user_total_square or 0.0)
        if sketch is None:
            return profile
        if kind is Kind.NUMBER:
            profile.bins = msgspec.msgpack.decode(sketch, type=dict[int, int])
        elif kind is Kind.CATEGORY:
            stored: Mapping[str, tuple[int, float, float]] = msgspec.msgpack.decode(
                sketch, type=dict[str, tuple[int, float, float]]
            )
            profile.categories = {name: CategoryCount(*entry) for name, entry in stored.items()}
        elif kind is Kind.VECTOR:
            profile.vector, profile.vector_square = _unpack_vectors(n, sketch)
        return profile


def _pack_vectors(n: int, vector: Floats, square: Floats) -> bytes:
    """An odd number of bytes: of one call the vector as the call's row has it, else two sums in 16 bits a component."""
    if n == 1:
        data = encode_vector(vector)
        return data if len(data) % 2 else data + b"\0"
    largest = np.array([np.max(np.abs(vector), initial=0), np.max(np.abs(square), initial=0)]).astype("<f4")
    steps = np.stack((vector, square)) * (_VECTOR_STEPS / np.where(largest > 0, largest, 1).astype(np.float64))[:, None]
    packed: bytes = np.rint(steps.clip(-_VECTOR_STEPS, _VECTOR_STEPS)).astype("<i2").tobytes()
    return b"\1" + largest.tobytes() + packed


def _unpack_vectors(n: int, data: bytes) -> tuple[Floats, Floats]:
    if len(data) % 2 == 0:  # as they were stored before: two sums in single precision
        both = np.frombuffer(data, dtype="<f4").astype(np.float64)
    elif n == 1:
        vector = decode_vector(data.removesuffix(b"\0"))
        return vector, vector**2
    else:
        largest = np.frombuffer(data[1:9], dtype="<f4").astype(np.float64)
        steps = np.frombuffer(data[9:], dtype="<i2").astype(np.float64)
        both = steps * np.repeat(largest / _VECTOR_STEPS, len(steps) // 2)
    first, second = np.split(both, 2)
    return first, second


def sums_of(profiles: Sequence[Profile]) -> Profile:
    """The sums of all together (at least one, all of a kind), as `merge` has them, without bins, values or vectors."""
    return Profile(
        profiles[0].kind,
        sum([profile.n for profile in profiles]),
        sum([profile.users for profile in profiles]),
        sum([profile.total for profile in profiles], 0.0),
        sum([profile.total_square for profile in profiles], 0.0),
        sum([profile.user_total for profile in profiles], 0.0),
        sum([profile.user_total_square for profile in profiles], 0.0),
    )


def merge(profiles: Iterable[Profile], kind: Kind) -> Profile:
    """The profile of all together; the empty profile where there are none. Raises ValueError for mixed kinds."""
    result = Profile(kind)
    histograms: list[tuple[NDArray[np.int64], Floats]] = []
    for profile in profiles:
        if profile.kind is not kind:
            raise ValueError(f"cannot merge a profile of kind {profile.kind} into one of kind {kind}")
        result.n += profile.n
        result.users += profile.users
        result.total += profile.total
        result.total_square += profile.total_square
        result.user_total += profile.user_total
        result.user_total_square += profile.user_total_square
        if profile.bins:
            histograms.append(profile.histogram)
        for name, entry in profile.categories.items():
            mine = result.categories.setdefault(name, CategoryCount())
            mine.calls += entry.calls
            mine.share += entry.share
            mine.share_square += entry.share_square
        if profile.vector is not None and profile.vector_square is not None:
            result.vector = profile.vector if result.vector is None else result.vector + profile.vector
            result.vector_square = (
                profile.vector_square if result.vector_square is None else result.vector_square + profile.vector_square
            )
    if histograms:
        bins = np.concatenate([item[0] for item in histograms])
        lowest = int(bins.min())
        counts = np.bincount(bins - lowest, np.concatenate([item[1] for item in histograms])).astype(np.int64)
        present = np.flatnonzero(counts)
        result.bins = dict(zip((present + lowest).tolist(), counts[present].tolist(), strict=True))
    return result

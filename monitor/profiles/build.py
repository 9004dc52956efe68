"""From the calls of one block to its profiles: every signal in every segment, in one pass over columns.

A call belongs to one segment of each of a dozen dimensions, so its values count a dozen times. The memberships are
laid out once, sorted by segment and user; each signal is then summed along that order (`numpy.add.reduceat`), first
within users, then within segments. Signals that the same calls have share the order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.contracts import WHOLE, Kind, Segment, SignalValue
from monitor.profile import CategoryCount, Profile, bins_of
from monitor.vectors import decode_vector, decode_vectors

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass
class CallSignals:
    """What a profile needs of one call: who, which segments beside the whole, and the values of its signals."""

    user: bytes
    segments: tuple[Segment, ...]
    signals: Mapping[str, SignalValue]
    feedback: list[tuple[str, Kind, SignalValue]] = field(default_factory=list)


@dataclass(frozen=True)
class _Order:
    """Observations repeated for each segment they belong to, sorted by segment and user."""

    observation: Integers
    user_starts: Integers
    user_sizes: Floats
    segment_of_user: Integers
    segments: Integers
    segment_starts: Integers
    segment_user_starts: Integers


def kind_of(value: Any) -> Kind | None:
    """The kind that a value of a signal nobody declares looks like; None for what is no value at all."""
    if isinstance(value, bool):
        return Kind.FLAG
    if isinstance(value, int | float):
        return Kind.NUMBER if math.isfinite(value) else None
    if isinstance(value, str):
        return Kind.CATEGORY
    return Kind.VECTOR if isinstance(value, list | tuple | bytes) and value else None


def fits(value: Any, kind: Kind) -> bool:
    """True where a value can be counted as this kind."""
    if kind is Kind.CATEGORY:
        return isinstance(value, str)
    if kind is Kind.VECTOR:
        return isinstance(value, list | tuple) and bool(value)
    return isinstance(value, int | float) and math.isfinite(value)


def _vectors(values: list[Any]) -> list[Any]:
    """The numbers of vectors, which the store keeps as bytes; anything else as it is."""
    stored = [value for value in values if isinstance(value, bytes)]
    if not stored:
        return values
    try:
        numbers = iter(decode_vectors(stored).tolist())
    except ValueError:  # of several lengths
        numbers = iter([decode_vector(value).tolist() for value in stored])
    return [next(numbers) if isinstance(value, bytes) else value for value in values]


def build(calls: Sequence[CallSignals], declared: Mapping[str, Kind]) -> Iterator[tuple[Segment, str, Profile]]:
    """The profiles of a block. `declared` gives the kinds of known signals; others are taken by their look."""
    if not calls:
        return
    user_codes: dict[bytes, int] = {}
    users = np.array([user_codes.setdefault(call.user, len(user_codes)) for call in calls], dtype=np.int64)
    segment_codes: dict[Segment, int] = {WHOLE: 0}
    memberships = [
        (0, *(segment_codes.setdefault(segment, len(segment_codes)) for segment in call.segments)) for call in calls
    ]
    widths = np.array([len(codes) for codes in memberships], dtype=np.int64)
    segment_of_member = np.concatenate([np.asarray(codes, dtype=np.int64) for codes in memberships])
    names = list(segment_codes)
    orders: dict[bytes, _Order] = {}
    for name, kind, owners, values in _observations(calls, declared):
        key = owners.tobytes()
        order = orders.get(key)
        if order is None:
            order = orders[key] = _arrange(owners, users, widths, segment_of_member, len(user_codes))
        for code, profile in _summed(kind, values, order):
            yield names[code], name, profile


def _observations(
    calls: Sequence[CallSignals], declared: Mapping[str, Kind]
) -> Iterator[tuple[str, Kind, Integers, list[Any]]]:
    """Each signal with the positions of the calls that have it and their values, in step."""
    gathered: dict[str, tuple[list[int], list[Any]]] = {}
    said: dict[str, list[tuple[int, Kind, Any]]] = {}
    for position, call in enumerate(calls):
        for name, value in call.signals.items():
            entry = gathered.get(name)
            if entry is None:
                entry = gathered[name] = ([], [])
            entry[0].append(position)
            entry[1].append(value)
        for name, kind, value in call.feedback:
            said.setdefault(name, []).append((position, kind, value))
    for name, (positions, values) in gathered.items():
        kind_found = declared.get(name) or _most(kind_of(value) for value in values)
        if kind_found is not None:
            numbers = _vectors(values) if kind_found is Kind.VECTOR else values
            yield from _fitting(name, kind_found, positions, numbers)
    for name, entries in said.items():
        kind_found = _most(kind for _, kind, _ in entries)
        if kind_found is not None:
            chosen = [(position, value) for position, kind, value in entries if kind is kind_found]
            yield from _fitting(name, kind_found, [item[0] for item in chosen], [item[1] for item in chosen])


def _most(kinds: Iterator[Kind | None]) -> Kind | None:
    counts = Counter(kind for kind in kinds if kind is not None)
    return min(counts, key=lambda kind: (-counts[kind], kind.value)) if counts else None


def _fitting(
    name: str, kind: Kind, positions: list[int], values: list[Any]
) -> Iterator[tuple[str, Kind, Integers, list[Any]]]:
    kept = [index for index, value in enumerate(values) if fits(value, kind)]
    if kind is Kind.VECTOR and kept:
        size = len(values[kept[0]])
        kept = [index for index in kept if len(values[index]) == size]
    if kept:
        owners = np.array([positions[index] for index in kept], dtype=np.int64)
        yield name, kind, owners, [values[index] for index in kept] if len(kept) < len(values) else values


def _arrange(owners: Integers, users: Integers, widths: Integers, segment_of_member: Integers, n_users: int) -> _Order:
    first_member = np.concatenate(([0], np.cumsum(widths)[:-1]))
    width = widths[owners]
    observation = np.repeat(np.arange(len(owners)), width)
    within = np.arange(len(observation)) - np.repeat(np.cumsum(width) - width, width)
    segment = segment_of_member[np.repeat(first_member[owners], width) + within]
    group = segment * n_users + users[owners][observation]
    position = np.argsort(group, kind="stable")
    group = group[position]
    user_starts = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    segment_of_user = group[user_starts] // n_users
    segment_user_starts = np.flatnonzero(np.concatenate(([True], segment_of_user[1:] != segment_of_user[:-1])))
    return _Order(
        observation=observation[position],
        user_starts=user_starts,
        user_sizes=np.diff(np.append(user_starts, len(group))).astype(np.float64),
        segment_of_user=segment_of_user,
        segments=segment_of_user[segment_user_starts],
        segment_starts=user_starts[segment_user_starts],
        segment_user_starts=segment_user_starts,
    )


def _summed(kind: Kind, values: list[Any], order: _Order) -> Iterator[tuple[int, Profile]]:
    total = len(order.observation)
    counts = np.diff(np.append(order.segment_starts, total))
    users = np.diff(np.append(order.segment_user_starts, len(order.user_starts)))
    profiles = [Profile(kind, n, people) for n, people in zip(counts.tolist(), users.tolist(), strict=True)]
    if kind is Kind.CATEGORY:
        _add_categories(profiles, values, order)
    elif kind is Kind.VECTOR:
        _add_vectors(profiles, values, order)
    else:
        _add_numbers(profiles, np.asarray(values, dtype=np.float64), order)
    yield from zip(order.segments.tolist(), profiles, strict=True)


def _add_numbers(profiles: list[Profile], numbers: Floats, order: _Order) -> None:
    sorted_numbers = numbers[order.observation]
    user_means = np.add.reduceat(sorted_numbers, order.user_starts) / order.user_sizes
    columns = zip(
        profiles,
        np.add.reduceat(sorted_numbers, order.segment_starts).tolist(),
        np.add.reduceat(sorted_numbers**2, order.segment_starts).tolist(),
        np.add.reduceat(user_means, order.segment_user_starts).tolist(),
        np.add.reduceat(user_means**2, order.segment_user_starts).tolist(),
        strict=True,
    )
    for profile, total, total_square, user_total, user_total_square in columns:
        profile.total, profile.total_square = total, total_square
        profile.user_total, profile.user_total_square = user_total, user_total_square
    if profiles[0].kind is Kind.NUMBER:
        row = _rows(order)
        bins = bins_of(numbers)[order.observation]
        lowest = int(bins.min())
        span = int(bins.max()) - lowest + 1
        keys, counts = np.unique(row * span + (bins - lowest), return_counts=True)
        places, found = np.divmod(keys, span)
        for place, index, count in zip(places.tolist(), (found + lowest).tolist(), counts.tolist(), strict=True):
            profiles[place].bins[index] = count


def _add_categories(profiles: list[Profile], values: list[str], order: _Order) -> None:
    codes: dict[str, int] = {}
    code = np.array([codes.setdefault(value, len(codes)) for value in values], dtype=np.int64)[order.observation]
    names = list(codes)
    user = np.repeat(np.arange(len(order.user_starts)), order.user_sizes.astype(np.int64))
    keys, counts = np.unique(user * len(names) + code, return_counts=True)
    user_of_key, code_of_key = np.divmod(keys, len(names))
    shares = counts / order.user_sizes[user_of_key]
    place_of_user = np.repeat(
        np.arange(len(profiles)), np.diff(np.append(order.segment_user_starts, len(order.user_starts)))
    )
    combined, inverse = np.unique(place_of_user[user_of_key] * len(names) + code_of_key, return_inverse=True)
    places, found = np.divmod(combined, len(names))
    columns = zip(
        places.tolist(),
        found.tolist(),
        np.bincount(inverse, counts).astype(np.int64).tolist(),
        np.bincount(inverse, shares).tolist(),
        np.bincount(inverse, shares**2).tolist(),
        strict=True,
    )
    for place, index, calls, share, share_square in columns:
        profiles[place].categories[names[index]] = CategoryCount(calls, share, share_square)
    for profile in profiles:
        profile.capped()


def _add_vectors(profiles: list[Profile], values: list[Any], order: _Order) -> None:
    vectors = np.asarray(values, dtype=np.float64)
    starts = np.append(order.segment_starts, len(order.observation))
    user_starts = np.append(order.segment_user_starts, len(order.user_starts))
    for place, profile in enumerate(profiles):
        rows = vectors[order.observation[starts[place] : starts[place + 1]]]
        own = slice(user_starts[place], user_starts[place + 1])
        means = np.add.reduceat(rows, order.user_starts[own] - starts[place], axis=0) / order.user_sizes[own, None]
        profile.vector = means.sum(axis=0)
        profile.vector_square = (means**2).sum(axis=0)


def _rows(order: _Order) -> Integers:
    sizes = np.diff(np.append(order.segment_starts, len(order.observation)))
    return np.repeat(np.arange(len(order.segments)), sizes)

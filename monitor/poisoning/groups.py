"""Groups of prompts that are nearly the same, by the vectors that are stored with each call.

A prompt joins the first group whose first prompt it is like (cosine of 0.85 or more); where it is like none it begins
one. One word changed in a dozen leaves about 0.9, numbers all count as one word, and two questions on one topic stay
below 0.7. Only prompts of users who sent five or more are looked at: five users who sent 25 of a kind must have one
among them who sent five.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.vectors import decode_vectors

ALIKE = 0.85
FEW = 5
"""So many people are few."""

_LEAST_OF_ONE = 5
_AT_ONCE = 512


def near_duplicates(vectors: Sequence[bytes], users: Sequence[bytes]) -> list[list[int]]:
    """The places of the prompts of each group that has more than one, largest first; vectors are as they are stored."""
    sent = Counter(users)
    places: dict[bytes, list[int]] = {}
    for place, (vector, user) in enumerate(zip(vectors, users, strict=True)):
        if sent[user] >= _LEAST_OF_ONE:
            places.setdefault(vector, []).append(place)
    if not places:
        return []
    group_of = _groups(_unit(decode_vectors(list(places))))
    groups: dict[int, list[int]] = {}
    for group, same in zip(group_of, places.values(), strict=True):
        groups.setdefault(group, []).extend(same)
    return sorted(
        (sorted(group) for group in groups.values() if len(group) > 1), key=lambda group: (-len(group), group)
    )


def named(leaders: Sequence[bytes], known: Mapping[str, bytes]) -> list[str | None]:
    """The name of the known group that each first prompt is most like; None where it is like none."""
    if not leaders or not known:
        return [None] * len(leaders)
    names = list(known)
    likeness = _unit(decode_vectors(leaders)) @ _unit(decode_vectors(list(known.values()))).T
    return [names[int(row.argmax())] if row.max() >= ALIKE else None for row in likeness]


def of_few(people: Sequence[bytes]) -> tuple[int, list[bytes]]:
    """How many of some acts the five most active people did, and who these are."""
    most = Counter(people).most_common(FEW)
    return sum(count for _, count in most), [person for person, _ in most]


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    lengths = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    units: NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return units


def _groups(vectors: NDArray[np.float32]) -> list[int]:
    """The number of the group of each vector."""
    leaders = np.empty((0, vectors.shape[1]), dtype=np.float32)
    found: list[int] = []
    for start in range(0, len(vectors), _AT_ONCE):
        chunk = vectors[start : start + _AT_ONCE]
        known = chunk @ leaders.T >= ALIKE
        among = chunk @ chunk.T >= ALIKE
        begun: list[int] = []
        for place in range(len(chunk)):
            if known[place].any():
                found.append(int(known[place].argmax()))
                continue
            alike = np.flatnonzero(among[place, begun])
            if not len(alike):
                begun.append(place)
            found.append(len(leaders) + (int(alike[0]) if len(alike) else len(begun) - 1))
        leaders = np.concatenate([leaders, chunk[begun]])
    return found

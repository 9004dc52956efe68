"""What else changed then: values of a dimension that appeared or vanished, by how much of the change goes with them.

A value has appeared where it had less than half a per cent of the calls before and at least two since; it vanished the
other way round. As the change may be dated a few days off, a value that was first seen within three days of it has
appeared too, if it was seven times rarer before. It explains the part of the change that is not there among the calls
without it. What replaced all that was there before explains all of it, whether or not it is the cause: this is a list
of suspects, not a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from monitor.explain.mixture import CHOSEN
from monitor.explain.sample import Booleans, Column, Sample
from monitor.profile import Floats

ABSENT = 0.005
PRESENT = 0.02
RARER = 0.15
NEAR = 3 * 86_400_000_000
MIN_CALLS = 5
MOST = 8
# Values that explain about as much are told in the order in which they are likely to be the cause.
_STEP = 0.1


@dataclass(frozen=True)
class Suspect:
    """A value that came or went. `explains` is the share of the change that is gone without its calls, None where the
    mean did not change; `moment` (microseconds) is when it was first seen since, or last seen before."""

    dimension: str
    value: str
    event: Literal["appeared", "vanished"]
    before: float
    after: float
    explains: float | None
    moment: int


def suspects(sample: Sample) -> tuple[Suspect, ...]:
    """What appeared or vanished, what explains most first; of what explains alike, what operators choose first."""
    after = sample.after
    n = np.array([(~after).sum(), after.sum()], dtype=float)
    if not n.all():
        return ()
    total = np.array([sample.values[~after].sum(), sample.values[after].sum()])
    change = float(total[1] / n[1] - total[0] / n[0])
    found: list[Suspect] = []
    for name, column in sample.columns.items():
        size = len(column.names)
        codes = column.codes * 2 + after
        counts = np.bincount(codes, minlength=2 * size).reshape(size, 2).astype(float)
        sums = np.bincount(codes, sample.values, minlength=2 * size).reshape(size, 2)
        shares = counts / n
        near = _near(sample, column)
        for place in np.flatnonzero(
            _came(shares, counts, near[:, 0]) | _came(shares[:, ::-1], counts[:, ::-1], near[:, 1])
        ):
            value = column.names[place]
            if value is None:
                continue
            appeared = bool(shares[place, 1] > shares[place, 0])
            side = int(appeared)
            left = n[side] - counts[place, side]
            without = (total[side] - sums[place, side]) / left if left else total[1 - side] / n[1 - side]
            other = total[1 - side] / n[1 - side]
            remaining = float(without - other if appeared else other - without)
            own = sample.times[column.codes == place]
            found.append(
                Suspect(
                    name,
                    value,
                    "appeared" if appeared else "vanished",
                    float(shares[place, 0]),
                    float(shares[place, 1]),
                    1 - remaining / change if change else None,
                    int(own.min() if appeared else own.max()),
                )
            )
    return tuple(sorted(found, key=_rank)[:MOST])


def _near(sample: Sample, column: Column) -> Booleans:
    """True for values first seen (first column), or last seen (second), within three days of the change."""
    change = sample.times[sample.after].min()
    first = np.full(len(column.names), np.iinfo(np.int64).max)
    last = np.full(len(column.names), np.iinfo(np.int64).min)
    np.minimum.at(first, column.codes, sample.times)
    np.maximum.at(last, column.codes, sample.times)
    return np.stack([first >= change - NEAR, last <= change + NEAR], axis=1)


def _came(shares: Floats, counts: Floats, near: Booleans) -> Booleans:
    rare = (shares[:, 0] < ABSENT) | near & (shares[:, 0] < RARER * shares[:, 1])
    return np.asarray(rare & (shares[:, 1] >= PRESENT) & (counts[:, 1] >= MIN_CALLS))


def _rank(suspect: Suspect) -> tuple[float, int, int, str]:
    explains = min(max(suspect.explains or 0.0, 0.0), 1.0)
    chosen = CHOSEN.index(suspect.dimension) if suspect.dimension in CHOSEN else len(CHOSEN)
    return (-round(explains / _STEP), suspect.event == "vanished", chosen, suspect.value)

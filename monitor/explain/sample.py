"""The calls an explanation is made from: one number a call, who sent it, when, and its value in each dimension."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.profile import OTHER, Floats

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

MAX_DIMENSIONS = 24
MAX_VALUES = 50
# A dimension whose rare values hold more of the calls than this names nothing: session numbers, dates, free text.
MAX_REST = 0.5


@dataclass(frozen=True)
class Column:
    """The values of one dimension: `names[codes[i]]` is that of call i, None where it has none."""

    codes: Integers
    names: tuple[str | None, ...]

    def take(self, chosen: Booleans | Integers) -> Column:
        """The same for some of the calls."""
        return Column(self.codes[chosen], self.names)

    @classmethod
    def of(cls, values: Sequence[str | None]) -> Column | None:
        """The column of some values, rare ones folded into "(other)"; None where nothing can be told by it.

        That is where all calls have the same value, or where most calls have values of their own.
        """
        counts = Counter(values)
        kept = [value for value, _ in counts.most_common(MAX_VALUES)]
        folded = len(values) - sum(counts[value] for value in kept)
        if len(counts) < 2 or folded > MAX_REST * len(values) or len(counts) > MAX_REST * len(values):
            return None
        names: tuple[str | None, ...] = (*kept, OTHER) if folded and OTHER not in kept else tuple(kept)
        place = {name: number for number, name in enumerate(names)}
        other = place.get(OTHER, -1)
        return cls(np.fromiter((place.get(value, other) for value in values), np.int64, len(values)), names)


@dataclass(frozen=True)
class Sample:
    """Calls of one stream on both sides of its change, in step.

    `values` are in the unit of the signal (0 and 1 for flags and for one value of a category), `after` is true since
    the change, `users` are codes of who sent the call, `times` are microseconds since 1970.
    """

    values: Floats
    after: Booleans
    users: Integers
    times: Integers
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, chosen: Booleans | Integers) -> Sample:
        """The same for some of the calls."""
        return Sample(
            self.values[chosen],
            self.after[chosen],
            self.users[chosen],
            self.times[chosen],
            {name: column.take(chosen) for name, column in self.columns.items()},
        )

    def means(self) -> tuple[float | None, float | None]:
        """The mean over calls before and since the change; None for a side without calls."""
        sides = (self.values[~self.after], self.values[self.after])
        before, since = (float(side.mean()) if len(side) else None for side in sides)
        return before, since


def columns_of(rows: Mapping[str, Sequence[str | None]]) -> dict[str, Column]:
    """The columns of dimensions by name, the first MAX_DIMENSIONS that tell calls apart."""
    found: dict[str, Column] = {}
    for name, values in rows.items():
        column = Column.of(values)
        if column is not None and len(found) < MAX_DIMENSIONS:
            found[name] = column
    return found

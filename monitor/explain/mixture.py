"""Mix or behaviour: other kinds of calls, or the same kinds with other values.

With shares p and means m of the values v of a dimension, before (0) and since (1) the change, the mean changes by

    sum_v (p1_v - p0_v) (M_v - M)  +  sum_v (m1_v - m0_v) P_v

with M_v = (m0_v + m1_v) / 2, P_v = (p0_v + p1_v) / 2 and M the middle of the two overall means: the first sum is the
mix, the second the behaviour, and the interaction is shared equally (the Shapley value of two players; Kitagawa,
Journal of the American Statistical Association 50, 1955). A value that is on one side only has no behaviour to
change: all of it is mix. The sums are exact, whatever the data. It is a description, not a cause: a dimension that
goes along with the true one takes part of its mix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from monitor.explain.sample import Column, Sample
from monitor.profile import Floats

# Dimensions that the operator chooses: a new value replaces an old one and is no other kind of traffic.
CHOSEN = ("model", "model_family", "provider", "release", "prompt_version")
# A dimension in which more than this share of the calls has a value the other side never had is not mix but renaming.
REPLACED = 0.6
REPLACED_IF_CHOSEN = 0.05
# A pair of dimensions is used only where it tells this much more of the change than the best single one.
PAIR_GAIN = 0.2
MAX_PAIRS = 60


@dataclass(frozen=True)
class Part:
    """One value of a dimension: its share and mean on both sides, and what it adds to mix and behaviour."""

    value: str | None
    share_before: float
    share_after: float
    mean_before: float | None
    mean_after: float | None
    mix: float
    behaviour: float


@dataclass(frozen=True)
class Decomposition:
    """The change of a mean by the values of a dimension. `mix + behaviour` is `change`."""

    dimension: str
    change: float
    mix: float
    behaviour: float
    parts: tuple[Part, ...]


def decompose(sample: Sample, dimension: str, column: Column) -> Decomposition | None:
    """The decomposition over one dimension; None where a side has no calls."""
    size = len(column.names)
    after = sample.after
    counts = np.bincount(column.codes * 2 + after, minlength=2 * size).astype(float).reshape(size, 2)
    sums = np.bincount(column.codes * 2 + after, weights=sample.values, minlength=2 * size).reshape(size, 2)
    n = counts.sum(axis=0)
    if not n.all():
        return None
    shares = counts / n
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    # A value on one side only keeps its mean: then all it adds is mix.
    filled = np.where(counts > 0, means, means[:, ::-1])
    overall = sums.sum(axis=0) / n
    mix = (shares[:, 1] - shares[:, 0]) * (filled.mean(axis=1) - overall.mean())
    behaviour = (filled[:, 1] - filled[:, 0]) * shares.mean(axis=1)
    parts = [
        Part(
            column.names[place],
            float(shares[place, 0]),
            float(shares[place, 1]),
            float(means[place, 0]) if counts[place, 0] else None,
            float(means[place, 1]) if counts[place, 1] else None,
            float(mix[place]),
            float(behaviour[place]),
        )
        for place in np.flatnonzero(counts.sum(axis=1))
    ]
    parts.sort(key=lambda part: -abs(part.mix) - abs(part.behaviour))
    return Decomposition(
        dimension, float(overall[1] - overall[0]), float(mix.sum()), float(behaviour.sum()), tuple(parts)
    )


def is_replaced(dimension: str, column: Column, sample: Sample) -> bool:
    """True where values came in place of others: a new model or release, a date, not another mix of traffic."""
    size = len(column.names)
    counts = np.bincount(column.codes * 2 + sample.after, minlength=2 * size).reshape(size, 2)
    before, after = (side / max(side.sum(), 1) for side in counts.T)
    new, gone = float(after[counts[:, 0] == 0].sum()), float(before[counts[:, 1] == 0].sum())
    return max(new, gone) > (REPLACED_IF_CHOSEN if dimension.split("+", 1)[0] in CHOSEN else REPLACED)


def best_decomposition(sample: Sample, columns: Mapping[str, Column] | None = None) -> Decomposition | None:
    """The decomposition over the dimension whose mix tells most of the change, of one dimension or two.

    Dimensions in which values replaced others are left out. None where no dimension is left.
    """
    columns = sample.columns if columns is None else columns
    usable = {name: column for name, column in columns.items() if not is_replaced(name, column, sample)}
    found = [decompose(sample, name, column) for name, column in usable.items()]
    singles = [one for one in found if one is not None]
    if not singles:
        return None
    best = max(singles, key=_told)
    names = list(usable)
    pairs = [(one, two) for place, one in enumerate(names) for two in names[place + 1 :]][:MAX_PAIRS]
    for one, two in pairs:
        together = crossed(usable[one], usable[two])
        if together is None:
            continue
        both = decompose(sample, f"{one}+{two}", together)
        if both is not None and _told(both) > _told(best) + PAIR_GAIN:
            best = both
    return best


def crossed(one: Column, two: Column) -> Column | None:
    """Both dimensions as one, "a + b"; None where that makes too many values to tell them apart."""
    size = len(one.names) * len(two.names)
    codes = one.codes * len(two.names) + two.codes
    present, inverse = np.unique(codes, return_inverse=True)
    if size > 400 or len(present) > 60:
        return None
    names = tuple(
        f"{one.names[code // len(two.names)] or '(none)'} + {two.names[code % len(two.names)] or '(none)'}"
        for code in present
    )
    return Column(inverse.astype(np.int64), names)


def _told(one: Decomposition) -> float:
    """The share of the change that the mix tells, between 0 and 1: what goes beyond, or against it, tells less."""
    if not one.change:
        return 0.0
    share = one.mix / one.change
    return float(min(share, 2 - share)) if share > 0 else 0.0


def sums_of(decomposition: Decomposition) -> Floats:
    """Mix and behaviour added over the parts, for those who want to check."""
    return np.array(
        [
            sum(part.mix for part in decomposition.parts),
            sum(part.behaviour for part in decomposition.parts),
        ]
    )

"""What each call would have been like without a change: a ridge regression on the values of its dimensions.

With the expectation taken out, more calls of a kind that always was different (mix) look like no change at all, so that
the search for a segment sees behaviour only. The model has main effects alone; what two dimensions do together stays in
the residual, on both sides alike.

Numbers that are skewed and never negative are taken as logarithms, others are cut at their outermost half per cent, so
that a few huge values decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from monitor.contracts import Kind
from monitor.explain.mixture import is_replaced
from monitor.explain.sample import Booleans, Column, Sample
from monitor.profile import Floats

# Calls that pull the effect of a value towards nothing.
RIDGE = 10.0
CUT = 0.005
# Numbers whose standard deviation is more than this part of their mean are skewed.
SKEWED = 0.5


@dataclass(frozen=True)
class Residuals:
    """`values` are the residuals, call by call; `shapes` are what a change "everywhere" may look like.

    Each shape has one number a call: a change everywhere moves a call by a common factor times it. The same amount for
    all, the same factor, and for shares the same odds are all "everywhere"; a segment must be told from each of them.
    """

    values: Floats
    shapes: tuple[Floats, ...]


def residuals(sample: Sample, kind: Kind, fit: Booleans) -> Residuals:
    """What is left of each value without what its dimensions lead to expect, fitted on the calls of `fit` alone."""
    values, logarithmic = worked(sample.values, kind)
    columns = {name: one for name, one in sample.columns.items() if not is_replaced(name, one, sample)}
    learn = fit & (~sample.after | _is_new(sample, columns))
    if not learn.any():
        learn = fit
    base = _predict(values, columns, learn)
    return Residuals(values - base, _shapes(base, kind, logarithmic))


def worked(values: Floats, kind: Kind) -> tuple[Floats, bool]:
    """The values on the scale they are compared on, and whether that is logarithmic."""
    if kind is not Kind.NUMBER or not len(values):
        return values, False
    low, high = np.quantile(values, [CUT, 1 - CUT])
    cut = np.clip(values, low, high)
    positive = cut[cut > 0]
    if low < 0 or not len(positive) or cut.std() <= SKEWED * cut.mean():
        return cut, False
    offset = 0.0 if low > 0 else float(np.quantile(positive, 0.1))
    return np.log(cut + offset), True


def _shapes(base: Floats, kind: Kind, logarithmic: bool) -> tuple[Floats, ...]:
    everywhere = np.ones_like(base)
    if kind is not Kind.NUMBER:
        share = np.clip(base, 0.002, 0.998)
        return everywhere, share, share * (1 - share)
    if logarithmic:
        # The same amount for all is less, in logarithms, where the values are large.
        return everywhere, np.exp(-(base - base.mean()).clip(-4, 4))
    return (everywhere, base) if (base > 0).all() else (everywhere,)


def _is_new(sample: Sample, columns: Mapping[str, Column]) -> Booleans:
    """True for calls with a value that did not exist before the change."""
    new = np.zeros(len(sample), dtype=bool)
    for column in columns.values():
        seen = np.bincount(column.codes[~sample.after], minlength=len(column.names)) > 0
        new |= ~seen[column.codes]
    return new


def _predict(values: Floats, columns: Mapping[str, Column], learn: Booleans) -> Floats:
    """Ridge regression on one indicator a value; the mean is not pulled."""
    known = values[learn]
    middle = known.mean() if len(known) else 0.0
    if not columns:
        return np.full_like(values, middle)
    codes = [column.codes for column in columns.values()]
    sizes = [len(column.names) for column in columns.values()]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    gram = np.zeros((starts[-1], starts[-1]))
    target = np.zeros(starts[-1])
    learned = [code[learn] for code in codes]
    for one, code in enumerate(learned):
        target[starts[one] : starts[one + 1]] = np.bincount(code, known - middle, minlength=sizes[one])
        for two in range(one, len(learned)):
            joint = np.bincount(code * sizes[two] + learned[two], minlength=sizes[one] * sizes[two])
            block = joint.reshape(sizes[one], sizes[two])
            gram[starts[one] : starts[one + 1], starts[two] : starts[two + 1]] = block
            gram[starts[two] : starts[two + 1], starts[one] : starts[one + 1]] = block.T
    effects = np.linalg.solve(gram + RIDGE * np.eye(len(gram)), target)
    base = np.full_like(values, middle)
    for one, code in enumerate(codes):
        base += effects[starts[one] : starts[one + 1]][code]
    return base

"""Two tables, column by column, once: how far apart they are, and how surely.

For tables of plain numbers and names, such as an export of evaluation scores. What it cannot know is the user behind
each row, the day and what matters of each column; for logs of calls, `llmops-monitor compare` does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from monitor.errors import InputError
from monitor.profile import Floats
from monitor.stats.distances import jensen_shannon_of_shares

Binning = Literal["deciles", "sturges"]

FALSE_REPORTS = 0.05
RELEVANT = 0.05
DECILES = 10
SHOWN_NAMES = 20
MISSING = "(missing)"
# Of fewer rows on both sides the exact distribution of the KS statistic is used, as SciPy does.
EXACT_ROWS = 10_000
# A share of nothing would make PSI infinite; the value is Evidently's, so that figures agree with what users know.
LEAST_SHARE = 0.0001
_FEW_VALUES = 20
# Where the two-sided probability is twice the one-sided; where the expansion of the distribution function is exact to
# 1e-11; where the p-value is below 1e-10.
_SMALL_SQUARED = 2.2
_MANY_ROWS = 100_000
_FAR_TAIL = 12.0


@dataclass(frozen=True)
class ColumnDrift:
    """One column of both tables.

    `psi` and `jensen_shannon` (distance, natural logarithm, 0 to 0.83) are taken over bins; `wasserstein` (in the
    column's unit), `ks` and the means are None for names. `p_value` is that of the two-sample Kolmogorov-Smirnov test
    for numbers and of the chi-squared test for names. `missing` counts None and NaN, which are a value of names but no
    number. `moved` where the p-value is below the column's part of 5 % and the change matters: `ks`, or for names the
    change of one name's share, is at least 0.05. `names` are the shares that changed most, before and after.
    """

    column: str
    kind: Literal["number", "category"]
    reference_n: int
    current_n: int
    reference_missing: int
    current_missing: int
    psi: float
    jensen_shannon: float
    p_value: float
    moved: bool
    ks: float | None = None
    wasserstein: float | None = None
    before: float | None = None
    after: float | None = None
    names: tuple[tuple[str, float, float], ...] = ()


def compare_tables(
    reference: Mapping[str, Any],
    current: Mapping[str, Any],
    *,
    binning: Binning = "deciles",
    false_reports: float = FALSE_REPORTS,
) -> dict[str, ColumnDrift]:
    """Compares the columns that both tables have; each is an array or list of numbers or of names.

    `binning` decides what PSI and Jensen-Shannon are taken over: "deciles" of the reference, or bins of equal width
    over both sides by Sturges' rule, as Evidently takes them. `false_reports` is the chance that two tables alike show
    any moved column, shared evenly by the columns (Bonferroni).

    KS: D = sup |F - G| with its p-value by the exact distribution up to 10,000 rows and else by the limit of
    Kolmogorov and Smirnov with Simard and L'Ecuyer's evaluation (2011), as `scipy.stats.ks_2samp` has it. Assumes
    independent rows; with ties the p-value is too large, never too small. Wasserstein: integral of |F - G|.
    It misleads where several rows are of one user: the p-values are then too small.

    Raises InputError where the tables have no column in common, a column has no value on one side, or is of numbers on
    one side and of names on the other.
    """
    shared = [name for name in reference if name in current]
    if not shared:
        raise InputError("The tables have no column in common.")
    level = false_reports / len(shared)
    return {name: _compare(name, reference[name], current[name], binning, level) for name in shared}


def _compare(name: str, reference: Any, current: Any, binning: Binning, level: float) -> ColumnDrift:
    before, after = _numbers(reference), _numbers(current)
    if (before is None) != (after is None) and len(reference) and len(current):
        raise InputError(f"Column {name!r} holds numbers on one side and names on the other.")
    if before is None or after is None:
        return _compare_names(name, reference, current, level)
    return _compare_numbers(name, before, after, binning, level)


def _numbers(values: Any) -> Floats | None:
    """The values as numbers (missing ones as NaN), or None where they are names."""
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.dtype.kind in "iuf":
        return array.astype(np.float64, copy=False).ravel()
    if array.dtype.kind != "O":
        return None
    plain = array.ravel().tolist()
    if not all(item is None or (isinstance(item, (int, float)) and not isinstance(item, bool)) for item in plain):
        return None
    return np.array([math.nan if item is None else item for item in plain], dtype=np.float64)


def _compare_numbers(name: str, reference: Floats, current: Floats, binning: Binning, level: float) -> ColumnDrift:
    # NaN is sorted to the end.
    one, two = np.sort(reference), np.sort(current)
    one, two = one[: _present(one)], two[: _present(two)]
    if not len(one) or not len(two):
        raise InputError(f"Column {name!r} has no value on one side.")
    ks, wasserstein = _distances_of_sorted(one, two)
    p_value = _ks_probability(one, two, ks)
    p, q = _binned(one, two, binning)
    return ColumnDrift(
        column=name,
        kind="number",
        reference_n=len(one),
        current_n=len(two),
        reference_missing=len(reference) - len(one),
        current_missing=len(current) - len(two),
        psi=stability_index(p, q),
        jensen_shannon=jensen_shannon_of_shares(p, q),
        p_value=p_value,
        moved=p_value < level and ks >= RELEVANT,
        ks=ks,
        wasserstein=wasserstein,
        before=float(one.mean()),
        after=float(two.mean()),
    )


def _present(ordered: Floats) -> int:
    """How many of sorted values are not NaN."""
    return int(np.searchsorted(ordered, np.nan)) if len(ordered) and np.isnan(ordered[-1]) else len(ordered)


def _distances_of_sorted(one: Floats, two: Floats) -> tuple[float, float]:
    """KS statistic and first Wasserstein distance of sorted values, in one pass over both.

    A stable sort finds two ascending runs and only merges them.
    """
    both = np.concatenate([one, two])
    order = both.argsort(kind="stable")
    values = both[order]
    first = np.cumsum(order < len(one), dtype=np.int64)
    second = np.arange(1, len(both) + 1) - first
    gaps = first / len(one) - second / len(two)
    steps = values[1:] - values[:-1]
    apart = np.abs(gaps[:-1])
    # Between equal values neither function has its value yet.
    settled = apart[steps > 0]
    return (float(settled.max()) if len(settled) else 0.0), float(np.sum(apart * steps)) if np.isfinite(
        steps
    ).all() else math.inf


def _ks_probability(one: Floats, two: Floats, statistic: float) -> float:
    from scipy import stats

    if max(len(one), len(two)) <= EXACT_ROWS:
        return float(stats.ks_2samp(one, two).pvalue)
    larger, smaller = sorted((float(len(one)), float(len(two))), reverse=True)
    rows = round(larger * smaller / (larger + smaller))
    squared = rows * statistic**2
    if squared < _SMALL_SQUARED or rows > _MANY_ROWS:
        # Beyond, what is left after the subtraction would be noise: Maag's tail has it to a few per cent.
        if squared >= _FAR_TAIL:
            return 2 * math.exp(-((6 * rows * statistic + 1) ** 2) / (18 * rows))
        return float(np.clip(1.0 - stats.kstwo.cdf(statistic, rows), 0.0, 1.0))
    return min(1.0, 2 * _one_sided_probability(rows, statistic))


def _one_sided_probability(rows: int, statistic: float) -> float:
    """P(D+ > d) = d sum_j C(n, j) (d + j/n)^(j-1) (1 - d - j/n)^(n-j), all terms at once.

    Source: Smirnov 1944, Birnbaum and Tingey 1951. Twice that is the two-sided probability to better than 1e-12 where
    n d^2 is above 2.2 (Simard and L'Ecuyer 2011); `scipy.special.smirnov` is the same sum, term by term.
    """
    from scipy.special import gammaln, xlog1py, xlogy

    terms = np.arange(0, math.floor(rows * (1 - statistic)) + 1, dtype=np.float64)
    near = statistic + terms / rows
    binomial = gammaln(rows + 1) - gammaln(terms + 1) - gammaln(rows - terms + 1)
    exponents = binomial + xlogy(terms - 1, near) + xlog1py(rows - terms, -np.minimum(near, 1.0))
    return float(statistic * np.sum(np.exp(exponents)))


def _binned(one: Floats, two: Floats, binning: Binning) -> tuple[Floats, Floats]:
    """Both sides' shares of the bins."""
    if binning == "deciles":
        inner = np.unique(one[(np.arange(1, DECILES) * len(one)) // DECILES])
        return _between(one, inner), _between(two, inner)
    if np.count_nonzero(one[1:] != one[:-1]) < _FEW_VALUES:
        values = np.union1d(one, two)
        counts = [np.searchsorted(side, values, "right") - np.searchsorted(side, values, "left") for side in (one, two)]
        return counts[0] / len(one), counts[1] / len(two)
    low, high = min(one[0], two[0]), max(one[-1], two[-1])
    edges = np.linspace(low, high, math.ceil(math.log2(len(one) + len(two)) + 1) + 1)
    return _between(one, edges[1:-1]), _between(two, edges[1:-1])


def _between(ordered: Floats, inner: Floats) -> Floats:
    """Shares below, between and from the inner edges on; a value on an edge belongs above it."""
    ends = np.concatenate([[0], np.searchsorted(ordered, inner, "left"), [len(ordered)]])
    shares: Floats = np.diff(ends) / len(ordered)
    return shares


def stability_index(reference: Floats, current: Floats) -> float:
    """PSI = sum (p - q) ln(p / q) over bins; an empty bin counts as a share of 0.0001 where all shares are larger.

    Source: Siddiqi, Credit Risk Scorecards, 2006; the floor is Evidently's.
    """
    p, q = _floored(reference), _floored(current)
    return float(np.sum((p - q) * np.log(p / q)))


def _floored(shares: Floats) -> Floats:
    least = float(shares[shares > 0].min(initial=1.0))
    return np.where(shares > 0, shares, min(LEAST_SHARE, least / 1e6) if least <= LEAST_SHARE else LEAST_SHARE)


def _compare_names(name: str, reference: Any, current: Any, level: float) -> ColumnDrift:
    one, two = _counted(reference), _counted(current)
    rows, rows_now = one.total(), two.total()
    if not rows or not rows_now:
        raise InputError(f"Column {name!r} has no value on one side.")
    values = list({**one, **two})
    counts = np.array([[side[value] for value in values] for side in (one, two)], dtype=np.float64)
    p, q = counts[0] / rows, counts[1] / rows_now
    p_value = _chi_squared_probability(counts)
    order = np.argsort(-np.abs(q - p), kind="stable")[:SHOWN_NAMES].tolist()
    return ColumnDrift(
        column=name,
        kind="category",
        reference_n=rows,
        current_n=rows_now,
        reference_missing=one[MISSING],
        current_missing=two[MISSING],
        psi=stability_index(p, q),
        jensen_shannon=jensen_shannon_of_shares(p, q),
        p_value=p_value,
        moved=p_value < level and float(np.abs(q - p).max()) >= RELEVANT,
        names=tuple((values[place], float(p[place]), float(q[place])) for place in order),
    )


def _counted(values: Any) -> Counter[str]:
    plain = values.tolist() if hasattr(values, "tolist") else list(values)
    found: Counter[str] = Counter()
    for value, count in Counter(plain).items():
        found[MISSING if value is None or value != value else str(value)] += count  # noqa: PLR0124 - NaN
    return found


def _chi_squared_probability(counts: Floats) -> float:
    """Pearson's chi-squared test that both sides share one distribution; 1 where there is one name only."""
    from scipy import stats

    if counts.shape[1] < 2:
        return 1.0
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    return float(stats.chi2.sf(statistic, counts.shape[1] - 1))

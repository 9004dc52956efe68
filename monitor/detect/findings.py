"""From the strongest evidence on a column to its verdict, in figures and words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.contracts import Verdict
from monitor.detect.columns import NEW, CategoryColumn, NumberColumn
from monitor.detect.lanes import MIN_ROWS, Stream
from monitor.stats.intervals import SHOWN_LEVEL, newcombe, normal_quantile
from monitor.wording import listed, number, percent, plural

_WORDS = {
    "location": ("values are lower", "values are higher"),
    "scale": ("values scatter less", "values scatter more"),
    "asymmetry": ("low values reach further", "high values reach further"),
    "peakedness": ("fewer values far out and in the middle", "more values far out and in the middle"),
    "low tail": ("fewer values below {low}", "more values below {low}"),
    "high tail": ("fewer values above {high}", "more values above {high}"),
    "missing": ("fewer values are missing", "more values are missing"),
}


@dataclass(frozen=True)
class Finding:
    """The lane of a column that is furthest towards its limit.

    `evidence` is a standard normal value, `share` the lane's mean of the stream, `effective_rows` how many rows it
    speaks of, `rows_so_far` the same for the column's longest lane.
    """

    stream: Stream
    evidence: float
    limit: float
    share: float
    effective_rows: float
    rows_so_far: float


def verdict_of(column: NumberColumn | CategoryColumn, values: Any, finding: Finding) -> Verdict:
    """The verdict on a column. `value` is the window's own mean (numbers), or the lane's share of the name (names)."""
    name = finding.stream.column
    n = len(values)
    if not n:
        return Verdict("no_data", f"{name}: no rows in this window.")
    if finding.rows_so_far < MIN_ROWS:
        lacking = plural(math.ceil(MIN_ROWS - finding.rows_so_far), "more row")
        return Verdict("too_few", f"{name}: too few rows to judge, needs {lacking}.", n=n)
    detail: dict[str, Any] = {
        "statistic": finding.stream.name,
        "evidence": finding.evidence,
        "limit": finding.limit,
        "rows": finding.effective_rows,
    }
    has_moved = abs(finding.evidence) >= finding.limit
    if isinstance(column, NumberColumn):
        words = _WORDS[finding.stream.name][finding.evidence > 0]
        words = words.format(low=number(column.low), high=number(column.high))
        figures = _of_numbers(column, values)
    else:
        words, figures = _of_names(column, values, finding, detail)
    rows = plural(finding.effective_rows, "row")
    told = f"{words}, seen in about {rows}" if has_moved else "no change is proven"
    return Verdict(
        "moved" if has_moved else "ok",
        f"{name}: {told} (evidence {abs(finding.evidence):.1f}, limit {finding.limit:.1f}).",
        n=n,
        effective_n=finding.effective_rows,
        detail=detail,
        **figures,
    )


def _of_numbers(column: NumberColumn, values: Any) -> dict[str, float]:
    numbers = column.numbers(values)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return {}
    mean, z = float(numbers.mean()), normal_quantile(SHOWN_LEVEL)
    own = float(numbers.var()) / len(numbers)
    reach = z * math.sqrt(own)
    change, change_reach = mean - column.mean, z * math.sqrt(own + column.deviation**2 / column.rows)
    return {
        "value": mean,
        "low": mean - reach,
        "high": mean + reach,
        "baseline": column.mean,
        "effect": change,
        "effect_low": change - change_reach,
        "effect_high": change + change_reach,
    }


def _of_names(
    column: CategoryColumn, values: Any, finding: Finding, detail: dict[str, Any]
) -> tuple[str, dict[str, float]]:
    stream, share = finding.stream, finding.share
    baseline = stream.hits / stream.rows
    if stream.name == NEW:
        detail["new"] = column.new_names(values)
        named = f" ({listed(detail['new'])})" if detail["new"] else ""
        words = f"{percent(share)} have names that the reference does not hold{named}"
    else:
        words = f"{stream.name}: {percent(share)} after {percent(baseline)}"
    share = min(max(share, 0.0), 1.0)
    low, high = newcombe(share, finding.effective_rows, baseline, stream.rows, SHOWN_LEVEL)
    return words, {
        "value": share,
        "baseline": baseline,
        "effect": share - baseline,
        "effect_low": low,
        "effect_high": high,
    }

"""Numbers and verdicts in words, for the reasons that people read."""

from __future__ import annotations

from datetime import datetime

from monitor.contracts import Kind, Signal


def number(value: float) -> str:
    """A number as people write it: 12,345 or 638.3 or 0.0123."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 1:
        return f"{value:.1f}"
    return "0" if size < 1e-9 else f"{value:.3g}"


def percent(share: float) -> str:
    """A share as a percentage, finer where it is small."""
    points = share * 100
    return f"{points:.1f}%" if abs(points) >= 1 or not points else f"{points:.2g}%"


def amount(signal: Signal, value: float) -> str:
    """A value in the unit of its signal."""
    if signal.kind in (Kind.FLAG, Kind.CATEGORY):
        return percent(value)
    if signal.unit == "$":
        return f"${value:,.2f}" if abs(value) >= 1 else f"${value:.4g}"
    return f"{number(value)} {signal.unit}".rstrip()


def interval(signal: Signal, low: float | None, high: float | None) -> str:
    """ "(95% interval a to b)", or nothing where there is none."""
    if low is None or high is None:
        return ""
    return f" (95% interval {amount(signal, low)} to {amount(signal, high)})"


def counted(n: int, one: str, many: str = "") -> str:
    """ "1 user", "30 users"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def day(moment: datetime) -> str:
    """A date as people write it: 5 June 2023."""
    return f"{moment.day} {moment:%B %Y}"

"""How numbers, dates and changes are written for people: the same on pages, in mails and in the answers of commands.

Shares are written in per cent, money in US dollars, durations in the unit in which they are short. Nothing is written
with more digits than anybody can use.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from monitor.contracts import WHOLE, Kind, Segment, Signal

ARROW = "→"
MINUS = "−"
MISSING = "–"
_BARS = "▁▂▃▄▅▆▇█"
_MONEY_UNITS = ("$", "usd", "us dollars")
_SECOND_UNITS = ("s", "seconds")


def format_value(signal: Signal, value: float | None, *, with_unit: bool = True) -> str:
    """A value of a signal as people read it: "51.1%", "$0.0042", "1.20 s", "638 characters".

    For categories the value is a share, for vectors a distance between 0 and 2. None and NaN are a dash.
    """
    if value is None or math.isnan(value):
        return MISSING
    if signal.kind in (Kind.FLAG, Kind.CATEGORY):
        return percent(value)
    unit = signal.unit.lower()
    if unit in _MONEY_UNITS:
        return money(value)
    if unit in _SECOND_UNITS:
        return seconds(value)
    text = number(value)
    return f"{text} {_unit(signal.unit, text)}" if with_unit and signal.unit else text


def format_pair(
    signal: Signal, before: float | None, after: float | None, *, with_unit: bool = False
) -> tuple[str, str]:
    """Before and after with equally fine digits: "638", "4 characters"; the unit of plain numbers is said once."""
    if before is not None and after is not None and _is_plain(signal) and max(abs(before), abs(after)) >= 100:
        before, after = (round(value) if abs(value) >= 1 else value for value in (before, after))
    return format_value(signal, before, with_unit=False), format_value(signal, after, with_unit=with_unit)


def format_change(
    signal: Signal, before: float | None, after: float | None, *, arrow: str = ARROW, with_unit: bool = False
) -> str:
    """Before and after in one: "84.0% → 51.1%"."""
    return f" {arrow} ".join(format_pair(signal, before, after, with_unit=with_unit))


def format_interval(signal: Signal, low: float | None, high: float | None) -> str:
    """A 95 % interval: "95% interval 44.0% to 58.1%"; empty where there is none."""
    if low is None or high is None:
        return ""
    return f"95% interval {format_value(signal, low, with_unit=False)} to {format_value(signal, high, with_unit=False)}"


def bracketed(text: str) -> str:
    """ " (text)" for the middle of a sentence; nothing where there is no text."""
    return f" ({text})" if text else ""


def format_difference(signal: Signal, before: float | None, after: float | None) -> str:
    """How much that is: in points for shares ("−32.9 points"), else relative ("−99%", "3.2 times as much")."""
    if before is None or after is None:
        return ""
    if signal.kind in (Kind.FLAG, Kind.CATEGORY):
        points = (after - before) * 100
        return f"{_sign(points)}{abs(points):.1f} points"
    if signal.kind is Kind.VECTOR or not before or before < 0 or after < 0:
        return f"{_sign(after - before)}{number(abs(after - before))}"
    ratio = after / before
    if ratio >= 2:
        return f"{number(ratio)} times as much"
    return f"{_sign(ratio - 1)}{abs(ratio - 1) * 100:.0f}%"


def number(value: float) -> str:
    """A plain number with about three digits that mean something: "12,345", "638", "51.1", "3.9", "0.042"."""
    size = abs(value)
    sign = MINUS if value < 0 else ""
    if size == 0 or math.isinf(size):
        return "0" if size == 0 else f"{sign}∞"
    if size >= 100:
        text = f"{size:,.0f}"
    elif size >= 1:
        text = _trimmed(f"{size:.1f}" if size >= 10 else f"{size:.2f}")
    else:
        text = _trimmed(f"{size:.{min(9, 1 - math.floor(math.log10(size)))}f}")
    return f"{sign}{text}"


def count(value: float) -> str:
    """A whole number with thousands set off: "12,345"."""
    return f"{round(value):,}".replace("-", MINUS)


def plural(value: float, one: str, many: str = "") -> str:
    """A count with its noun: "1 call", "2,300 calls"."""
    return f"{count(value)} {one if round(value) == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """A share between 0 and 1 in per cent: "51.1%", "0.04%", "0%", "100%"."""
    size = abs(share) * 100
    sign = MINUS if share < 0 else ""
    if size in (0, 100):
        return f"{sign}{size:.0f}%"
    if size >= 0.1:
        return f"{sign}{size:.1f}%"
    return f"{sign}{size:.2f}%" if size >= 0.01 else f"{sign}<0.01%"


def money(dollars: float) -> str:
    """US dollars: "$1,234", "$12.50", "$0.0042"."""
    size = abs(dollars)
    sign = MINUS if dollars < 0 else ""
    if size == 0:
        return "$0"
    if size >= 1000:
        return f"{sign}${size:,.0f}"
    if size >= 0.1:
        return f"{sign}${size:.2f}"
    if size < 1e-7:
        return f"{sign}<$0.0000001"
    return f"{sign}${size:.{1 - math.floor(math.log10(size))}f}"


def seconds(value: float) -> str:
    """A duration in the unit in which it is short: "420 ms", "1.20 s", "2 min 5 s"."""
    size = abs(value)
    sign = MINUS if value < 0 else ""
    if size < 0.0005:
        return "0 s" if size == 0 else f"{sign}<1 ms"
    if size < 0.9995:
        return f"{sign}{size * 1000:.0f} ms"
    if size < 99.5:
        return f"{sign}{size:.2f} s" if size < 9.995 else f"{sign}{size:.1f} s"
    minutes, rest = divmod(round(size), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours} h {minutes} min" if hours else f"{sign}{minutes} min {rest} s"


def day(moment: datetime, now: datetime | None = None) -> str:
    """A day in UTC: "14 Oct", with the year where that of `now` is another or unknown: "14 Oct 2023"."""
    moment = moment.astimezone(UTC)
    text = f"{moment.day} {moment:%b}"
    return text if now is not None and now.year == moment.year else f"{text} {moment.year}"


def moment_text(moment: datetime) -> str:
    """A moment in UTC: "14 Oct 2023, 08:05 UTC"."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def period(start: datetime, end: datetime) -> str:
    """The days from `start` up to, not including, `end`: "14 to 20 Oct 2023"."""
    last = end.astimezone(UTC) - timedelta(microseconds=1)
    first = start.astimezone(UTC)
    if first.date() >= last.date():
        return day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {day(last)}"
    return f"{day(first, last)} to {day(last)}"


def duration(length: timedelta) -> str:
    """A length of time in its largest unit: "3 days", "5 hours", "12 minutes"."""
    total = length.total_seconds()
    if total >= 86_400:
        return plural(total // 86_400, "day")
    if total >= 3600:
        return plural(total // 3600, "hour")
    return plural(max(total // 60, 1), "minute")


def segment_text(segment: Segment) -> str:
    """A segment as people say it: "gpt-4 + prime", "language de", "all traffic"."""
    if segment == WHOLE:
        return "all traffic"
    if "+" in segment.dimension or segment.dimension in ("model", "model_family", "provider", "feature"):
        return segment.value
    return f"{dimension_text(segment.dimension)} {segment.value}"


def dimension_text(dimension: str) -> str:
    """A dimension as people say it: "prompt version", "model family + feature", "plan" for the tag `tag.plan`."""
    if not dimension:
        return "all traffic"
    return " + ".join(part.removeprefix("tag.").replace("_", " ") for part in dimension.split("+"))


def sparkline(values: Sequence[float | None]) -> str:
    """One bar a value, from the smallest to the largest; a dot where there is none."""
    present = [value for value in values if value is not None and not math.isnan(value)]
    if not present:
        return ""
    low, high = min(*present, 0.0), max(present)
    span = (high - low) or 1.0
    return "".join(
        "·" if value is None or math.isnan(value) else _BARS[round((value - low) / span * (len(_BARS) - 1))]
        for value in values
    )


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names in a row, each cut to a bearable length: "a", "a and b", "a, b, c and 4 more"."""
    shown = [shortened(name, 60) for name in names[:most]]
    if len(names) > most:
        shown.append(f"{count(len(names) - most)} more")
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else ""


def shortened(text: str, length: int) -> str:
    """The text on one line, cut to a length with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def _unit(unit: str, number: str) -> str:
    """The unit of a number: one word, not one words; abbreviations stay."""
    return unit.removesuffix("s") if number == "1" and len(unit) > 3 else unit


def _is_plain(signal: Signal) -> bool:
    return signal.kind is Kind.NUMBER and signal.unit.lower() not in (*_MONEY_UNITS, *_SECOND_UNITS)


def _sign(value: float) -> str:
    return MINUS if value < 0 else "+"


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text

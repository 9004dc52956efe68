"""From what the queries answer to lines and bars: every block of the range, its text, and the calls behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from dashboards.charts import Series
from dashboards.filters import Request
from monitor import wording
from monitor.clock import BlockLength, block_start
from monitor.contracts import Block, Kind, Segment, Signal
from monitor.profile import Profile
from monitor.signals import describe

Point = TypeVar("Point")
MAX_BLOCKS = 800


def blocks(request: Request) -> list[datetime]:
    """The starts of the blocks of the range, up to the newest call."""
    last = min(request.end, request.latest + timedelta(microseconds=1)) if request.latest else request.end
    return list(_starts(request, last))[-MAX_BLOCKS:]


def _starts(request: Request, last: datetime) -> Iterator[datetime]:
    start = block_start(request.start, request.length)
    while start < last:
        yield start
        start += request.length.duration


def when(request: Request, start: datetime) -> str:
    """A block in words: its day, or its hour."""
    return wording.moment_text(start) if request.length is BlockLength.HOUR else wording.day(start)


def calls_link(request: Request, start: datetime, signal: str = "", segment: Segment | None = None) -> str:
    """Address of the calls of one block; `signal` is a condition on them."""
    return request.link("/explorer", start=start, end=start + request.length.duration, segment=segment, signal=signal)


def course(
    request: Request,
    name: str,
    points: Mapping[datetime, Point],
    value: Callable[[Point], float | None],
    spoken: Callable[[float], str],
    *,
    signal: str = "",
    segment: Segment | None = None,
    missing: float | None = None,
) -> Series:
    """One line: a value for every block of the range, `missing` where a block has no point."""
    starts = blocks(request)
    values = [value(points[start]) if start in points else missing for start in starts]
    return Series(
        name,
        starts,
        values,
        [
            f"{when(request, start)}: {name}, {'none' if number is None else spoken(number)}"
            for start, number in zip(starts, values, strict=True)
        ],
        [calls_link(request, start, signal, segment) for start in starts],
    )


def block_course(
    request: Request,
    name: str,
    found: Sequence[Block],
    signal: Signal,
    interval: Callable[[Profile], tuple[float, float] | None],
    *,
    condition: str = "",
    segment: Segment | None = None,
) -> Series:
    """The mean of a number or flag by block, with the interval of each."""
    by_start = {block.start: block.profile for block in found}
    starts = blocks(request)
    values: list[float | None] = []
    lows: list[float | None] = []
    highs: list[float | None] = []
    texts = []
    for start in starts:
        profile = by_start.get(start)
        mean = profile.mean if profile else None
        bounds = interval(profile) if profile else None
        values.append(mean)
        lows.append(bounds[0] if bounds else None)
        highs.append(bounds[1] if bounds else None)
        said = wording.format_value(signal, mean) if mean is not None else "no data"
        between = wording.format_interval(signal, *bounds) if bounds else ""
        many = f", {wording.plural(profile.n, 'call')}" if profile else ""
        texts.append(f"{when(request, start)}: {said}{f' ({between})' if between else ''}{many}")
    links = [calls_link(request, start, condition or signal.name, segment) for start in starts]
    return Series(name, starts, values, texts, links, lows, highs)


def signal_of(name: str) -> Signal:
    """The signal of a measured name, for the axis of its chart."""
    kinds = {"error": Kind.FLAG}
    return describe(name, kinds.get(name, Kind.NUMBER))

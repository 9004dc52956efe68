"""Makes the detectors of a project afresh from its healthy past: which streams, their scales and baselines, their
levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from monitor.clock import BlockLength, to_microseconds
from monitor.contracts import Block, Indicator, Segment, Signal
from monitor.detectors.baseline import fit
from monitor.detectors.findings import hour_of_week
from monitor.detectors.gauges import Scale, scale_of
from monitor.detectors.lane import MIN_USERS, REACH
from monitor.detectors.memory import Detector
from monitor.profile import Floats, merge
from monitor.queries.series import Stream, read_profiles
from monitor.stats.budget import look_levels
from monitor.stats.windows import HEALTHY, Standing
from monitor.store import Store

MIN_DAYS = 7
MIN_USERS_KNOWN = 200
NEWEST_DAYS = 7
_CHUNK = timedelta(days=2)
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_HARM_ONLY = ("safety", "usage", "cost")


@dataclass(frozen=True)
class Candidate:
    """A stream that an indicator asks about, with its day blocks of the eight weeks before and what alerts said."""

    indicator: Indicator
    signal: Signal
    segment: Segment
    days: Sequence[Block]
    standing: Standing = HEALTHY

    @property
    def stream(self) -> tuple[str, str, str, str]:
        """Indicator, signal, dimension and value."""
        return self.indicator.name, self.signal.name, self.segment.dimension, self.segment.value

    @property
    def healthy(self) -> list[Block]:
        """The days that may teach what is usual."""
        return [block for block in self.days if self.standing.healthy(block.start)]


def is_enough(candidate: Candidate, day: datetime) -> bool:
    """True for a stream that hours can say something about: usually enough users a day, and a known past."""
    return has_users(candidate.days, candidate.healthy, day)


def has_users(days: Sequence[Block], healthy: Sequence[Block], day: datetime) -> bool:
    """True where the healthy days before `day` are known well enough, and the newest days have enough users."""
    if len(healthy) < MIN_DAYS or sum(block.profile.users for block in healthy) < MIN_USERS_KNOWN:
        return False
    newest = [block.profile.users for block in days if block.start >= day - NEWEST_DAYS * _DAY]
    return bool(newest) and float(np.mean(newest)) * len(newest) / NEWEST_DAYS >= MIN_USERS


def learn(
    store: Store,
    project_id: int,
    candidates: Iterable[Candidate],
    *,
    start: datetime,
    day: datetime,
    budget: float,
    known: dict[tuple[str, str, str, str], Detector],
    beside: float = 0.0,
) -> list[Detector]:
    """The detectors as of midnight of `day`, from the hours since midnight of `start`.

    Those `known` keep what they wait for and how long they have run. The lane's part of the budget is shared with
    others of weight `beside`.
    """
    chosen: list[tuple[Candidate, Scale]] = []
    for candidate in candidates:
        if is_enough(candidate, day):
            merged = merge((block.profile for block in candidate.healthy), candidate.signal.kind)
            scale = scale_of(candidate.signal, merged, harm_only=candidate.indicator.family in _HARM_ONLY)
            if scale is not None and scale.gauges:
                chosen.append((candidate, scale))
    levels = look_levels([candidate.signal.weight for candidate, _ in chosen], budget, beside)
    hours = _Hours(chosen, start, (day - start) // _HOUR)
    names = sorted({candidate.signal.name for candidate, _ in chosen})
    segments = sorted({candidate.segment for candidate, _ in chosen}, key=str)
    moment = start
    while moment < day and chosen:
        end = min(moment + _CHUNK, day)
        hours.add(read_profiles(store, project_id, BlockLength.HOUR, moment, end, signals=names, segments=segments))
        moment = end
    return [
        _detector(candidate, scale, level, hours.of(place), start=start, day=day, known=known.get(candidate.stream))
        for place, ((candidate, scale), level) in enumerate(zip(chosen, levels, strict=True))
    ]


@dataclass(frozen=True)
class _Past:
    """The hours of one stream: users, sums by gauge, and calls in all."""

    users: Floats
    sums: Floats
    calls: float


class _Hours:
    """The hours of many streams, gathered a few days at a time."""

    def __init__(self, chosen: Sequence[tuple[Candidate, Scale]], start: datetime, hours: int) -> None:
        self._chosen, self._start = chosen, start
        # Single precision: these are many streams times eight weeks.
        self._values = [np.zeros((1 + len(scale.gauges), hours), dtype=np.float32) for _, scale in chosen]
        self._calls = np.zeros(len(chosen))

    def add(self, read: Mapping[Stream, Sequence[Block]]) -> None:
        """Adds what was read of some days."""
        for place, (candidate, scale) in enumerate(self._chosen):
            found = read.get((candidate.segment, candidate.signal.name), ())
            blocks = [block for block in found if block.profile.kind is candidate.signal.kind]
            if blocks:
                places = [(block.start - self._start) // _HOUR for block in blocks]
                users, sums = scale.measure([block.profile for block in blocks])
                self._values[place][0, places] = users
                self._values[place][1:, places] = sums.T
                self._calls[place] += sum(block.profile.n for block in blocks)

    def of(self, place: int) -> _Past:
        """The hours of one stream."""
        values = self._values[place].astype(np.float64)
        return _Past(values[0], values[1:], float(self._calls[place]))


def _detector(
    candidate: Candidate,
    scale: Scale,
    level: float,
    past: _Past,
    *,
    start: datetime,
    day: datetime,
    known: Detector | None,
) -> Detector:
    users, sums = past.users, past.sums
    healthy = _healthy(candidate.standing, start, len(users))
    noise = np.array([np.nan if gauge.noise is None else gauge.noise for gauge in scale.gauges])
    baselines = fit(
        np.repeat((users * healthy)[None], len(scale.gauges), axis=0),
        sums * healthy,
        hour_of_week(start),
        noise,
        min(1.0, float(users.sum()) / max(past.calls, 1.0)),
    )
    newest = slice(-1, -REACH - 1, -1)
    rings = np.zeros((1 + len(scale.gauges), REACH))
    is_calm = known is None or known.trouble is None
    if is_calm:
        recent = np.concatenate([(users * healthy)[None, newest], (sums * healthy)[:, newest]])
        rings[:, : recent.shape[1]] = recent
    return Detector(
        indicator=candidate.indicator.name,
        signal=candidate.signal.name,
        segment=candidate.segment,
        scale=scale,
        baselines=baselines,
        level=level,
        started=known.started if known else to_microseconds(day),
        fitted=to_microseconds(day),
        blocks=known.blocks if known else 0,
        rings=rings,
        trouble=known.trouble if known and known.scale.gauges == scale.gauges else None,
    )


def _healthy(standing: Standing, start: datetime, hours: int) -> Floats:
    if standing == HEALTHY:
        return np.ones(hours)
    return np.array([standing.healthy(start + number * _HOUR) for number in range(hours)], dtype=np.float64)

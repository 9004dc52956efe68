"""Makes the detectors of a project afresh from its healthy past: which streams, their scales and baselines, their
levels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from monitor.queries.series import read_profiles
from monitor.stats.budget import look_levels
from monitor.stats.windows import HEALTHY, Standing
from monitor.store import Store

MIN_DAYS = 7
MIN_USERS_KNOWN = 200
NEWEST_DAYS = 7
_CHUNK = timedelta(days=7)
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
    healthy = candidate.healthy
    if len(healthy) < MIN_DAYS or sum(block.profile.users for block in healthy) < MIN_USERS_KNOWN:
        return False
    newest = [block.profile.users for block in candidate.days if block.start >= day - NEWEST_DAYS * _DAY]
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
) -> list[Detector]:
    """The detectors as of midnight of `day`, from the hours since midnight of `start`.

    Those `known` keep what they wait for and how long they have run.
    """
    chosen: list[tuple[Candidate, Scale]] = []
    for candidate in candidates:
        if is_enough(candidate, day):
            merged = merge((block.profile for block in candidate.healthy), candidate.signal.kind)
            scale = scale_of(candidate.signal, merged, harm_only=candidate.indicator.family in _HARM_ONLY)
            if scale is not None and scale.gauges:
                chosen.append((candidate, scale))
    levels = look_levels([candidate.signal.weight for candidate, _ in chosen], budget)
    by_signal: dict[str, list[tuple[Candidate, Scale, float]]] = {}
    for (candidate, scale), level in zip(chosen, levels, strict=True):
        by_signal.setdefault(candidate.signal.name, []).append((candidate, scale, level))
    found: list[Detector] = []
    for name, some in sorted(by_signal.items()):
        found += _fitted(store, project_id, name, some, start=start, day=day, known=known)
    return found


def _fitted(
    store: Store,
    project_id: int,
    name: str,
    chosen: Sequence[tuple[Candidate, Scale, float]],
    *,
    start: datetime,
    day: datetime,
    known: dict[tuple[str, str, str, str], Detector],
) -> list[Detector]:
    """The detectors of all streams of one signal; the hours are read a week at a time."""
    hours = (day - start) // _HOUR
    users = [np.zeros(hours) for _ in chosen]
    sums = [np.zeros((len(scale.gauges), hours)) for _, scale, _ in chosen]
    calls = np.zeros(len(chosen))
    segments = sorted({candidate.segment for candidate, _, _ in chosen}, key=lambda item: (item.dimension, item.value))
    moment = start
    while moment < day:
        end = min(moment + _CHUNK, day)
        read = read_profiles(store, project_id, BlockLength.HOUR, moment, end, signals=[name], segments=segments)
        for place, (candidate, scale, _) in enumerate(chosen):
            blocks = [
                block
                for block in read.get((candidate.segment, name), ())
                if block.profile.kind is candidate.signal.kind
            ]
            if blocks:
                places = [(block.start - start) // _HOUR for block in blocks]
                users[place][places], measured = scale.measure([block.profile for block in blocks])
                sums[place][:, places] = measured.T
                calls[place] += sum(block.profile.n for block in blocks)
        moment = end
    return [
        _detector(candidate, scale, level, (users[place], sums[place]), float(calls[place]), start, day, known)
        for place, (candidate, scale, level) in enumerate(chosen)
    ]


def _detector(  # noqa: PLR0917
    candidate: Candidate,
    scale: Scale,
    level: float,
    hours: tuple[Floats, Floats],
    calls: float,
    start: datetime,
    day: datetime,
    known: dict[tuple[str, str, str, str], Detector],
) -> Detector:
    users, sums = hours
    healthy = np.array(
        [candidate.standing.healthy(start + number * _HOUR) for number in range(len(users))], dtype=np.float64
    )
    noise = np.array([np.nan if gauge.noise is None else gauge.noise for gauge in scale.gauges])
    baselines = fit(
        np.repeat((users * healthy)[None], len(scale.gauges), axis=0),
        sums * healthy,
        hour_of_week(start),
        noise,
        min(1.0, float(users.sum()) / max(calls, 1.0)),
    )
    before = known.get(candidate.stream)
    newest = slice(-1, -REACH - 1, -1)
    rings = np.concatenate([users[None, newest], sums[:, newest]])
    return Detector(
        indicator=candidate.indicator.name,
        signal=candidate.signal.name,
        segment=candidate.segment,
        scale=scale,
        baselines=baselines,
        level=level,
        started=before.started if before else to_microseconds(day),
        fitted=to_microseconds(day),
        blocks=before.blocks if before else 0,
        rings=rings if before is None or before.trouble is None else np.zeros_like(rings),
        trouble=before.trouble if before and before.scale.gauges == scale.gauges else None,
    )

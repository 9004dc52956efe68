"""Drives the fast lane from the store: every closed hour once, in order, for all streams of a project together.

Detectors are made afresh at midnight when their baselines are old: after three days in a young project, else ten.
Only alarms, and the end of what was alarmed, are written as verdicts; the rest stays in the detectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from scipy.special import bdtr

from monitor.clock import BlockLength, block_start, from_microseconds
from monitor.contracts import Block, Signal, Verdict
from monitor.detectors.amount_lane import AmountTask, AmountWatch, knows
from monitor.detectors.amount_memory import AmountDetector
from monitor.detectors.findings import Alarm, Said, hour_of_week, told
from monitor.detectors.lane import MIN_USERS, UP, Look
from monitor.detectors.learning import MIN_DAYS, Candidate, learn
from monitor.detectors.memory import Detector, Fleet, Trouble
from monitor.detectors.standings import Standings
from monitor.detectors.storing import read_amounts, read_detectors, replace_detectors, save_hours
from monitor.profile import Floats
from monitor.queries.series import Stream, read_profiles, read_series
from monitor.stats.budget import FAST
from monitor.stats.windows import REFERENCE, Standing
from monitor.store import Store

SETTLES = timedelta(minutes=10)
"""How long after its end an hour is closed."""

CALM_HOURS = (6, 12, 24)
"""The windows that are asked whether a trouble is over."""

CALM_RISK = 0.001
_HISTORY = timedelta(days=7)
_OLDEST_BASELINE = timedelta(days=10)
_YOUNGEST_BASELINE = timedelta(days=3)
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Task:
    """What the lane needs to know of a project: `candidates` gives the streams of a day, `signals` what names mean,
    `standings` what alerts and people say, `is_ready` whether the profiles up to a moment are complete, `declared` when
    people last said something, `amounts` the lane of calls and money."""

    store: Store
    project_id: int
    budget: float
    first: datetime
    candidates: Callable[[datetime], Sequence[Candidate]]
    signal: Callable[[str, Block], Signal]
    standings: Standings
    is_ready: Callable[[datetime], bool]
    amounts: AmountTask
    declared: datetime | None = None


def watch(task: Task, hour: datetime | None, until: datetime) -> tuple[list[Said], datetime | None]:
    """Looks at the closed hours after `hour`, the newest that was looked at, which end by `until`.

    Stops after the first hour on which there is something to say: alerts must move before the next. Answers that, and
    the newest hour looked at now.
    """
    until = block_start(until, BlockLength.HOUR)
    moment = task.first + MIN_DAYS * _DAY if hour is None else hour + _HOUR
    if hour is None:
        hour = moment - _HOUR if moment + _HOUR <= until else None
    stored = read_detectors(task.store, task.project_id) if moment + _HOUR <= until else []
    detectors = [detector for detector in stored if _knows(task, detector)]
    counted = read_amounts(task.store, task.project_id) if moment + _HOUR <= until else []
    counted = [detector for detector in counted if knows(task.amounts, detector)]
    while moment + _HOUR <= until and task.is_ready(moment + _HOUR):
        day = block_start(moment, BlockLength.DAY)
        if moment == day and _is_due(task, detectors, day):
            stored = detectors = _learn(task, day, detectors)
        if moment == day:
            counted = _learn_amounts(task, day, stored, counted)
        end = min(day + _DAY, until)
        while end > moment + _HOUR and not task.is_ready(end):
            end -= _HOUR
        if not detectors and not counted:
            moment = day + _DAY if end == day + _DAY else end
        else:
            said, moment = _advance(task, detectors, counted, moment, end)
            if said:
                return said, moment - _HOUR
        hour = moment - _HOUR
    return [], hour


def _is_due(task: Task, detectors: Sequence[Detector], day: datetime) -> bool:
    if not detectors:
        return True
    fitted = from_microseconds(detectors[0].fitted)
    if task.declared is not None and fitted <= task.declared < day:
        return True
    return day - fitted >= min(_OLDEST_BASELINE, max(_YOUNGEST_BASELINE, (day - task.first) / 2))


def _knows(task: Task, detector: Detector) -> bool:
    """False for a detector that was made before somebody accepted another level: it waits to be made afresh."""
    accepted = task.standings.of(detector.stream).accepted
    return accepted is None or from_microseconds(detector.fitted) > accepted


def _advance(
    task: Task, detectors: list[Detector], counted: list[AmountDetector], start: datetime, end: datetime
) -> tuple[list[Said], datetime]:
    """Advances by the hours in [start, end), at most to the first with something to say; answers where it stopped."""
    watched = AmountWatch(task.amounts, counted, start, end)
    shares = _shares(task, detectors, start, end) if detectors else None
    said: list[Said] = []
    moment = start
    while moment < end and not said:
        if shares is not None:
            fleet, users, sums = shares
            number = (moment - start) // _HOUR
            found = fleet.advance(hour_of_week(moment), users[:, number], sums[:, number])
            said = _alarms(task, fleet, found, moment + _HOUR) + _calm(task, fleet, moment + _HOUR)
        said += watched.advance(moment)
        moment += _HOUR
    if shares is not None:
        shares[0].store()
    save_hours(task.store, task.project_id, [*detectors, *counted], moment - _HOUR, (moment - start) // _HOUR)
    return said, moment


def _shares(task: Task, detectors: list[Detector], start: datetime, end: datetime) -> tuple[Fleet, Floats, Floats]:
    """The detectors of shares and scores, with what they read in the hours in [start, end)."""
    read = read_profiles(
        task.store,
        task.project_id,
        BlockLength.HOUR,
        start,
        end,
        signals=sorted({detector.signal for detector in detectors}),
    )
    fleet = Fleet(detectors, hour_of_week(start - _HOUR))
    users, sums = _measured(fleet, read, start, (end - start) // _HOUR)
    for place, (detector, span) in enumerate(zip(fleet.detectors, fleet.spans, strict=True)):
        standing = task.standings.of(detector.stream)
        for number in range(users.shape[1]) if standing.unjudged else ():
            if not standing.judged(start + number * _HOUR):
                users[span, number], sums[span, number] = 0.0, 0.0
        if detector.trouble is not None and standing.open_since is None:
            detector.trouble = None
            fleet.forget(place)
    return fleet, users, sums


def _measured(
    fleet: Fleet, read: Mapping[Stream, Sequence[Block]], start: datetime, hours: int
) -> tuple[Floats, Floats]:
    users, sums = np.zeros((fleet.gauges, hours)), np.zeros((fleet.gauges, hours))
    for detector, span in zip(fleet.detectors, fleet.spans, strict=True):
        blocks = [
            block
            for block in read.get((detector.segment, detector.signal), ())
            if str(block.profile.kind) == detector.scale.kind
        ]
        if blocks:
            places = [(block.start - start) // _HOUR for block in blocks]
            people, measured = detector.scale.measure([block.profile for block in blocks])
            users[span, places], sums[span, places] = people, measured.T
    return users, sums


def _alarms(task: Task, fleet: Fleet, found: Look, end: datetime) -> list[Said]:
    said: list[Said] = []
    alarmed = found.alarmed
    for place, (detector, span) in enumerate(zip(fleet.detectors, fleet.spans, strict=True)):
        if not alarmed[span].any():
            continue
        standing = task.standings.of(detector.stream)
        if standing.open_since is not None:
            continue
        beyond = np.where(alarmed[span], found.evidence[span] - found.needed[span], -np.inf)
        gauge = int(np.argmax(beyond))
        answer = _answered(task, detector, standing, found=found, gauge=gauge, chosen=span.start + gauge, end=end)
        if answer is not None:
            said.append(answer)
            fleet.forget(place)
    return said


def _answered(
    task: Task, detector: Detector, standing: Standing, *, found: Look, gauge: int, chosen: int, end: datetime
) -> Said | None:
    day = block_start(end - _HOUR, BlockLength.DAY)
    hours = _series(task, detector, BlockLength.HOUR, end - _HISTORY, end)
    days = _series(task, detector, BlockLength.DAY, day - REFERENCE, day)
    days = [block for block in days if standing.healthy(block.start)]
    hours = [block for block in hours if standing.healthy(block.start)]
    if not hours or not days or hours[-1].profile.kind is not days[-1].profile.kind:
        return None
    signal = task.signal(detector.signal, hours[-1])
    alarm = Alarm(
        signal,
        detector.segment,
        end,
        gauge,
        int(found.side[chosen]),
        int(found.window[chosen]),
        float(found.evidence[chosen]),
        float(found.needed[chosen]),
    )
    answer = told(alarm, detector.scale, detector.baselines, hours, days)
    if answer is None:
        return None
    verdict, since, value = answer
    detector.trouble = Trouble(gauge, alarm.side, value)
    return Said(detector.indicator, signal, detector.segment, end - _HOUR, since, verdict)


def _series(task: Task, detector: Detector, length: BlockLength, start: datetime, end: datetime) -> list[Block]:
    return read_series(
        task.store, task.project_id, length, start, end, signal=detector.signal, segment=detector.segment
    )


def _calm(task: Task, fleet: Fleet, end: datetime) -> list[Said]:
    """What was alarmed by hours and is over, by what `_is_over` asks."""
    said: list[Said] = []
    for place, (detector, span) in enumerate(zip(fleet.detectors, fleet.spans, strict=True)):
        trouble = detector.trouble
        standing = task.standings.of(detector.stream)
        if trouble is None or standing.open_since is None:
            continue
        gauge = span.start + trouble.gauge
        sums = [np.cumsum(ring[gauge]) for ring in (fleet.rings.users, fleet.rings.sums, fleet.rings.usual)]
        for hours in CALM_HOURS:
            if end - standing.open_since < hours * _HOUR:
                break
            users, seen, usual = (float(part[hours - 1]) for part in sums)
            if _is_over(trouble, users, seen, usual, float(fleet.rules.shown[gauge])):
                detector.trouble = None
                fleet.forget(place)
                said.append(_over(task, detector, end, hours, users))
                break
    return said


def _is_over(trouble: Trouble, users: float, seen: float, usual: float, shown: float) -> bool:
    """At least thirty users, back within what does not matter, and less than a quarter of the change left: by a
    binomial tail of one in a thousand, since it is asked again every hour, and the change was at its largest when it
    alarmed."""
    if users < MIN_USERS:
        return False
    worst = trouble.value * users
    if trouble.side != UP:
        seen, usual, worst = users - seen, users - usual, users - worst
    quarter = min(max((0.75 * usual + 0.25 * worst) / users, 1e-9), 1 - 1e-9)
    left = float(bdtr(math.floor(seen), round(users), quarter))
    return seen <= usual + shown / 2 * users and left < CALM_RISK


def _over(task: Task, detector: Detector, end: datetime, hours: int, units: float) -> Said:
    blocks = _series(task, detector, BlockLength.HOUR, end - hours * _HOUR, end)
    signal = task.signal(detector.signal, blocks[-1])
    n = sum(block.profile.n for block in blocks)
    total = sum(block.profile.total for block in blocks)
    verdict = Verdict(
        "ok",
        f"{signal.title}: as usual again in the last {hours} hours.",
        value=total / n if n and blocks[-1].profile.mean is not None else None,
        n=n,
        effective_n=units,
        detail={"lane": FAST, "over": True},
    )
    return Said(detector.indicator, signal, detector.segment, end - _HOUR, end - hours * _HOUR, verdict)


def _learn(task: Task, day: datetime, detectors: Sequence[Detector]) -> list[Detector]:
    start = max(day - REFERENCE, block_start(task.first, BlockLength.DAY))
    known = {detector.stream: detector for detector in detectors}
    found = learn(
        task.store,
        task.project_id,
        task.candidates(day),
        start=start,
        day=day,
        budget=task.budget,
        known=known,
        beside=task.amounts.weight,
    )
    replace_detectors(task.store, task.project_id, found, day - _HOUR)
    return found


def _learn_amounts(
    task: Task, day: datetime, others: Sequence[Detector], counted: Sequence[AmountDetector]
) -> list[AmountDetector]:
    start = max(day - REFERENCE, block_start(task.first, BlockLength.DAY))
    found = task.amounts.learn(start, day, [detector.level for detector in others], counted)
    replace_detectors(task.store, task.project_id, found, day - _HOUR, "amount")
    return found

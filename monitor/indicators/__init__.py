"""Indicators: one question each, asked of every stream it applies to, of closed hours and of closed days.

`judge` takes the closed hours that were not looked at yet, for each project, up to the first with something to say,
then the oldest day that is not judged yet, and stops there: alerts that are opened or resolved decide what comes next
is compared with, so the caller moves the alerts and calls again while something was judged. An hour is looked at ten
minutes after its end (`monitor.detectors`), a day a quarter of an hour after, once their calls have their signals and
profiles; data that come later change the profiles but not the verdict. The pulse is judged once an hour.
"""

from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from monitor import errors, tables
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.contracts import (
    DAYS_A_USER,
    DAYS_A_USER_OF_OTHERS,
    WHOLE,
    Block,
    Evidence,
    Indicator,
    Kind,
    Segment,
    Signal,
    Verdict,
    collect,
)
from monitor.detectors.amount_lane import AmountTask, Counted
from monitor.detectors.hours import SETTLES, Task, watch
from monitor.detectors.learning import Candidate, has_users
from monitor.detectors.standings import Standings, standings
from monitor.detectors.verdicts import AlertStream, mark_name, read_mark, save, verdict_row
from monitor.identifiers import id_floor
from monitor.poisoning.days import count_days
from monitor.profile import OTHER, merge
from monitor.queries.declared import changed
from monitor.queries.facts import pulse_facts
from monitor.queries.fairness import distinct_users
from monitor.queries.series import Stream, first_block, read_profiles
from monitor.settings import Settings
from monitor.signals import FEEDBACK_PREFIX, describe, registry
from monitor.stats.budget import QUARTER_DAYS, SHARES, SLOW
from monitor.stats.windows import LONG_WINDOW, REFERENCE, Standing, Window, filled, windows
from monitor.store import Row, Store, table_of

_PENDING = table_of(tables.Pending)
_DIRTY = table_of(tables.DirtyBlock)
_PROJECT = table_of(tables.Project)

CLOSED_AFTER = timedelta(minutes=15)
WAIT_AT_MOST = {BlockLength.HOUR: timedelta(hours=2), BlockLength.DAY: timedelta(hours=6)}
WINDOWS_A_QUARTER = QUARTER_DAYS
LOOKS_A_WINDOW = 4
# While an alert is open, "is it over?" is asked at the usual 5 %.
LOOKS_WHILE_OPEN = 20
DAYS_A_WEEK = 7
NEARLY_ALL = 0.98
EVERY_CALL = "calls"
UNKNOWN_GROUPS = (OTHER, "und")
_DAY = timedelta(days=1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Question:
    indicator: Indicator
    signal: Signal
    segment: Segment
    windows: Sequence[Window]
    is_open: bool = False
    facts: Mapping[str, float] = field(default_factory=dict)

    @property
    def stream(self) -> AlertStream:
        return self.indicator.name, self.signal.name, self.segment.dimension, self.segment.value


@dataclass(frozen=True)
class _Day:
    store: Store
    settings: Settings
    project_id: int
    start: datetime
    now: datetime
    streams: Mapping[Stream, Sequence[Block]]
    standings: Standings
    signals: Mapping[str, Signal]
    first: datetime
    same_as_whole: frozenset[Segment]
    older: dict[Stream, Sequence[Block]] = field(default_factory=dict)
    distinct: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def end(self) -> datetime:
        return self.start + _DAY


def judge(store: Store, settings: Settings, now: datetime) -> int:
    """Judges the oldest closed, not yet judged day of each project; answers how many verdicts were written.

    Zero means that nothing is left to judge: call again, after moving the alerts, until then.
    """
    pack = collect(importlib.import_module("monitor.indicators"), Indicator)
    with store.read() as connection:
        projects = list(connection.execute(select(_PROJECT.c.id).order_by(_PROJECT.c.id)).scalars())
    return sum(
        _judge_pulse(store, project_id, now, pack)
        # Hours first, in order: what they open decides what a day is compared with.
        + (
            _watch_hours(store, settings, project_id, now, pack)
            or _judge_next_day(store, settings, project_id, now, pack)
        )
        for project_id in projects
    )


def asks_of(indicator: Indicator, signal: Signal) -> bool:
    """True where the indicator judges the signal: it applies, and the signal has a share of the allowance."""
    return signal.weight > 0 and indicator.applies(signal)


def skip_days(store: Store, project: str, until: datetime) -> None:
    """Days that begin before `until`, and their hours, are not judged: they only teach what is usual."""
    first = block_start(until, BlockLength.DAY)
    first += _DAY if first < until else timedelta()
    project_id = store.project(project, to_microseconds(until))
    save(store, project_id, [], mark_name("judged", project_id), first - _DAY)
    skip_hours(store, project, first)


def skip_hours(store: Store, project: str, until: datetime) -> None:
    """Hours that end by `until` are not looked at."""
    project_id = store.project(project, to_microseconds(until))
    save(store, project_id, [], mark_name("hours", project_id), until - BlockLength.HOUR.duration)


def _watch_hours(
    store: Store, settings: Settings, project_id: int, now: datetime, pack: Mapping[str, Indicator]
) -> int:
    first = first_block(store, project_id, BlockLength.DAY)
    if first is None:
        return 0
    mark = mark_name("hours", project_id)
    judged = read_mark(store, mark_name("judged", project_id))
    until = now - SETTLES
    day_end = (first if judged is None else judged + _DAY) + _DAY
    if day_end + CLOSED_AFTER <= now and _is_complete(store, project_id, BlockLength.DAY, day_end, now):
        until = min(until, day_end)  # That day is judged before its next hours are.
    reached = read_mark(store, mark)
    known = standings(store, project_id, BlockLength.HOUR, _amounts(pack))
    task = Task(
        store=store,
        project_id=project_id,
        budget=settings.alarm_budget,
        first=first,
        candidates=lambda day: _candidates(
            _work(
                store,
                settings,
                project_id,
                day=day - _DAY,
                now=day,
                first=first,
                pack=pack,
                segments=_busy(store, project_id, day),
            ),
            pack,
        ),
        signal=lambda name, block: _signal(name, block.profile.kind, registry()),
        standings=known,
        amounts=AmountTask(store, project_id, _counted(pack), known, settings.alarm_budget),
        declared=changed(store, project_id),
        is_ready=lambda end: _is_complete(store, project_id, BlockLength.HOUR, end, now),
    )
    said, newest = watch(task, reached, until)
    if newest is None or newest == reached:
        return 0
    rows = [
        verdict_row(
            project_id,
            (item.indicator, item.signal.name, item.segment.dimension, item.segment.value),
            item.verdict,
            start=item.hour,
            end=item.hour + BlockLength.HOUR.duration,
            window=item.since,
            now=now,
        )
        for item in said
    ]
    save(store, project_id, rows, mark, newest)
    return len(rows)


def _busy(store: Store, project_id: int, day: datetime) -> list[Segment] | None:
    """The segments with enough users to be looked at by the hour, since no signal has more of them than the calls have;
    None (any) where calls are not counted."""
    calls = _days_before(store, project_id, day, signals=[EVERY_CALL])
    if not calls:
        return None
    return [segment for (segment, _), blocks in calls.items() if has_users(blocks, blocks, day)]


def _candidates(work: _Day, pack: Mapping[str, Indicator]) -> list[Candidate]:
    """The streams that may have a detector after this day: those that the slow lane asks about, but for amounts."""
    return [
        Candidate(indicator, work.signals[name], segment, blocks, work.standings.of(key))
        for indicator in pack.values()
        if indicator.hourly and indicator.against == "past" and not indicator.overall_only
        for (segment, name), blocks in work.streams.items()
        if asks_of(indicator, work.signals[name]) and segment not in work.same_as_whole
        for key in [(indicator.name, name, segment.dimension, segment.value)]
    ]


def _judge_next_day(
    store: Store, settings: Settings, project_id: int, now: datetime, pack: Mapping[str, Indicator]
) -> int:
    first = first_block(store, project_id, BlockLength.DAY)
    if first is None:
        return 0
    mark = mark_name("judged", project_id)
    judged = read_mark(store, mark)
    day = first if judged is None else judged + _DAY
    while day + _DAY + CLOSED_AFTER <= now and _is_complete(store, project_id, BlockLength.DAY, day + _DAY, now):
        count_days(store, settings, project_id, day, first)
        rows, cost = _judge_day(store, settings, project_id, day=day, now=now, first=first, pack=pack)
        save(store, project_id, rows, mark, day, looks=len(rows), cost=cost)
        if rows:
            return len(rows)
        day += _DAY
    return 0


def _is_complete(store: Store, project_id: int, length: BlockLength, end: datetime, now: datetime) -> bool:
    """True where no call before `end` still waits for its signals or profiles; nothing is waited for too long."""
    patience = to_microseconds(now - WAIT_AT_MOST[length])
    with store.read() as connection:
        pending = connection.execute(
            select(_PENDING.c.id)
            .where(
                _PENDING.c.project_id == project_id,
                _PENDING.c.id < id_floor(end),
                _PENDING.c.received > patience,
            )
            .limit(1)
        ).first()
        dirty = connection.execute(
            select(_DIRTY.c.start)
            .where(
                _DIRTY.c.project_id == project_id,
                _DIRTY.c.length.like(f"{length}%"),
                _DIRTY.c.start < to_microseconds(end),
                _DIRTY.c.since > patience,
            )
            .limit(1)
        ).first()
    return pending is None and dirty is None


def _judge_day(
    store: Store,
    settings: Settings,
    project_id: int,
    *,
    day: datetime,
    now: datetime,
    first: datetime,
    pack: Mapping[str, Indicator],
) -> tuple[list[Row], float]:
    """The verdicts of a day, and the false alarms they may cost."""
    work = _work(store, settings, project_id, day=day, now=now, first=first, pack=pack)
    questions = list(_questions(work, pack.values()))
    looks = sum(
        question.signal.weight * (1 if question.indicator.overall_only else LOOKS_A_WINDOW) for question in questions
    )
    looks *= WINDOWS_A_QUARTER
    looks /= settings.alarm_budget * SHARES[SLOW]
    asked = [(question, max(1, math.ceil(looks / question.signal.weight))) for question in questions]
    rows = [row for question, share in asked if (row := _answer(work, question, share)) is not None]
    return rows, sum(len(question.windows) / share for question, share in asked if not question.is_open)


def _work(
    store: Store,
    settings: Settings,
    project_id: int,
    *,
    day: datetime,
    now: datetime,
    first: datetime,
    pack: Mapping[str, Indicator],
    segments: Sequence[Segment] | None = None,
) -> _Day:
    streams = {} if segments == [] else _days_before(store, project_id, day + _DAY, segments=segments)
    declared = registry()
    signals = {
        name: _signal(name, blocks[-1].profile.kind, declared) for (segment, name), blocks in streams.items() if blocks
    }
    known = standings(store, project_id, BlockLength.DAY, _amounts(pack))
    return _Day(store, settings, project_id, day, now, streams, known, signals, first, _same_as_whole(streams))


def _days_before(
    store: Store,
    project_id: int,
    end: datetime,
    *,
    signals: Sequence[str] | None = None,
    segments: Sequence[Segment] | None = None,
) -> dict[Stream, list[Block]]:
    """The days that a judgement of the day before `end` may look at (default: of all streams)."""
    start = end - _DAY - REFERENCE - LONG_WINDOW
    return read_profiles(store, project_id, BlockLength.DAY, start, end, signals=signals, segments=segments)


def _counted(pack: Mapping[str, Indicator]) -> list[Counted]:
    """What is counted by the hour."""
    return [
        Counted(indicator, signal, indicator.amount)
        for indicator in pack.values()
        if indicator.amount is not None and indicator.hourly
        for signal in registry().values()
        if asks_of(indicator, signal)
    ]


def _amounts(pack: Mapping[str, Indicator]) -> frozenset[str]:
    """The indicators of how many calls there are and what they cost, which holidays are not judged for."""
    return frozenset(name for name, indicator in pack.items() if indicator.amount is not None)


def _signal(name: str, kind: Kind, declared: Mapping[str, Signal]) -> Signal:
    known = None if name.startswith(FEEDBACK_PREFIX) else declared.get(name)
    return known if known is not None and known.kind is kind else describe(name, kind)


def _questions(work: _Day, indicators: Iterable[Indicator]) -> Iterable[_Question]:
    for indicator in indicators:
        if indicator.against == "pulse":
            continue
        wanted = {name for name, signal in work.signals.items() if asks_of(indicator, signal)}
        for (segment, name), blocks in work.streams.items():
            if name not in wanted or (indicator.overall_only and segment != WHOLE):
                continue
            signal = work.signals[name]
            if indicator.against == "others":
                yield from _against_others(work, indicator, signal, segment)
                continue
            standing = work.standings.of((indicator.name, name, segment.dimension, segment.value))
            if segment in work.same_as_whole and standing.open_since is None:
                continue
            known = _with_older(work, (segment, name), blocks, standing)
            if indicator.overall_only:
                known = filled(known, max(work.first, known[0].start), work.start)
                found = windows(known, work.start, standing)[:1]
                found = [_one_day(item, known, standing) for item in found]
            else:
                found = windows(known, work.start, standing)
            if found:
                yield _Question(indicator, signal, segment, found, standing.open_since is not None)


def _same_as_whole(streams: Mapping[Stream, Sequence[Block]]) -> frozenset[Segment]:
    """Segments that hold nearly all traffic: judging them apart would tell the same trouble twice."""
    calls = {
        segment: sum(block.profile.n for block in blocks)
        for (segment, name), blocks in streams.items()
        if name == EVERY_CALL
    }
    whole = calls.pop(WHOLE, 0)
    return frozenset(segment for segment, n in calls.items() if n >= NEARLY_ALL * whole)


def _one_day(window: Window, blocks: Sequence[Block], standing: Standing) -> Window:
    """The newest day alone against all days before it, for amounts, which are never too few to be judged.

    Their forecast needs every day; one in trouble that is over, or left out, counts as the same day of the week before.
    """
    day = blocks[-1].start
    end = day if standing.open_since is None else min(day, standing.open_since)
    days: list[Block] = []
    begun = end - REFERENCE if standing.cut is None else max(end - REFERENCE, standing.cut)
    for block in blocks:
        if begun <= block.start < end:
            sound = standing.healthy(block.start) or len(days) < DAYS_A_WEEK
            days.append(block if sound else Block(block.start, days[-DAYS_A_WEEK].profile))
    return Window(day, (blocks[-1],), tuple(days), window.changed)


def _with_older(work: _Day, stream: Stream, blocks: Sequence[Block], standing: Standing) -> Sequence[Block]:
    """The blocks with those before a long open alert, which the usual range does not reach."""
    if standing.open_since is None or standing.open_since >= work.start - LONG_WINDOW:
        return blocks
    if stream not in work.older:
        segment, name = stream
        earlier = read_profiles(
            work.store,
            work.project_id,
            BlockLength.DAY,
            standing.open_since - REFERENCE,
            blocks[0].start,
            signals=[name],
            segments=[segment],
        ).get(stream, [])
        kind = blocks[-1].profile.kind
        work.older[stream] = [block for block in earlier if block.profile.kind is kind]
    return [*work.older[stream], *blocks]


def _against_others(work: _Day, indicator: Indicator, signal: Signal, segment: Segment) -> Iterable[_Question]:
    """One group against all other groups of its dimension, over the same seven days."""
    if segment.dimension not in work.settings.group_dimensions or segment.value in UNKNOWN_GROUPS:
        return
    start = work.end - LONG_WINDOW
    own = [block for block in work.streams[(segment, signal.name)] if block.start >= start]
    others: dict[datetime, list[Block]] = {}
    for (other, name), blocks in work.streams.items():
        if name == signal.name and other.dimension == segment.dimension and other != segment:
            for block in blocks:
                if block.start >= start:
                    others.setdefault(block.start, []).append(block)
    if own and others and own[-1].profile.kind is signal.kind:
        reference = tuple(
            Block(moment, merge((block.profile for block in others[moment]), signal.kind)) for moment in sorted(others)
        )
        facts = _days_a_user(work, segment, start)
        yield _Question(indicator, signal, segment, [Window(start, tuple(own), reference, ())], facts=facts)


def _days_a_user(work: _Day, segment: Segment, start: datetime) -> dict[str, float]:
    """On how many days since `start` a user of the group came, and one of the others; nothing where it is not known."""
    dimension = segment.dimension
    if dimension not in work.distinct:
        work.distinct[dimension] = distinct_users(work.store, work.project_id, dimension, start, work.end)
    distinct = work.distinct[dimension]
    came = {
        other.value: sum(block.profile.users for block in blocks if block.start >= start)
        for (other, name), blocks in work.streams.items()
        if name == EVERY_CALL and other.dimension == dimension and other.value in distinct
    }
    sides = {DAYS_A_USER: {segment.value}, DAYS_A_USER_OF_OTHERS: set(came) - {segment.value}}
    users = {name: sum(distinct[value] for value in values if value in came) for name, values in sides.items()}
    return {
        name: max(1.0, sum(came[value] for value in values if value in came) / users[name])
        for name, values in sides.items()
        if users[name]
    }


def _answer(work: _Day, question: _Question, looks: int) -> Row | None:
    chosen: tuple[Window, Verdict] | None = None
    for window in question.windows:
        evidence = Evidence(
            signal=question.signal,
            segment=question.segment,
            start=window.start,
            end=work.end,
            now=work.now,
            current=window.current,
            reference=window.reference,
            looks=LOOKS_WHILE_OPEN if question.is_open else looks,
            facts=question.facts,
            changed=window.changed,
            brief=chosen is not None and chosen[1].state != "too_few",
        )
        verdict = _asked(question.indicator, evidence)
        if chosen is None or verdict.state in ("moved", "bad") or chosen[1].state == "too_few":
            chosen = (window, verdict)
        if verdict.state in ("moved", "bad"):
            break
    if chosen is None:
        return None
    window, verdict = chosen
    return verdict_row(
        work.project_id,
        question.stream,
        verdict,
        start=work.start,
        end=work.end,
        window=window.start,
        now=work.now,
    )


def _asked(indicator: Indicator, evidence: Evidence) -> Verdict:
    try:
        return indicator.compute(evidence)
    except Exception as error:
        # One indicator that fails must not keep the others from answering.
        _log.error("indicator %s failed on %s: %s", indicator.name, evidence.signal.name, errors.describe(error))
        return Verdict("no_data", f"{indicator.title} could not be judged: {type(error).__name__} in its code.")


def _judge_pulse(store: Store, project_id: int, now: datetime, pack: Mapping[str, Indicator]) -> int:
    asked = [indicator for indicator in pack.values() if indicator.against == "pulse"]
    hour = block_start(now, BlockLength.HOUR) - BlockLength.HOUR.duration
    mark = mark_name("pulse", project_id)
    judged = read_mark(store, mark)
    if not asked or (judged is not None and judged >= hour):
        return 0
    facts = pulse_facts(store, project_id, now)
    end = hour + BlockLength.HOUR.duration
    rows: list[Row] = []
    for indicator in asked:
        signal = Signal("", Kind.NUMBER, indicator.title, indicator.question, "pulse")
        evidence = Evidence(signal, WHOLE, hour, end, now, (), (), max(1, len(asked)), facts)
        question = _Question(indicator, signal, WHOLE, ())
        verdict = _asked(indicator, evidence)
        rows.append(verdict_row(project_id, question.stream, verdict, start=hour, end=end, window=hour, now=now))
    save(store, project_id, rows, mark, hour)
    return len(rows)

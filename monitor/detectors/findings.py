"""From an alarm of the fast lane to its verdict: since when, how much, how sure, in figures and words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from monitor import wording
from monitor.contracts import Block, Kind, Segment, Signal, State, Verdict
from monitor.detectors.baseline import HOURS_A_WEEK, Baselines
from monitor.detectors.gauges import NEW, TAIL, Gauge, Scale
from monitor.detectors.lane import DOWN, UP
from monitor.profile import Floats, Profile, merge
from monitor.stats.budget import FAST, WINDOWS
from monitor.stats.change_point import change_point
from monitor.stats.comparison import Sides, spread_over_users
from monitor.stats.intervals import lasting_reach, possible
from monitor.stats.tails import TAIL as TAIL_QUANTILE
from monitor.stats.tails import TAIL_NAME

LOOK_BACK = timedelta(days=7)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Alarm:
    """What the fast lane found on a stream after the hour that ends at `end`: the place of its gauge, its side and
    window, and its evidence beside what was needed (-log10 of probabilities)."""

    signal: Signal
    segment: Segment
    end: datetime
    gauge: int
    side: int
    window: int
    evidence: float
    threshold: float


@dataclass(frozen=True)
class Said:
    """A verdict of the fast lane: the stream, the hour it was made on, and since when it is so."""

    indicator: str
    signal: Signal
    segment: Segment
    hour: datetime
    since: datetime
    verdict: Verdict


def hour_of_week(moment: datetime) -> int:
    """Hours since Monday midnight UTC."""
    return moment.weekday() * 24 + moment.hour


def told(
    alarm: Alarm, scale: Scale, baselines: Baselines, hours: Sequence[Block], days: Sequence[Block]
) -> tuple[Verdict, datetime, float] | None:
    """The verdict of an alarm, when the change began, and the gauge's value since; None where it is not to be believed.

    `hours` are the stream's healthy blocks of the last days up to the alarm, `days` the reference. Not believed is a
    move of numbers that a few users with many calls made alone.
    """
    gauge = scale.gauges[alarm.gauge]
    users, sums = scale.measure([block.profile for block in hours])
    usual = np.array([_usual(baselines, alarm.gauge, block.start) for block in hours])
    since = _since(alarm, [block.start for block in hours], users, sums[:, alarm.gauge] - users * usual)
    place = next(index for index, block in enumerate(hours) if block.start >= since)
    after = hours[place:]
    people = max(float(users[place:].sum()), 1.0)
    value = float(sums[place:, alarm.gauge].sum()) / people
    expected = float(users[place:] @ usual[place:]) / people
    now = merge((block.profile for block in after), alarm.signal.kind)
    past = merge((block.profile for block in days), alarm.signal.kind)
    if alarm.signal.kind is Kind.NUMBER and not spread_over_users(Sides.of(after, days), 1 if alarm.side == UP else -1):
        return None
    figures = _figures(alarm, gauge, scale, now, past, value=value, expected=expected)
    detail: dict[str, Any] = {
        "lane": FAST,
        "since": since.isoformat(),
        "window_hours": WINDOWS[alarm.window],
        "evidence": round(alarm.evidence, 2),
        "threshold": round(alarm.threshold, 2),
        "strength": round(alarm.evidence / alarm.threshold, 4),
        **figures.detail,
    }
    low, high = _interval(alarm.signal, figures, now)
    verdict = Verdict(
        state=_state(alarm),
        reason=_reason(alarm, figures, (low, high), people, alarm.end - since),
        value=figures.value,
        low=low,
        high=high,
        n=now.n,
        effective_n=people,
        baseline=figures.baseline,
        effect=figures.value - figures.baseline,
        effect_low=_sum(figures.value - figures.baseline, figures.reach, -1),
        effect_high=_sum(figures.value - figures.baseline, figures.reach, 1),
        detail=detail,
    )
    return verdict, since, value


@dataclass(frozen=True)
class _Figures:
    subject: str
    value: float
    baseline: float
    reach: float
    detail: dict[str, Any]


def _figures(
    alarm: Alarm, gauge: Gauge, scale: Scale, now: Profile, past: Profile, *, value: float, expected: float
) -> _Figures:
    title = alarm.signal.title
    users = float(now.users)
    if alarm.signal.kind is Kind.FLAG:
        return _Figures(title, value, expected, _share_reach(value, users), {})
    if alarm.signal.kind is Kind.CATEGORY:
        name = gauge.name
        if name == NEW:
            unseen = {key: entry.calls for key, entry in now.categories.items() if key not in scale.known}
            name = max(unseen, key=lambda key: (unseen[key], key), default=NEW)
        changes = [{"value": name, "before": expected, "after": value, "proven": True}]
        subject = f"{title}: the share of {name}"
        return _Figures(subject, value, expected, _share_reach(value, users), {"categories": changes})
    if gauge.name == TAIL:
        before, after = past.quantile(TAIL_QUANTILE) or 0.0, now.quantile(TAIL_QUANTILE) or 0.0
        return _Figures(
            f"{title}, {TAIL_NAME},", after, before, math.inf, {"statistic": TAIL_NAME, "slow_share": value}
        )
    deviation = math.sqrt(now.user_variance or 0.0)
    reach = lasting_reach(deviation, users) if deviation else math.inf
    return _Figures(title, now.mean or 0.0, past.mean or 0.0, reach, {"superiority": value})


def _share_reach(share: float, users: float) -> float:
    smoothed = (share * users + 1) / (users + 2)
    return lasting_reach(math.sqrt(smoothed * (1 - smoothed)), users)


def _sum(value: float, reach: float, side: int) -> float | None:
    return value + side * reach if math.isfinite(reach) else None


def _interval(signal: Signal, figures: _Figures, now: Profile) -> tuple[float | None, float | None]:
    if not math.isfinite(figures.reach):
        return None, None
    return possible((figures.value - figures.reach, figures.value + figures.reach), now, signal.unit)


def _state(alarm: Alarm) -> State:
    worse = {"up": DOWN, "down": UP}.get(alarm.signal.good or "")
    return "bad" if worse == alarm.side else "moved"


def _usual(baselines: Baselines, gauge: int, moment: datetime) -> float:
    level = baselines.level[gauge] + baselines.season[gauge, hour_of_week(moment) % HOURS_A_WEEK]
    return min(1.0, max(0.0, float(level)))


def _since(alarm: Alarm, starts: Sequence[datetime], users: Floats, gaps: Floats) -> datetime:
    """The hour that best splits the last days into usual and changed; at the latest the beginning of the window.

    Later than the window's beginning only where that window holds healthy hours too.
    """
    first = next((index for index, start in enumerate(starts) if start >= alarm.end - LOOK_BACK), 0)
    recent = users[first:] > 0
    moments = [start for start, used in zip(starts[first:], recent.tolist(), strict=True) if used]
    weights, values = users[first:][recent], gaps[first:][recent]
    if len(moments) < 2:
        return moments[0] if moments else alarm.end - _HOUR
    return moments[change_point(values / weights, weights, look_back=len(moments))]


def _reason(
    alarm: Alarm,
    figures: _Figures,
    interval: tuple[float | None, float | None],
    users: float,
    length: timedelta,
) -> str:
    signal = alarm.signal
    before = wording.format_value(signal, figures.baseline)
    after = wording.format_value(signal, figures.value)
    rose = "rose" if alarm.side == UP else "fell"
    return (
        f"{figures.subject} {rose} from {before} to {after}"
        f"{wording.bracketed(wording.format_interval(signal, *interval))}, {wording.plural(users, 'user')} "
        f"in {wording.duration(length)}."
    )

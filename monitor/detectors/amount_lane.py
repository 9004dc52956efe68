"""The fast lane of amounts, driven from the store: calls and money of all traffic, hour by hour.

What is usual is learnt afresh each midnight, since it follows growth; the level of a look comes with the detectors of
shares, which it shares the budget with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from monitor import wording
from monitor.clock import from_microseconds, to_microseconds
from monitor.contracts import WHOLE, Amount, Direction, Indicator, Signal, State, Verdict
from monitor.detectors.amount_memory import AmountDetector, AmountTrouble
from monitor.detectors.amounts import DOWN, UP, Seen, Usual, expected_range, learn_usual, look_at, tail
from monitor.detectors.findings import Said, hour_of_week
from monitor.detectors.gauges import HARM_SHARE
from monitor.detectors.standings import Standings
from monitor.profile import Floats
from monitor.queries.amounts import HourlyAmounts, hourly_amounts
from monitor.stats.budget import FAST, WINDOWS, levels_left
from monitor.store import Store

CALM_HOURS = (3, 6, 12, 24)
"""The windows that are asked whether a trouble is over."""

CALM_RISK = 0.001
_CALM_AMOUNT = 1.5
_LEAST_RATIO = 0.05
# Where others leave nothing of the lane, what is left of adding and taking away is not a level.
_LEAST_LEVEL = 1e-15
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Counted:
    """What is counted of a signal: the indicator that asks, and how."""

    indicator: Indicator
    signal: Signal
    amount: Amount

    @property
    def stream(self) -> tuple[str, str, str, str]:
        """Indicator, signal, dimension and value."""
        return self.indicator.name, self.signal.name, WHOLE.dimension, WHOLE.value

    def levels(self, level: float) -> tuple[float, float]:
        """The level of a rise and of a fall: the worse side has four fifths."""
        up = HARM_SHARE if self.amount.worse == "up" else 1 - HARM_SHARE
        return level * up, level * (1 - up)

    def of(self, hours: HourlyAmounts) -> Floats:
        """The amounts of some hours."""
        return hours.calls if self.amount.of == "calls" else hours.total

    def text(self, amount: float) -> str:
        """An amount as people read it: "1,200 calls", "$12.50"."""
        return wording.plural(amount, "call") if self.amount.of == "calls" else self.figure(amount)

    def figure(self, amount: float) -> str:
        """The same without a noun: "1,200", "$12.50"."""
        if self.amount.of == "calls":
            return wording.number(amount)
        return wording.format_value(self.signal, amount, with_unit=False)


@dataclass(frozen=True)
class AmountTask:
    """What the lane of amounts needs to know of a project."""

    store: Store
    project_id: int
    counted: Sequence[Counted]
    standings: Standings
    budget: float

    @property
    def weight(self) -> float:
        """The weight of all of them in the lane's part of the budget."""
        return sum(counted.signal.weight for counted in self.counted)

    def learn(
        self, start: datetime, day: datetime, others: Sequence[float], known: Sequence[AmountDetector]
    ) -> list[AmountDetector]:
        """The detectors as of midnight of `day`, from the hours since midnight of `start`, with what the levels of the
        `others` leave; those with too short a past are left out. Those `known` keep what they remember."""
        levels = levels_left(others, [counted.signal.weight for counted in self.counted], self.budget)
        before = {detector.stream: detector for detector in known}
        found: list[AmountDetector] = []
        for counted, level in zip(self.counted, levels, strict=True):
            usual = self._usual(counted, start, day) if level > _LEAST_LEVEL else None
            if usual is None:
                continue
            detector = AmountDetector(
                indicator=counted.indicator.name,
                signal=counted.signal.name,
                usual=usual,
                level=level,
                started=to_microseconds(day),
                fitted=to_microseconds(day),
            )
            old = before.get(counted.stream)
            if old is not None:
                detector.started, detector.blocks, detector.evidence = old.started, old.blocks, old.evidence
                detector.rings, detector.trouble = old.rings, old.trouble
            found.append(detector)
        return found

    def _usual(self, counted: Counted, start: datetime, day: datetime) -> Usual | None:
        hours = hourly_amounts(self.store, self.project_id, counted.signal.name, start, day)
        standing = self.standings.of(counted.stream)
        healthy = np.array([standing.healthy(start + number * _HOUR) for number in range(len(hours.calls))])
        amounts, unit = counted.of(hours), 1.0
        if counted.amount.of == "sum":
            total = float(hours.total[healthy].sum())
            if total <= 0:
                return None
            unit = float(hours.total_square[healthy].sum()) / total
        return learn_usual(amounts, healthy, hour_of_week(start), unit)


class AmountWatch:
    """The detectors of a project while some hours are looked at, one after the other."""

    def __init__(self, task: AmountTask, detectors: Sequence[AmountDetector], start: datetime, end: datetime) -> None:
        by_stream = {counted.stream: counted for counted in task.counted}
        self._standings = task.standings
        self._watched = [
            (
                detector,
                by_stream[detector.stream],
                hourly_amounts(task.store, task.project_id, detector.signal, start, end),
            )
            for detector in detectors
            if detector.stream in by_stream
        ]
        self._start = start

    def advance(self, hour: datetime) -> list[Said]:
        """Looks at the hour that begins at `hour`; answers what there is to say."""
        said: list[Said] = []
        for detector, counted, hours in self._watched:
            standing = self._standings.of(counted.stream)
            number = (hour - self._start) // _HOUR
            expected = detector.usual.expected(hour_of_week(hour)) if standing.judged(hour) else math.nan
            detector.push(float(counted.of(hours)[number]), expected)
            detector.blocks += 1
            if standing.open_since is None:
                detector.trouble = None
                answer = self._look(detector, counted, hour)
            else:
                answer = _calm(detector, counted, hour, standing.open_since)
            if answer is not None:
                detector.forget()
                said.append(answer)
        return said

    def _look(self, detector: AmountDetector, counted: Counted, hour: datetime) -> Said | None:
        amounts, expected = detector.rings
        seen = look_at(detector.usual, amounts, expected, counted.levels(detector.level), counted.amount.factor)
        detector.evidence = 0.0 if seen is None else max(0.0, seen.evidence - seen.needed + detector.threshold)
        if seen is None or not seen.alarmed:
            return None
        known = ~np.isnan(detector.rings[1])
        if seen.side == DOWN and not detector.rings[0][known].any():
            return None  # Nothing came since hours are watched: an import that ended is no outage.
        users = next(hours.users for one, _, hours in self._watched if one is detector)
        back = _began(detector, seen)
        since = hour - (back - 1) * _HOUR
        amount, usual = (float(np.where(known, part, 0.0)[:back].sum()) for part in detector.rings)
        number = (hour - self._start) // _HOUR
        people = float(users[max(0, number - back + 1) : number + 1].sum())
        detector.trouble = AmountTrouble(seen.side, amount / usual)
        verdict = _verdict(detector, counted, seen, amount=amount, usual=usual, hours=back, users=people, since=since)
        return Said(detector.indicator, counted.signal, WHOLE, hour, since, verdict)


def _began(detector: AmountDetector, seen: Seen) -> int:
    """How many hours ago the change began that explains the last hours best: by the likelihood of a Poisson count."""
    known = ~np.isnan(detector.rings[1])
    amounts, usual = (np.cumsum(np.where(known, part, 0.0)) for part in detector.rings)
    safe = np.maximum(usual, 1e-12)
    ratio = np.maximum(amounts, 1e-12) / safe
    gain = np.where(known, amounts * np.log(ratio) - (amounts - usual), -np.inf)
    gain[(ratio > 1) != (seen.side == UP)] = -np.inf
    if not np.isfinite(gain).any():
        return WINDOWS[seen.window]
    return int(np.argmax(gain)) + 1


def _verdict(
    detector: AmountDetector,
    counted: Counted,
    seen: Seen,
    *,
    amount: float,
    usual: float,
    hours: int,
    users: float,
    since: datetime,
) -> Verdict:
    """The verdict on the hours since the change, in amounts an hour."""
    window = next((place for place, length in enumerate(WINDOWS) if length >= hours), len(WINDOWS) - 1)
    low, high = (
        limit / hours for limit in expected_range(detector.usual, usual, window, min(counted.levels(detector.level)))
    )
    value, expected = amount / hours, usual / hours
    rose = seen.side == UP
    far = "far more than usual" if rose else "far less than usual"
    if counted.amount.of == "calls":
        far = "far more than usual" if rose else "far fewer than usual" if amount else "none at all"
    side: Direction = "up" if rose else "down"
    state: State = "bad" if side == counted.amount.worse else "moved"
    return Verdict(
        state,
        f"{counted.text(amount)} in {wording.duration(hours * _HOUR)}, {far}: about {counted.text(usual)} expected "
        f"(range {counted.figure(low * hours)} to {counted.figure(high * hours)}).",
        value=value,
        low=low,
        high=high,
        n=round(amount) if counted.amount.of == "calls" else 0,
        effective_n=users,
        baseline=expected,
        effect=value - expected,
        effect_low=value - high,
        effect_high=value - low,
        detail={
            "lane": FAST,
            "per": "hour",
            "since": since.isoformat(),
            "window_hours": WINDOWS[seen.window],
            "evidence": round(seen.evidence, 2),
            "threshold": round(seen.needed, 2),
            "strength": round(seen.evidence / seen.needed, 4),
            "interval": f"range of the expected {counted.amount.noun} an hour at the corrected level",
        },
    )


def _calm(detector: AmountDetector, counted: Counted, hour: datetime, open_since: datetime) -> Said | None:
    """That a trouble is over, where the last hours say so: near what is usual, and half of the change disproved."""
    trouble = detector.trouble
    if trouble is None:
        return None
    known = ~np.isnan(detector.rings[1])
    for hours in CALM_HOURS:
        if hour + _HOUR - open_since < hours * _HOUR or known[:hours].sum() < hours:
            return None
        amount, usual = (float(part[:hours].sum()) for part in detector.rings)
        if usual < _CALM_AMOUNT * detector.usual.level:
            continue
        near = math.sqrt(counted.amount.factor)
        ratio = min(max(trouble.ratio, _LEAST_RATIO), 1 / _LEAST_RATIO)
        place = WINDOWS.index(hours)
        opposite = DOWN if trouble.side == UP else UP
        left = tail(
            np.array([amount]),
            np.array([usual * math.sqrt(ratio)]),
            detector.usual.unit,
            detector.usual.wander[opposite, place : place + 1],
            opposite,
        )
        if usual / near <= amount <= usual * near and left[0] < CALM_RISK:
            detector.trouble = None
            verdict = Verdict(
                "ok",
                f"{counted.indicator.title}: as usual again in the last {hours} hours.",
                detail={"lane": FAST, "over": True},
            )
            start = hour + _HOUR - hours * _HOUR
            return Said(detector.indicator, counted.signal, WHOLE, hour, start, verdict)
    return None


def knows(task: AmountTask, detector: AmountDetector) -> bool:
    """False for a detector that was made before somebody accepted another level: it waits to be made afresh."""
    accepted = task.standings.of(detector.stream).accepted
    return accepted is None or from_microseconds(detector.fitted) > accepted

"""When a stream in trouble becomes an alert, and when it is over: pure decisions with named reasons.

A stream is one indicator, signal and segment. Its alert waits (`pending`) until enough windows in a row are in trouble,
then fires, and is resolved after enough windows in a row are not. A window that cannot be judged (no data, too few)
moves nothing: silence is neither proof of trouble nor of health.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from enum import StrEnum
from math import log

from monitor.contracts import Indicator, Kind, Rule, Signal, State, collect

DEFAULT_RULE = Rule()
"""The rule of an indicator that names none: fires at once, resolves after three calm windows, notifies."""

# A change this many times the smallest relevant one, for the worse, is critical.
CRITICAL_RATIO = 4.0
LARGE_AROUND_ZERO = 3.0


class Phase(StrEnum):
    """Where the alert of a stream stands; `quiet` means that it has none."""

    QUIET = "quiet"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Reason(StrEnum):
    """Why a phase is what it is after a window."""

    CALM = "calm"
    BEGAN = "in trouble, not for long enough yet"
    WAITING = "still in trouble, not for long enough yet"
    PASSED = "calm again before it fired"
    FIRED = "in trouble for long enough"
    CONTINUES = "still in trouble"
    CALMING = "calm, not for long enough yet"
    RESOLVED = "calm for long enough"
    NO_DATA = "no data: the state is kept"
    TOO_FEW = "too few calls to judge: the state is kept"


@dataclass(frozen=True)
class Standing:
    """A phase and the windows in a row that count towards the next: in trouble while pending, calm while firing."""

    phase: Phase = Phase.QUIET
    streak: int = 0


@dataclass(frozen=True)
class Move:
    """Where an alert stands after a window, and why."""

    phase: Phase
    streak: int
    reason: Reason


def move(standing: Standing, state: State, rule: Rule) -> Move:
    """The next standing after a window with this verdict."""
    if state in rule.states:
        return _in_trouble(standing, rule)
    if state == "no_data":
        return Move(standing.phase, standing.streak, Reason.NO_DATA)
    if state == "too_few":
        return Move(standing.phase, standing.streak, Reason.TOO_FEW)
    return _calm(standing, rule)


def _in_trouble(standing: Standing, rule: Rule) -> Move:
    if standing.phase is Phase.FIRING:
        return Move(Phase.FIRING, 0, Reason.CONTINUES)
    streak = standing.streak + 1 if standing.phase is Phase.PENDING else 1
    if streak >= rule.for_blocks:
        return Move(Phase.FIRING, 0, Reason.FIRED)
    return Move(Phase.PENDING, streak, Reason.BEGAN if streak == 1 else Reason.WAITING)


def _calm(standing: Standing, rule: Rule) -> Move:
    if standing.phase is Phase.FIRING:
        streak = standing.streak + 1
        if streak >= rule.clear_blocks:
            return Move(Phase.RESOLVED, 0, Reason.RESOLVED)
        return Move(Phase.FIRING, streak, Reason.CALMING)
    if standing.phase is Phase.PENDING:
        return Move(Phase.QUIET, 0, Reason.PASSED)
    return Move(standing.phase, 0, Reason.CALM)


def default_pack() -> dict[str, Indicator]:
    """Every indicator by name: with its `rule` it is the default rule pack, which needs no configuration."""
    return collect(importlib.import_module("monitor.indicators"), Indicator)


def rule_of(indicator: Indicator | None) -> Rule:
    """The rule of an indicator, or the default one."""
    return indicator.rule if indicator is not None and indicator.rule is not None else DEFAULT_RULE


def severity(state: State, signal: Signal, before: float | None, after: float | None) -> str:
    """`notice` for a move without a better or worse side, else `serious`, or `critical` for a large change."""
    if state not in ("bad", "no_data"):
        return "notice"
    if before is None or after is None:
        return "serious"
    return "critical" if size_of_change(signal, before, after) >= CRITICAL_RATIO else "serious"


def size_of_change(signal: Signal, before: float, after: float) -> float:
    """The change in units of the smallest relevant one; for numbers on the scale of ratios, so that up equals down."""
    relevant = signal.relevant_change
    if signal.kind is Kind.NUMBER and before > 0 and after > 0:
        return abs(log(after / before)) / log(1 + relevant)
    if signal.kind is Kind.NUMBER:
        # Around zero there is no ratio, so a change is never called large by it.
        return min(abs(after - before) / max(abs(before), abs(after), 1e-12) / relevant, LARGE_AROUND_ZERO)
    return abs(after - before) / relevant

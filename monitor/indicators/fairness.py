"""Fairness: is one group served worse than all others, by more than is tolerable? Three answers, never two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from monitor import wording
from monitor.contracts import (
    DAYS_A_USER,
    DAYS_A_USER_OF_OTHERS,
    Block,
    Evidence,
    Indicator,
    Kind,
    Rule,
    Signal,
    State,
    Verdict,
)
from monitor.profile import merge
from monitor.stats.comparison import Comparison, Sides, compare
from monitor.stats.distances import of_profiles
from monitor.stats.intervals import ratio
from monitor.stats.judging import level_of, verdict_of
from monitor.stats.power import users_needed, users_per_group

MIN_USERS = 50
MIN_SHOWN_USERS = 20
MIN_EVENTS = 10
TOLERANCE_POINTS = 0.05
SHOWN_LEVEL = 0.05
_FAMILIES = ("quality", "safety", "usage")

GAP = "gap"
NO_GAP = "no relevant gap"
NOT_ENOUGH = "not enough data"


def _whole(blocks: Sequence[Block], days_a_user: float) -> Block:
    """All days as one: both sides share them, so what a day does to everyone is no gap.

    Profiles count a user who comes on several days once a day; here each counts once, as if every day of a user told
    the same. That is on the safe side: days that differ would tell more.
    """
    whole = merge((block.profile for block in blocks), blocks[0].profile.kind)
    if days_a_user > 1:
        whole = replace(
            whole,
            users=max(1, round(whole.users / days_a_user)),
            user_total=whole.user_total / days_a_user,
            user_total_square=whole.user_total_square / days_a_user,
        )
    return Block(blocks[0].start, whole)


def _tolerance(signal: Signal) -> float:
    return min(signal.relevant_change, TOLERANCE_POINTS) if signal.kind is Kind.FLAG else signal.relevant_change


def _not_enough(evidence: Evidence, users: int, others: int, missing: int) -> Verdict:
    name = evidence.signal.title
    n = sum(block.profile.n for block in evidence.current)
    hidden = "" if users >= MIN_SHOWN_USERS else " No figures are shown for fewer than 20 users."
    return Verdict(
        "too_few",
        f"{name}: not enough data to compare {evidence.segment} with others, needs about "
        f"{wording.plural(missing, 'more user')} ({users} in the group, {others} others).{hidden}",
        n=n,
        effective_n=float(users),
        detail={"verdict": NOT_ENOUGH, "missing": missing, "others": others},
    )


def _compute(evidence: Evidence) -> Verdict:
    days = [evidence.facts.get(name, 1.0) for name in (DAYS_A_USER, DAYS_A_USER_OF_OTHERS)]
    users = round(sum(block.profile.users for block in evidence.current) / days[0])
    others = round(sum(block.profile.users for block in evidence.reference) / days[1])
    if not users or not others:
        return Verdict("no_data", f"{evidence.signal.title}: nothing to compare {evidence.segment} with.")
    if users < MIN_USERS or others < MIN_USERS:
        return _not_enough(evidence, users, others, max(MIN_USERS - users, MIN_USERS - others))
    sides = Sides.of([_whole(evidence.current, days[0])], [_whole(evidence.reference, days[1])])
    if evidence.signal.kind is Kind.FLAG:
        events = min(
            sides.now.total + sides.past.total, sides.now.n + sides.past.n - sides.now.total - sides.past.total
        )
        if 0 < events < MIN_EVENTS:
            rate = (sides.now.total + sides.past.total) / (sides.now.n + sides.past.n)
            return _not_enough(
                evidence, users, others, math.ceil((MIN_EVENTS - events) / max(min(rate, 1 - rate), 1e-3))
            )
    tolerance = _tolerance(evidence.signal)
    found = compare(sides, tolerance, level_of(evidence))
    return _answer(evidence, sides, found, tolerance)


def _answer(evidence: Evidence, sides: Sides, found: Comparison, tolerance: float) -> Verdict:
    signal = evidence.signal
    detail: dict[str, Any] = {
        "others": sides.past.users,
        "tolerance": tolerance,
        "strength": round(min(found.strength, 1e6), 4),
        "distances": {name: round(value, 6) for name, value in of_profiles(sides.now, sides.past).items()},
    }
    if signal.kind is Kind.FLAG:
        detail |= _ratios(sides, signal)
    better = "up" if found.effect > 0 else "down"
    sure = wording.bracketed(wording.format_interval(signal, found.low, found.high))
    figures = (
        f"{wording.format_value(signal, found.value)}{sure} against "
        f"{wording.format_value(signal, found.baseline)} for others, {wording.plural(sides.now.users, 'user')}"
    )
    reach = tolerance if signal.kind is Kind.FLAG else tolerance * abs(found.baseline)
    inside = (
        found.effect_low is not None
        and found.effect_high is not None
        and found.effect_low > -reach
        and found.effect_high < reach
    )
    state: State
    if found.direction:
        worse = better != signal.good
        state, answer = "bad" if worse else "moved", GAP
        reason = f"{signal.title} is {'worse' if worse else 'better'} for {evidence.segment}: {figures}."
        detail["since"] = evidence.start.isoformat()
    elif inside:
        state, answer = "ok", NO_GAP
        reason = f"{signal.title}: no relevant gap for {evidence.segment}, {figures}."
    else:
        state, answer = "too_few", NOT_ENOUGH
        missing = max(1, _users_needed(sides, signal, tolerance) - min(sides.now.users, sides.past.users))
        detail["missing"] = missing
        reason = (
            f"{signal.title}: not enough data to exclude a gap for {evidence.segment}, {figures}; "
            f"about {wording.plural(missing, 'more user')} would tell."
        )
    return verdict_of(signal, state, found, sides, detail={"verdict": answer, **detail}, reason=reason)


def _users_needed(sides: Sides, signal: Signal, tolerance: float) -> int:
    if signal.kind is Kind.FLAG:
        return users_per_group(sides.past.total / sides.past.n, tolerance, SHOWN_LEVEL)
    variance, mean = sides.past.user_variance or 0.0, sides.past.user_mean or 0.0
    return 2 * users_needed(math.sqrt(variance), tolerance * abs(mean), SHOWN_LEVEL)


def _ratios(sides: Sides, signal: Signal) -> dict[str, Any]:
    """Ratio of good outcomes (the four-fifths rule reads it) and of bad ones, group over others."""
    now, past = sides.now.total / sides.now.n, sides.past.total / sides.past.n
    variances = (now * (1 - now) / sides.now.users, past * (1 - past) / sides.past.users)
    result: dict[str, Any] = {}
    for name, one, two in (("set", now, past), ("unset", 1 - now, 1 - past)):
        limits = ratio(one, variances[0], two, variances[1])
        if limits is not None:
            side = "good" if (name == "set") == (signal.good == "up") else "bad"
            result[f"{side}_ratio"] = {"value": one / two, "low": limits[0], "high": limits[1]}
    return result


def _applies(signal: Signal) -> bool:
    return signal.good is not None and signal.kind in (Kind.FLAG, Kind.NUMBER) and signal.family in _FAMILIES


fairness = Indicator(
    name="fairness",
    family="fairness",
    title="Fairness",
    question="Is one group served worse than the others?",
    applies=_applies,
    compute=_compute,
    against="others",
    rule=Rule(states=("bad",)),
)

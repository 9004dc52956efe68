"""From evidence to a verdict, for indicators that ask whether a stream changed against its own past.

The false-alarm allowance of a quarter (`alarm_budget` of the settings) is shared by all judgements of the quarter by
weight (Bonferroni): a judgement may be wrong with probability 1 / looks. While an alert is open the question is only
whether the trouble is over: the driver then passes few looks, and half the relevant change is enough to stay in
trouble.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from monitor import wording
from monitor.contracts import Evidence, Kind, Signal, State, Verdict
from monitor.profile import Profile, sums_of
from monitor.stats.change_point import change_point
from monitor.stats.comparison import UNPROVEN, VECTOR_RELEVANT, Comparison, Sides, compare
from monitor.stats.distances import of_profiles
from monitor.stats.intervals import possible
from monitor.stats.power import users_needed

MIN_USERS = 30
MIN_REFERENCE_BLOCKS = 5
MIN_REFERENCE_USERS = 60
SHOWN_CATEGORIES = 5
STILL_RELEVANT = 0.5
_LARGEST_LEVEL = 0.05


def level_of(evidence: Evidence) -> float:
    """The probability of a false alarm that this one judgement may have."""
    return min(_LARGEST_LEVEL, 1 / max(evidence.looks, 1))


def relevant_change(evidence: Evidence) -> float:
    """The change that counts: the signal's, or half of it while an alert is open."""
    signal = evidence.signal
    relevant = signal.relevant_change
    if signal.kind is Kind.VECTOR and signal.relevant is None:
        relevant = VECTOR_RELEVANT
    return relevant * STILL_RELEVANT if evidence.changed else relevant


def not_enough(evidence: Evidence, min_users: int = MIN_USERS) -> Verdict | None:
    """The verdict of evidence that cannot be judged: none at all, too few users, or too short a past; else None."""
    name = evidence.signal.title
    n = sum([block.profile.n for block in evidence.current])
    users = sum([block.profile.users for block in evidence.current])
    if not n:
        return Verdict("no_data", f"{name}: no values in this window.")
    if users < min_users:
        missing = math.ceil((min_users - users) * n / max(users, 1))
        return Verdict(
            "too_few",
            f"{name}: too few to judge, needs about {wording.plural(missing, 'more call')} "
            f"({users} of {min_users} users so far).",
            value=_plain_value(evidence),
            n=n,
            effective_n=float(users),
            detail={"missing": missing},
        )
    blocks = sum([block.profile.n > 0 for block in evidence.reference])
    reference_users = sum([block.profile.users for block in evidence.reference])
    if blocks < MIN_REFERENCE_BLOCKS or reference_users < MIN_REFERENCE_USERS:
        lacking = (
            f"{blocks} of {MIN_REFERENCE_BLOCKS} days"
            if blocks < MIN_REFERENCE_BLOCKS
            else f"{reference_users} of {MIN_REFERENCE_USERS} users"
        )
        return Verdict(
            "too_few",
            f"{name}: the past is too short to compare with ({lacking}).",
            value=_plain_value(evidence),
            n=n,
            effective_n=float(users),
            detail={"missing_days": max(0, MIN_REFERENCE_BLOCKS - blocks)},
        )
    return None


def _plain_value(evidence: Evidence) -> float | None:
    if evidence.signal.kind not in (Kind.NUMBER, Kind.FLAG) or not evidence.current:
        return None
    return sums_of([block.profile for block in evidence.current]).mean


def judge_change(evidence: Evidence, state_of: Callable[[int], State]) -> Verdict:
    """The verdict on a stream against its past. `state_of` names the state of a proven rise (+1) or fall (-1)."""
    lacking = not_enough(evidence)
    if lacking is not None:
        return lacking
    sides = Sides.of(
        [block for block in evidence.current if block.profile.n],
        [block for block in evidence.reference if block.profile.n],
    )
    level = level_of(evidence)
    found = compare(sides, relevant_change(evidence), level, brief=evidence.brief)
    if found is UNPROVEN:
        return Verdict("ok", "")
    found = _possible(found, evidence.signal, sides.now)
    state: State = state_of(found.direction) if found.direction else "ok"
    detail = details(evidence, sides, found)
    if found.direction:
        detail["since"] = since(evidence, sides, found)
    elif (needed := _users_needed(evidence, sides, level)) is not None:
        detail["users_needed"] = needed
    return verdict_of(evidence.signal, state, found, sides, detail=detail)


def verdict_of(
    signal: Signal, state: State, found: Comparison, sides: Sides, *, detail: Mapping[str, Any], reason: str = ""
) -> Verdict:
    """A comparison as a verdict, with a reason made of its figures where none is given."""
    return Verdict(
        state=state,
        reason=reason or explain(signal, found, sides.now.users),
        value=found.value,
        low=found.low,
        high=found.high,
        n=sides.now.n,
        effective_n=float(sides.now.users),
        baseline=found.baseline,
        effect=found.effect,
        effect_low=found.effect_low,
        effect_high=found.effect_high,
        detail=detail,
    )


def explain(signal: Signal, found: Comparison, users: int) -> str:
    """One sentence with before, after, interval and size."""
    who = wording.plural(users, "user")
    if signal.kind is Kind.VECTOR:
        if not found.direction:
            return f"{signal.title}: no relevant move (distance {wording.number(found.value)}), {who}."
        return (
            f"{signal.title}: the texts moved by {wording.number(found.value)} standard deviations of the spread "
            f"between users, {who}."
        )
    subject = signal.title
    if signal.kind is Kind.CATEGORY and found.categories:
        subject = f"{signal.title}: the share of {found.categories[0].value}"
    figures = (
        f"from {wording.format_value(signal, found.baseline)} to {wording.format_value(signal, found.value)}"
        f"{wording.bracketed(wording.format_interval(signal, found.low, found.high))}, {who}"
    )
    if found.direction:
        return f"{subject} {'rose' if found.effect > 0 else 'fell'} {figures}."
    return f"{subject}: no relevant change is proven, {figures}."


def details(evidence: Evidence, sides: Sides, found: Comparison) -> dict[str, Any]:
    """What else is worth showing."""
    detail: dict[str, Any] = {
        "strength": round(min(found.strength, 1e6), 4),
        "reference_n": sides.past.n,
        "reference_start": evidence.reference[0].start.isoformat(),
        "reference_end": evidence.reference[-1].start.isoformat(),
    }
    if found.relative is not None:
        detail["relative"] = found.relative
    if found.superiority is not None:
        detail["superiority"] = found.superiority
    if apart := of_profiles(sides.now, sides.past):
        detail["distances"] = {name: round(value, 6) for name, value in apart.items()}
    if found.categories:
        detail["categories"] = [
            {"value": item.value, "before": item.before, "after": item.after, "proven": item.proven}
            for item in found.categories[:SHOWN_CATEGORIES]
        ]
    changed = [block for block in evidence.changed if block.profile.n]
    if changed:
        both = Sides.of(changed, sides.reference)
        after = compare(both, relevant_change(evidence), _LARGEST_LEVEL)
        after = _possible(after, evidence.signal, both.now)
        detail["since_change"] = {
            "value": after.value,
            "low": after.low,
            "high": after.high,
            "n": sum(block.profile.n for block in changed),
        }
    return detail


def _possible(found: Comparison, signal: Signal, now: Profile) -> Comparison:
    """The comparison with an interval of now that says nothing a score cannot be."""
    if found.low is None or found.high is None or signal.kind is not Kind.NUMBER:
        return found
    low, high = possible((found.low, found.high), now, signal.unit)
    return replace(found, low=low, high=high)


def since(evidence: Evidence, sides: Sides, found: Comparison) -> str:
    """When the change began, ISO 8601: as the open alert has it, or the most likely block."""
    if evidence.changed:
        return evidence.changed[0].start.isoformat()
    blocks = [*sides.reference, *sides.current]
    return blocks[change_point(found.series, found.weights)].start.isoformat()


def _users_needed(evidence: Evidence, sides: Sides, level: float) -> int | None:
    variance, mean = sides.past.user_variance, sides.past.user_mean
    if variance is None or mean is None:
        return None
    relevant = relevant_change(evidence)
    if evidence.signal.kind is Kind.NUMBER:
        relevant *= abs(mean)
    return users_needed(math.sqrt(variance), relevant, level) or None

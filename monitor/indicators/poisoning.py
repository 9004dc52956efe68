"""Poisoning: a few people, or one document, suddenly make up much of a day."""

from __future__ import annotations

from monitor import wording
from monitor.contracts import Evidence, Indicator, Signal, Verdict
from monitor.profile import Profile
from monitor.signals import COUNTED
from monitor.stats.dominance import MIN_DAYS, Dominance, dominance
from monitor.stats.intervals import wilson
from monitor.stats.judging import level_of, relevant_change

_LEAST_CALLS = 25


def _applies(signal: Signal) -> bool:
    return signal.name in COUNTED


def _compute(evidence: Evidence) -> Verdict:
    signal = evidence.signal
    today = evidence.current[-1].profile if evidence.current else Profile(signal.kind)
    if not today.n:
        return Verdict("no_data", f"{signal.title}: nothing to count on {wording.day(evidence.start)}.")
    found = dominance(today, evidence.reference, level_of(evidence))
    if found is None:
        return Verdict(
            "too_few",
            f"{signal.title}: needs {MIN_DAYS} days with something to count, after three more, to say what is usual.",
            n=today.n,
            effective_n=float(today.users),
            detail={"missing_days": max(1, MIN_DAYS - len(evidence.reference))},
        )
    before = found.before
    bad = found.strength > 1 and found.calls >= _LEAST_CALLS and found.share - before >= relevant_change(evidence)
    low, high = wilson(found.share, today.n)
    detail: dict[str, object] = {
        "strength": round(found.strength, 4),
        "categories": [{"value": found.value, "before": before, "after": found.share, "proven": bad}],
    }
    if bad:
        detail["since"] = (evidence.changed[0].start if evidence.changed else evidence.start).isoformat()
    return Verdict(
        "bad" if bad else "ok",
        _reason(signal, found, today.n, before, bad=bad),
        value=found.share,
        low=low,
        high=high,
        n=today.n,
        effective_n=float(today.users),
        baseline=before,
        effect=found.share - before,
        effect_low=low - before,
        effect_high=high - before,
        detail=detail,
    )


def _reason(signal: Signal, found: Dominance, n: int, before: float, *, bad: bool) -> str:
    if not found.value:
        return f"{signal.title}: nothing stood out among {n:,}."
    what = f"{found.value}: {found.calls:,} of {n:,} ({wording.percent(found.share)})"
    return (
        f"{signal.title}: {what}, {'usually' if bad else 'not out of the usual; typically'} {wording.percent(before)}."
    )


poisoning = Indicator(
    name="poisoning",
    family="safety",
    title="Poisoning",
    question="Do a few people or one document suddenly make up much of a day?",
    applies=_applies,
    compute=_compute,
    overall_only=True,
    hourly=False,
)

"""Safety: more personal data, secrets, attacks or toxic words than before."""

from __future__ import annotations

from dataclasses import replace

from monitor.contracts import Evidence, Indicator, Signal, State, Verdict
from monitor.signals import COUNTED
from monitor.stats.judging import judge_change


def _compute(evidence: Evidence) -> Verdict:
    better = evidence.signal.good or "down"

    def state(direction: int) -> State:
        return "ok" if (direction > 0) == (better == "up") else "bad"

    verdict = judge_change(evidence, state)
    if verdict.state == "ok" and "since" in verdict.detail:
        return replace(verdict, reason=f"{verdict.reason[:-1]}: safer than before.")
    return verdict


def _applies(signal: Signal) -> bool:
    return signal.family == "safety" and signal.name not in COUNTED


safety = Indicator(
    name="safety",
    family="safety",
    title="Safety",
    question="Is more unsafe content coming in or going out?",
    applies=_applies,
    compute=_compute,
)

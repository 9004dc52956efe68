"""Drift: signals without a better side that are no longer what they were."""

from __future__ import annotations

from monitor.contracts import Evidence, Indicator, Signal, Verdict
from monitor.stats.judging import judge_change


def _applies(signal: Signal) -> bool:
    return signal.good is None and signal.family not in ("cost", "safety") and signal.name != "calls"


def _compute(evidence: Evidence) -> Verdict:
    return judge_change(evidence, lambda _: "moved")


drift = Indicator(
    name="drift",
    family="drift",
    title="Drift",
    question="Do calls and answers still look as they did?",
    applies=_applies,
    compute=_compute,
)

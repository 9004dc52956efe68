"""Quality and feedback: signals with a better side that got worse, or better."""

from __future__ import annotations

from monitor.contracts import Evidence, Indicator, Signal, State, Verdict
from monitor.stats.judging import judge_change

_JUDGED_ELSEWHERE = ("usage", "cost", "safety")


def _applies(signal: Signal) -> bool:
    return signal.good is not None and signal.family not in _JUDGED_ELSEWHERE and signal.name != "error"


def _compute(evidence: Evidence) -> Verdict:
    def state(direction: int) -> State:
        return "moved" if (direction > 0) == (evidence.signal.good == "up") else "bad"

    return judge_change(evidence, state)


quality = Indicator(
    name="quality",
    family="quality",
    title="Quality and feedback",
    question="Did answers get worse, or better?",
    applies=_applies,
    compute=_compute,
)

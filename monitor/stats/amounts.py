"""The verdict on an amount of a day, such as calls or money, against what its forecast expected."""

from __future__ import annotations

import math
from collections.abc import Callable

from monitor.contracts import Evidence, State, Verdict
from monitor.stats.forecast import Forecast
from monitor.stats.judging import STILL_RELEVANT

MARGIN = math.log(1.2)


def judge_amount(
    evidence: Evidence,
    amount: float,
    found: Forecast,
    *,
    what: str,
    relevant_factor: float,
    state_of: Callable[[int], State],
    reason_of: Callable[[State], str],
) -> Verdict:
    """The verdict on the amount of the newest day.

    A rise (+1) or fall (-1) is proven where it is a fifth more than chance explains, and relevant from
    `relevant_factor` on (its square root while an alert is open); `state_of` names it and `reason_of` says it.
    The interval of the verdict is the range that was expected of `what`.
    """
    proven = abs(found.deviation) > found.reach + MARGIN
    relevant = abs(found.deviation) >= math.log(relevant_factor) * (STILL_RELEVANT if evidence.changed else 1.0)
    state: State = state_of(1 if found.deviation > 0 else -1) if proven and relevant else "ok"
    detail: dict[str, object] = {
        "interval": f"range of the expected {what} at the corrected level",
        "strength": round(abs(found.deviation) / (found.reach + MARGIN), 4),
    }
    if state != "ok":
        detail["since"] = (evidence.changed[0].start if evidence.changed else evidence.start).isoformat()
    return Verdict(
        state,
        reason_of(state),
        value=amount,
        low=found.low,
        high=found.high,
        n=sum(block.profile.n for block in evidence.current),
        effective_n=float(sum(block.profile.users for block in evidence.current)),
        baseline=found.expected,
        effect=amount - found.expected,
        effect_low=amount - found.high,
        effect_high=amount - found.low,
        detail=detail,
    )

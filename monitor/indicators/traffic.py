"""Traffic: volume against a forecast that grows and knows the week; errors; latency in the middle and in the tail."""

from __future__ import annotations

from dataclasses import replace

from monitor import wording
from monitor.contracts import Amount, Evidence, Indicator, Signal, State, Verdict
from monitor.profile import merge
from monitor.stats.amounts import judge_amount
from monitor.stats.comparison import Sides
from monitor.stats.forecast import MIN_DAYS, forecast
from monitor.stats.judging import judge_change, level_of
from monitor.stats.tails import TAIL, TAIL_NAME, compare_tails

# A drop to half, or a burst to double, matters.
_CALLS = Amount("calls", "calls", factor=2.0, worse="down")


def _volume(evidence: Evidence) -> Verdict:
    calls = sum(block.profile.n for block in evidence.current)
    users = sum(block.profile.users for block in evidence.current)
    found = forecast(
        [block.start for block in evidence.reference],
        [float(block.profile.n) for block in evidence.reference],
        evidence.start,
        float(calls),
        noise=1.0,
        smallest=1.0,
        level=level_of(evidence),
    )
    if found is None:
        lacking = MIN_DAYS - len(evidence.reference)
        return Verdict(
            "too_few",
            f"{wording.plural(calls, 'call')}; needs {wording.plural(lacking, 'more day')} of history "
            "to say what is usual.",
            value=float(calls),
            n=calls,
            effective_n=float(users),
            detail={"missing_days": lacking},
        )
    sentences = {
        "ok": "within what is usual",
        "bad": "far fewer than usual" if calls else "no calls at all",
        "moved": "far more than usual",
    }

    def reason(state: State) -> str:
        return (
            f"{wording.plural(calls, 'call')} on {wording.day(evidence.start)}, {sentences[state]}: "
            f"about {wording.plural(found.expected, 'call')} expected "
            f"(range {wording.count(found.low)} to {wording.count(found.high)})."
        )

    return judge_amount(
        evidence,
        float(calls),
        found,
        what="number of calls",
        relevant_factor=_CALLS.factor,
        state_of=lambda direction: "bad" if direction < 0 else "moved",
        reason_of=reason,
    )


def _state(direction: int) -> State:
    return "bad" if direction > 0 else "ok"


def _errors(evidence: Evidence) -> Verdict:
    return judge_change(evidence, _state)


def _latency(evidence: Evidence) -> Verdict:
    """The middle by rank and the tail by the share of calls slower than the reference's 95th percentile."""
    half = replace(evidence, looks=evidence.looks * 2)
    verdict = judge_change(half, _state)
    if verdict.state in ("too_few", "no_data"):
        return verdict
    sides = Sides.of(
        [block for block in evidence.current if block.profile.n],
        [block for block in evidence.reference if block.profile.n],
    )
    tail = compare_tails(sides, level_of(half))
    if evidence.brief and tail.grew:
        verdict = judge_change(replace(half, brief=False), _state)
    detail = {**verdict.detail, "p95": tail.after, "p95_before": tail.before, "slow_share": tail.share}
    if verdict.state == "bad" or not tail.grew:
        return replace(verdict, detail=detail)
    since = evidence.changed[0].start if evidence.changed else tail.since
    detail |= {"statistic": TAIL_NAME, "since": since.isoformat(), "strength": round(tail.strength, 4)}
    changed = merge((block.profile for block in evidence.changed), evidence.signal.kind)
    if changed.n:
        detail["since_change"] = {"value": changed.quantile(TAIL), "low": None, "high": None, "n": changed.n}
    return replace(
        verdict,
        state="bad",
        value=tail.after,
        low=None,
        high=None,
        baseline=tail.before,
        effect=tail.after - tail.before,
        effect_low=None,
        effect_high=None,
        reason=f"{evidence.signal.title}: slow calls became slower, the 95th percentile rose from "
        f"{wording.format_value(evidence.signal, tail.before)} to {wording.format_value(evidence.signal, tail.after)}; "
        f"{wording.percent(tail.share)} of calls are slower than 5% were before.",
        detail=detail,
    )


def _is_calls(signal: Signal) -> bool:
    return signal.name == "calls"


def _is_error(signal: Signal) -> bool:
    return signal.name == "error"


def _is_duration(signal: Signal) -> bool:
    return signal.family == "usage" and signal.good == "down"


volume = Indicator(
    name="volume",
    family="usage",
    title="Traffic",
    question="Did calls stop, drop or burst?",
    applies=_is_calls,
    compute=_volume,
    overall_only=True,
    amount=_CALLS,
)

errors = Indicator(
    name="errors",
    family="usage",
    title="Errors",
    question="Do more calls fail?",
    applies=_is_error,
    compute=_errors,
)

latency = Indicator(
    name="latency",
    family="usage",
    title="Latency",
    question="Do people wait longer, usually or in the worst cases?",
    applies=_is_duration,
    compute=_latency,
)

"""Spend: what a call costs, what a day costs against its forecast, and calls without a known price."""

from __future__ import annotations

from monitor import wording
from monitor.contracts import Amount, Evidence, Indicator, Signal, State, Verdict
from monitor.stats.amounts import judge_amount
from monitor.stats.comparison import Sides, compare_categories
from monitor.stats.forecast import MIN_DAYS, forecast
from monitor.stats.judging import details, judge_change, level_of, not_enough, relevant_change, since

NO_PRICE = "none"
_MONEY = Amount("sum", "money", factor=1.5, worse="up")


def _cost(evidence: Evidence) -> Verdict:
    def state(direction: int) -> State:
        return "ok" if (direction > 0) == (evidence.signal.good == "up") else "bad"

    return judge_change(evidence, state)


def _spend(evidence: Evidence) -> Verdict:
    total = sum(block.profile.total for block in evidence.current)
    calls = sum(block.profile.n for block in evidence.current)
    users = sum(block.profile.users for block in evidence.current)
    past = sum(block.profile.total for block in evidence.reference)
    past_calls = sum(block.profile.n for block in evidence.reference)
    squares = sum(block.profile.total_square for block in evidence.reference)
    usual_cost = past / past_calls if past_calls else 0.0
    found = None
    if usual_cost > 0:
        found = forecast(
            [block.start for block in evidence.reference],
            [block.profile.total for block in evidence.reference],
            evidence.start,
            total,
            noise=squares / past_calls / usual_cost**2,
            smallest=usual_cost,
            level=level_of(evidence),
        )
    if found is None:
        lacking = max(1, MIN_DAYS - len(evidence.reference))
        return Verdict(
            "too_few",
            f"{wording.money(total)} spent; needs {wording.plural(lacking, 'more day')} with known prices "
            "to say what is usual.",
            value=total,
            n=calls,
            effective_n=float(users),
            detail={"missing_days": lacking},
        )

    def reason(state: State) -> str:
        return (
            f"{wording.money(total)} spent on {wording.day(evidence.start)}, "
            f"{'far more than usual' if state == 'bad' else 'not more than usual'}: "
            f"about {wording.money(found.expected)} expected (range {wording.money(found.low)} to "
            f"{wording.money(found.high)})."
        )

    return judge_amount(
        evidence,
        total,
        found,
        what="spend",
        relevant_factor=_MONEY.factor,
        state_of=lambda direction: "bad" if direction > 0 else "ok",
        reason_of=reason,
    )


def _unpriced(evidence: Evidence) -> Verdict:
    """The share of calls whose cost source is "none": those count as unknown, never as free."""
    lacking = not_enough(evidence)
    if lacking is not None:
        return lacking
    sides = Sides.of(
        [block for block in evidence.current if block.profile.n],
        [block for block in evidence.reference if block.profile.n],
    )
    found = compare_categories(sides, relevant_change(evidence), level_of(evidence))
    before, after = sides.past.shares().get(NO_PRICE, 0.0), sides.now.shares().get(NO_PRICE, 0.0)
    rose = any(item.value == NO_PRICE and item.proven and item.after > item.before for item in found.categories)
    if evidence.brief and not rose:
        return Verdict("ok", "")
    detail = details(evidence, sides, found)
    if rose:
        detail["since"] = since(evidence, sides, found)
    return Verdict(
        "moved" if rose else "ok",
        f"{wording.percent(after)} of calls have no known price, {wording.percent(before)} before"
        f"{': the spend shown is too low' if rose else ''}.",
        value=after,
        n=sides.now.n,
        effective_n=float(sides.now.users),
        baseline=before,
        effect=after - before,
        detail=detail,
    )


def _has_better_side(signal: Signal) -> bool:
    return signal.family == "cost" and signal.good is not None


def _is_cost(signal: Signal) -> bool:
    return signal.name == "cost_usd"


def _is_source(signal: Signal) -> bool:
    return signal.name == "cost_source"


cost = Indicator(
    name="cost",
    family="cost",
    title="Cost of a call",
    question="Did a call become more expensive?",
    applies=_has_better_side,
    compute=_cost,
)

spend = Indicator(
    name="spend",
    family="cost",
    title="Spend",
    question="Was more spent in a day than growth and the day of the week explain?",
    applies=_is_cost,
    compute=_spend,
    overall_only=True,
    amount=_MONEY,
)

unpriced = Indicator(
    name="unpriced",
    family="cost",
    title="Unknown prices",
    question="Is the price of more calls unknown?",
    applies=_is_source,
    compute=_unpriced,
    hourly=False,
)

"""Compares every group with all others on every signal, and claims only what so many questions allow to be claimed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from monitor import wording
from monitor.contracts import Kind, Segment, Signal
from monitor.fairness.values import Sides, UserValues
from monitor.queries.fairness import GAP, MENTIONED, NO_GAP, NOT_ENOUGH, Comparison, Limits
from monitor.signals import asked_weight, describe
from monitor.stats.discoveries import benjamini_yekutieli
from monitor.stats.parity import (
    MIN_EVENTS,
    MIN_SHOWN_USERS,
    MIN_USERS,
    Difference,
    Members,
    Mix,
    Parity,
    Ratio,
    compare_groups,
    role_of_mix,
)

FALSE_CLAIMS = 0.05
"""The share of claims that may be false, on average, whatever the dependence between the questions."""
LEAST_SURE = 0.01
"""A claim needs a p-value below this, too: it matters where few questions are asked."""
TOLERANCE_POINTS = 0.05
STRATA = ("feature", "model_family", "language")
ABOUT_PROMPTS = ("prompt", "injection", "input_tokens")
FAMILIES = ("quality", "safety", "usage")
_SAME_AS_MODEL = ("model", "model_family", "provider")


@dataclass(frozen=True)
class _Compared:
    signal: Signal
    dimension: str
    group: str
    parity: Parity
    strata: tuple[str, ...]
    tolerance: float
    twin: bool
    two_groups: bool
    open: str

    @property
    def question(self) -> tuple[str, str, str]:
        """Between two groups there is one question, whichever is looked at."""
        return self.dimension, self.signal.name, "" if self.two_groups else self.group


def is_compared(signal: Signal) -> bool:
    """True for what can be better or worse for somebody; what tells of the prompt is no treatment."""
    if any(word in signal.name for word in ABOUT_PROMPTS):
        return False
    return signal.good is not None and signal.kind in (Kind.FLAG, Kind.NUMBER) and signal.family in FAMILIES


def with_pairs(dimensions: Sequence[str]) -> tuple[str, ...]:
    """The declared dimensions and, after them, each two of them together."""
    single = tuple(dict.fromkeys(dimensions))
    plain = [name for name in single if "+" not in name]
    return tuple(dict.fromkeys((*single, *("+".join(pair) for pair in combinations(plain, 2)))))


def compare_all(
    values: UserValues, dimensions: Sequence[str], *, describe: Callable[[str, Kind], Signal] = describe
) -> tuple[list[Comparison], int, dict[str, int]]:
    """All comparisons, those that matter most first; how many questions they were; and hidden groups by dimension."""
    signals = [signal for name, kind in values.kinds.items() if is_compared(signal := describe(name, kind))]
    found: list[_Compared] = []
    hidden: dict[str, int] = {}
    for dimension in dimensions:
        made, small = _of_dimension(values, dimension, signals)
        found += made
        if small:
            hidden[dimension] = small
    asked = [item for item in found if not item.open and not item.twin]
    claims = _claimed(asked)
    questions = len(asked)
    result = [_told(item, claims) for item in found]
    order = {GAP: 0, NOT_ENOUGH: 1, NO_GAP: 2}
    return (
        sorted(
            result,
            key=lambda one: (
                order[one.verdict],
                not one.worse,
                -abs((one.standardised or one.raw).value) / max(one.tolerance, 1e-12),
                one.signal,
                one.group,
            ),
        ),
        questions,
        hidden,
    )


def _claimed(asked: Sequence[_Compared]) -> set[tuple[str, str, str]]:
    p_values = [item.parity.judged.p_value for item in asked]
    kept = benjamini_yekutieli(p_values, FALSE_CLAIMS, [asked_weight(item.signal) for item in asked])
    return {
        item.question
        for item, p_value, keep in zip(asked, p_values, kept, strict=True)
        if keep and p_value <= LEAST_SURE
    }


def _of_dimension(values: UserValues, dimension: str, signals: Iterable[Signal]) -> tuple[list[_Compared], int]:
    choices = [(strata, values.sides(dimension, strata)) for strata in _strata(values, dimension)]
    sizes = choices[0][1].sizes
    shown = [name for name, users in sizes.items() if users >= MIN_SHOWN_USERS]
    small = sum(0 < users < MIN_SHOWN_USERS for users in sizes.values())
    if len(shown) < 2 and dimension != MENTIONED:
        return [], small
    made = [
        item
        for signal in signals
        for place, group in enumerate(shown)
        if (
            item := _compare(
                values,
                dimension,
                signal,
                group,
                shown=shown,
                choices=choices,
                twin=len(shown) == 2 and place == 1,
            )
        )
    ]
    return made, small


def _strata(values: UserValues, dimension: str) -> list[tuple[str, ...]]:
    """What is held equal, finest first: without what the dimension is made of."""
    parts = set(dimension.split("+"))
    fitting = [
        name
        for name in STRATA
        if name in values.dimensions
        and name not in parts
        and not (name == "model_family" and parts & set(_SAME_AS_MODEL))
    ]
    return [tuple(fitting[:length]) for length in range(len(fitting), -1, -1)]


def _compare(
    values: UserValues,
    dimension: str,
    signal: Signal,
    group: str,
    *,
    shown: Sequence[str],
    choices: Sequence[tuple[tuple[str, ...], Sides]],
    twin: bool,
) -> _Compared | None:
    found: Parity | None = None
    used: tuple[str, ...] = ()
    tolerance = 0.0
    events = 0.0
    for strata, sides in choices:
        means, there = values.means(signal.name, sides)
        code = sides.names.index(group)
        compared_with = np.isin(sides.groups, [sides.names.index(name) for name in shown if name != group])
        own, rest = there & (sides.groups == code), there & compared_with
        if own.sum() < MIN_SHOWN_USERS or rest.sum() < MIN_SHOWN_USERS:
            return None
        other = float(means[rest].mean())
        tolerance = signal.relevant_change * (abs(other) if signal.kind is Kind.NUMBER else 1.0)
        if signal.kind is Kind.FLAG:
            tolerance = min(tolerance, TOLERANCE_POINTS)
            touched = means[own | rest]
            events = float(min((touched > 0).sum(), (touched < 1).sum()))
        found = compare_groups(
            Members(means[own], sides.strata[own]),
            Members(means[rest], sides.strata[rest]),
            is_share=signal.kind is Kind.FLAG,
            tolerance=tolerance,
            good=signal.good,
        )
        used = strata if found.standardised is not None else ()
        if found.standardised is not None or not strata:
            break
    if found is None:
        return None
    reason = ""
    if min(found.users, found.others) < MIN_USERS:
        reason = f"a verdict needs {MIN_USERS} users on both sides"
    elif signal.kind is Kind.FLAG and events < MIN_EVENTS:
        reason = f"a verdict needs {MIN_EVENTS} users whom it happened to, and {MIN_EVENTS} whom it did not"
    elif found.judged.low == found.judged.high:
        reason = "the value is the same for everyone"
    return _Compared(signal, dimension, group, found, used, tolerance, twin, len(shown) == 2, reason)


def _told(item: _Compared, claims: set[tuple[str, str, str]]) -> Comparison:
    found, judged = item.parity, item.parity.judged
    inside = -item.tolerance < judged.low and judged.high < item.tolerance
    if item.open:
        verdict = NOT_ENOUGH
    elif inside:
        verdict = NO_GAP
    elif item.question in claims:
        verdict = GAP
    else:
        verdict = NOT_ENOUGH
    mix = role_of_mix(found, item.tolerance)
    return Comparison(
        signal=item.signal.name,
        kind=item.signal.kind.value,
        dimension=item.dimension,
        group=item.group,
        verdict=verdict,
        worse=(judged.effect > 0) != (item.signal.good == "up") if verdict == GAP else None,
        reason=_reason(item, verdict, mix),
        users=found.users,
        others=found.others,
        value=found.value,
        other=found.other,
        tolerance=item.tolerance,
        raw=_limits(_within(found.raw, item.signal)),
        standardised=None if found.standardised is None else _limits(_within(found.standardised, item.signal)),
        strata=list(item.strata),
        covered=found.covered,
        mix=mix,
        p_value=None if item.open else judged.p_value,
        good_ratio=_ratio(found.good_ratio),
        bad_ratio=_ratio(found.bad_ratio),
        missing=_missing(item) if verdict == NOT_ENOUGH else 0,
    )


def _missing(item: _Compared) -> int:
    return max(item.parity.missing, MIN_USERS - min(item.parity.users, item.parity.others), 0)


def _limits(found: Difference) -> Limits:
    return Limits(found.effect, found.low, found.high)


def _within(found: Difference, signal: Signal) -> Difference:
    """A share differs by no more than a hundred points."""
    if signal.kind is not Kind.FLAG:
        return found
    return replace(found, low=max(found.low, -1.0), high=min(found.high, 1.0))


def _ratio(found: Ratio | None) -> Limits | None:
    return None if found is None else Limits(found.value, found.low, found.high)


def _reason(item: _Compared, verdict: str, mix: Mix) -> str:
    """The answer in one or two plain sentences."""
    found, signal = item.parity, item.signal
    judged = _within(found.judged, signal)
    who = group_text(item.dimension, item.group)
    size = f"{sized(signal, judged.effect)} (95% interval {sized(signal, judged.low)} to {sized(signal, judged.high)})"
    same = f" with the same mix of {_listed(item.strata)}" if found.standardised is not None else ""
    users = f"{wording.plural(found.users, 'user')} against {wording.count(found.others)}"
    if item.open:
        return f"{signal.title}: not enough data on {who}: {item.open} ({users})."
    figures = f"{size} against others{same}, {users}"
    if verdict == GAP:
        better = "better" if (judged.effect > 0) == (signal.good == "up") else "worse"
        first = f"{signal.title} is {better} for {who}: {figures}."
    elif verdict == NO_GAP:
        first = f"{signal.title}: no relevant gap for {who}: {figures}."
    else:
        missing = _missing(item)
        rest = f"; about {wording.plural(missing, 'more user')} would tell" if missing else ""
        first = f"{signal.title}: not enough data to tell for {who}: {figures}{rest}."
    return f"{first} {mix_text(signal, found.raw.effect, judged.effect, item.strata, mix)}".strip()


def mix_text(signal: Signal, raw: float, standardised: float, strata: Sequence[str], mix: Mix) -> str:
    """What the mix does to the raw difference, for people."""
    listed = _listed(strata)
    raw_text = sized(signal, raw)
    if mix == "reverses":
        return (
            f"The raw difference, {raw_text}, points the other way (Simpson's paradox): the group meets another mix of "
            f"{listed}, and within each of them the difference is turned round."
        )
    if mix == "explains":
        return f"The raw difference, {raw_text}, comes of the mix of {listed}: like compared with like, it is gone."
    if mix == "hides":
        return f"The raw difference, {raw_text}, hides it: the group meets an easier or harder mix of {listed}."
    if mix == "part":
        return f"The raw difference is {raw_text}; the mix of {listed} explains {sized(signal, raw - standardised)}."
    return ""


def sized(signal: Signal, difference: float) -> str:
    """A difference with its sign: points for shares, else in the unit of the signal."""
    sign = "+" if difference > 0 else wording.MINUS if difference < 0 else ""
    if signal.kind is Kind.FLAG:
        return f"{sign}{abs(difference) * 100:.1f} points"
    return f"{sign}{wording.format_value(signal, abs(difference))}"


def group_text(dimension: str, group: str) -> str:
    """A group for people: "language fr", "prompts that mention old age"."""
    if dimension == MENTIONED:
        return f"prompts that mention {wording.shortened(group, 60)}"
    return wording.shortened(wording.segment_text(Segment(dimension, group)), 80)


def _listed(names: Sequence[str]) -> str:
    words: Mapping[str, Any] = {"feature": "features", "model_family": "models", "language": "languages"}
    told = [str(words.get(name, name)) for name in names]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}" if told else "nothing"

"""One range of time against another: every signal of a segment, from the profiles of days.

The chance that two ranges alike show any change at all is at most 5 %, shared by the signals by weight (Bonferroni). A
change must be larger than what matters of its signal and than what days of the reference differ among themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.clock import BlockLength
from monitor.contracts import Block, Kind, Segment, Signal, State
from monitor.profile import Profile, merge
from monitor.queries.series import read_profiles
from monitor.signals import FEEDBACK_PREFIX, asked_weight, describe, registry
from monitor.stats import distances
from monitor.stats.comparison import VECTOR_RELEVANT, Comparison, Sides, compare
from monitor.stats.judging import MIN_USERS, explain
from monitor.store import Store

FALSE_REPORTS = 0.05
EVERY_CALL = "calls"
_ORDER: tuple[State, ...] = ("bad", "moved", "ok", "too_few")

Range = tuple[datetime, datetime]


@dataclass(frozen=True)
class RangeChange:
    """One signal: both profiles, the distances between them, and the comparison (None where there are too few users).

    `distances` are effect sizes (PSI, Jensen-Shannon, Wasserstein, KS) and decide nothing.
    """

    signal: Signal
    state: State
    reason: str
    before: Profile
    after: Profile
    distances: Mapping[str, float]
    found: Comparison | None = None


def compare_ranges(
    store: Store, project_id: int, segment: Segment, current: Range, reference: Range
) -> list[RangeChange]:
    """Every signal that both ranges have in the segment, what changed first. Ranges are of whole days."""
    after, before = (
        {
            name: blocks
            for (_, name), blocks in read_profiles(
                store, project_id, BlockLength.DAY, *wanted, segments=[segment]
            ).items()
            if name != EVERY_CALL
        }
        for wanted in (current, reference)
    )
    pairs = [
        (_signal(name, blocks[-1].profile.kind), blocks, before[name])
        for name, blocks in after.items()
        if name in before and before[name][-1].profile.kind is blocks[-1].profile.kind
    ]
    weight = sum(asked_weight(signal) for signal, *_ in pairs)
    found = [_compared(signal, *both, level=FALSE_REPORTS * asked_weight(signal) / weight) for signal, *both in pairs]
    return sorted(found, key=_rank)


def _signal(name: str, kind: Kind) -> Signal:
    known = None if name.startswith(FEEDBACK_PREFIX) else registry().get(name)
    return known if known is not None and known.kind is kind else describe(name, kind)


def _compared(signal: Signal, after: Sequence[Block], before: Sequence[Block], *, level: float) -> RangeChange:
    now, past = (merge((block.profile for block in blocks), blocks[-1].profile.kind) for blocks in (after, before))
    apart = distances.of_profiles(now, past)
    if min(now.users, past.users) < MIN_USERS:
        reason = (
            f"{signal.title}: too few to compare, {past.users} users a day before in all and {now.users} now; "
            f"{MIN_USERS} are needed on both sides."
        )
        return RangeChange(signal, "too_few", reason, past, now, apart)
    relevant = signal.relevant_change
    if signal.kind is Kind.VECTOR and signal.relevant is None:
        relevant = VECTOR_RELEVANT
    sides = Sides.of(
        [block for block in after if block.profile.n],
        [block for block in before if block.profile.n],
    )
    found = compare(sides, relevant, level)
    state: State = "ok"
    if found.direction:
        worse = signal.good is not None and (found.direction > 0) != (signal.good == "up")
        state = "bad" if worse else "moved"
    return RangeChange(signal, state, explain(signal, found, now.users), past, now, apart, found)


def _rank(item: RangeChange) -> tuple[int, float, str]:
    strength = item.found.strength if item.found is not None else 0.0
    return _ORDER.index(item.state), -strength, item.signal.name

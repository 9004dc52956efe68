"""The slow tail of a number: the share of calls beyond what was the 95th percentile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from monitor.contracts import Block
from monitor.profile import Floats, bin_of, bin_value
from monitor.stats.change_point import change_point
from monitor.stats.comparison import Sides
from monitor.stats.shares import share_difference, share_strength

TAIL = 0.95
TAIL_NAME = "95th percentile"
RELEVANT_POINTS = 0.05


@dataclass(frozen=True)
class Tail:
    """95th percentile before and after, the share of calls beyond the old one, and whether that share grew."""

    before: float
    after: float
    share: float
    grew: bool
    strength: float
    since: datetime


def compare_tails(sides: Sides, level: float) -> Tail:
    """Compares the share of calls above the reference's 95th percentile as a flag; five points more are relevant.

    Calls, not users, are counted; the scatter between blocks widens the interval where calls of a user hang together.
    """
    before, after = sides.past.quantile(TAIL) or 0.0, sides.now.quantile(TAIL) or 0.0
    edge = bin_of(before)
    # A bin reaches a little beyond the value that stands for it.
    edge = edge if bin_value(edge) >= before else edge + 1
    reference, current = _beyond(sides.reference, edge), _beyond(sides.current, edge)
    shares = share_difference(sides, current, reference, level)
    strength = float(share_strength(shares, RELEVANT_POINTS, level)[0]) if shares.difference[0] > 0 else 0.0
    blocks = [*sides.reference, *sides.current]
    weights = np.array([block.profile.n for block in blocks], dtype=np.float64)
    place = change_point(np.concatenate([reference[:, 0], current[:, 0]]), weights)
    calls = np.array([block.profile.n for block in sides.current], dtype=np.float64)
    return Tail(
        before=before,
        after=after,
        share=float(calls @ current[:, 0] / calls.sum()),
        grew=strength > 1,
        strength=strength,
        since=blocks[place].start,
    )


def _beyond(blocks: Sequence[Block], edge: int) -> Floats:
    return np.array(
        [
            [sum(count for index, count in block.profile.bins.items() if index > edge) / block.profile.n]
            for block in blocks
        ]
    )

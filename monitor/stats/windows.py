"""Which blocks a judgement looks at: the window, the healthy past before it, and what followed an open alert."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.contracts import Block
from monitor.profile import Profile
from monitor.stats.judging import MIN_USERS

REFERENCE = timedelta(weeks=8)
LONG_WINDOW = timedelta(days=7)
LONGER_LOOKS = (timedelta(days=2), timedelta(days=4), LONG_WINDOW)
LONG_WINDOW_USERS = 500
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Standing:
    """What alerts and people said of a stream: since when an alert is open, and the times of trouble that are over.

    What people `left_out` teaches nothing; what is `unjudged` is not judged either. What is usual begins anew at the
    `cut`, which was `accepted` at a moment.
    """

    open_since: datetime | None = None
    troubled: tuple[tuple[datetime, datetime], ...] = field(default=())
    left_out: tuple[tuple[datetime, datetime], ...] = field(default=())
    unjudged: tuple[tuple[datetime, datetime], ...] = field(default=())
    cut: datetime | None = None
    accepted: datetime | None = None

    def healthy(self, moment: datetime) -> bool:
        """True for a block that may serve as reference."""
        if self.open_since is not None and moment >= self.open_since:
            return False
        if self.cut is not None and moment < self.cut:
            return False
        return not any(begun <= moment < over for begun, over in (*self.troubled, *self.left_out))

    def judged(self, moment: datetime) -> bool:
        """True for a block that may be judged."""
        return not any(begun <= moment < over for begun, over in self.unjudged)


HEALTHY = Standing()


@dataclass(frozen=True)
class Window:
    """The blocks of one judgement; `start` is where the window begins."""

    start: datetime
    current: tuple[Block, ...]
    reference: tuple[Block, ...]
    changed: tuple[Block, ...]


def windows(blocks: Sequence[Block], day: datetime, standing: Standing = HEALTHY) -> list[Window]:
    """The windows that end with `day`, shortest first; none where the day has no block.

    The first is the day itself, lengthened up to seven days while it has fewer than 30 users. Where it has fewer than
    500, two, four and seven days are further looks, since a small lasting change needs them; not while an alert is
    open, nor back into trouble that is over, nor across a cut. The reference is the eight weeks before.
    """
    past = blocks[: bisect_right(blocks, day, key=_start)]
    if standing.unjudged:
        past = [block for block in past if standing.judged(block.start)]
    if not past or past[-1].start != day:
        return []
    earliest = day - LONG_WINDOW + _DAY
    if standing.open_since is not None:
        earliest = max(earliest, min(standing.open_since, day))
    for _, over in standing.troubled:
        earliest = max(earliest, min(over, day))
    if standing.cut is not None:
        earliest = max(earliest, min(standing.cut, day))
    candidates = [block for block in past if block.start >= earliest]
    first = len(candidates) - 1
    users = candidates[first].profile.users
    while users < MIN_USERS and first > 0:
        first -= 1
        users += candidates[first].profile.users
    found = [_window(past, candidates[first:], standing)]
    if standing.open_since is None and users < LONG_WINDOW_USERS:
        for length in LONGER_LOOKS:
            longer = [block for block in candidates if block.start > day - length]
            if longer[0].start < found[-1].start:
                found.append(_window(past, longer, standing))
    return found


def _window(past: Sequence[Block], current: Sequence[Block], standing: Standing) -> Window:
    start = current[0].start
    end = start if standing.open_since is None else min(start, standing.open_since)
    reference = past[bisect_left(past, end - REFERENCE, key=_start) : bisect_left(past, end, key=_start)]
    if standing != HEALTHY:
        reference = [block for block in reference if standing.healthy(block.start)]
    return Window(
        start=start,
        current=tuple(current),
        reference=tuple(reference),
        changed=()
        if standing.open_since is None
        else tuple(block for block in past if block.start >= standing.open_since),
    )


def _start(block: Block) -> datetime:
    return block.start


def filled(blocks: Sequence[Block], start: datetime, day: datetime) -> list[Block]:
    """The blocks (at least one) with an empty one for each day from `start` to `day` that has none."""
    known = {block.start: block for block in blocks}
    kind = blocks[-1].profile.kind
    result: list[Block] = []
    moment = start
    while moment <= day:
        result.append(known.get(moment) or Block(moment, Profile(kind)))
        moment += _DAY
    return result

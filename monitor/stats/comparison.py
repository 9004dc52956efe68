"""Is the window different from the reference, by more than matters? One answer for each kind of signal.

Everywhere the question is decided by an interval at the level that is left after correction for all looks: it must
exclude the smallest relevant change. Means that are shown are means over calls, as people count; decisions rest on
users within blocks (`monitor.stats.spread`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
from scipy.special import stdtrit

from monitor.contracts import Block, Kind
from monitor.profile import OTHER, Floats, Profile, merge, sums_of
from monitor.stats.intervals import mean_interval, newcombe, possible, student_quantile, wilson
from monitor.stats.ranks import Counts, Ranks
from monitor.stats.season import season
from monitor.stats.shares import share_difference, share_strength
from monitor.stats.spread import Spread, between_users, spread

UNSETTLED = timedelta(days=7)
MIN_SETTLED_BLOCKS = 21
RANK_MARGIN = 0.03
VECTOR_RELEVANT = 0.2
MAX_VALUES_COMPARED = 20
_LEAST_SHARE = 0.005
_UNUSUAL_CONCENTRATION = 2.0
_CONCENTRATION_PROOF = 3.0
_MEAN_PROOF = 3.0


@dataclass(frozen=True)
class CategoryChange:
    """One value of a category: its share of calls in the reference and in the window."""

    value: str
    before: float
    after: float
    proven: bool


@dataclass(frozen=True)
class Comparison:
    """The outcome. `direction` is +1 or -1 for a proven relevant rise or fall, else 0.

    `value`, `baseline` and `effect` are in the unit of the signal (shares for flags and categories, a standardised
    distance for vectors), with 95 % intervals. `relative` is the effect over the baseline. `strength` is the evidence
    over what is required: above 1 it is proven. `series` and `weights` are the block values of reference and window
    that carried the decision, for dating the change.
    """

    direction: int
    value: float
    baseline: float
    effect: float
    strength: float
    low: float | None = None
    high: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    relative: float | None = None
    series: Floats = field(default_factory=lambda: np.zeros(0))
    weights: Floats = field(default_factory=lambda: np.zeros(0))
    categories: tuple[CategoryChange, ...] = ()
    superiority: float | None = None


UNPROVEN = Comparison(direction=0, value=math.nan, baseline=math.nan, effect=math.nan, strength=math.nan)
"""The answer of a brief comparison where nothing is proven."""


@dataclass(frozen=True)
class Sides:
    """Window and reference, block by block and merged (`sums` are the merged profiles without their sketches).

    The first `settled` blocks of the reference carry the decision: where the past is long enough these end a week
    before the window, so that a change that went unproven for some days does not pass for usual wander. What is shown
    as baseline is the whole reference.
    """

    current: Sequence[Block]
    reference: Sequence[Block]
    settled: int

    @classmethod
    def of(cls, current: Sequence[Block], reference: Sequence[Block]) -> Sides:
        """Both sides, oldest block first; both must have calls."""
        settled = bisect_left(reference, current[0].start - UNSETTLED, key=_start)
        return cls(current, reference, settled if settled >= MIN_SETTLED_BLOCKS else len(reference))

    @property
    def kind(self) -> Kind:
        """The kind of all profiles."""
        return self.current[0].profile.kind

    @cached_property
    def now(self) -> Profile:
        """The window as one profile."""
        return merge((block.profile for block in self.current), self.kind)

    @cached_property
    def past(self) -> Profile:
        """The reference as one profile."""
        return merge((block.profile for block in self.reference), self.kind)

    @cached_property
    def sums(self) -> tuple[Profile, Profile]:
        """The sums of window and reference."""
        return sums_of([block.profile for block in self.current]), sums_of([block.profile for block in self.reference])

    @cached_property
    def users(self) -> Floats:
        """Users of each reference block."""
        return np.array([block.profile.users for block in self.reference], dtype=np.float64)

    @cached_property
    def window_users(self) -> Floats:
        """Users of each block of the window."""
        return np.array([block.profile.users for block in self.current], dtype=np.float64)

    @cached_property
    def days(self) -> tuple[datetime, ...]:
        """When each reference block begins."""
        return tuple([block.start for block in self.reference])

    @cached_property
    def window_days(self) -> tuple[datetime, ...]:
        """When each block of the window begins."""
        return tuple([block.start for block in self.current])

    def spread(self, current: Floats, reference: Floats, noise: Floats, least_lowered: Floats | float) -> Spread:
        """The difference of block values (window: one row a block), without season, and its variance."""
        users, window = self.users[: self.settled], self.window_users
        reference = reference[: self.settled]
        found = season(reference, users, self.days[: self.settled], self.window_days)
        value = window @ (current - found.current) / window.sum()
        return spread(
            value,
            float(window.sum()),
            reference - found.reference,
            users,
            noise=noise,
            least_lowered=least_lowered,
            groups=found.groups,
            window_blocks=len(self.current),
        )

    @property
    def least_lowered(self) -> float:
        """Users over calls: the noise of independent calls relative to that of users with one call each."""
        now, past = self.sums
        return min(1.0, (now.users + past.users) / max(now.n + past.n, 1))


def _start(block: Block) -> datetime:
    return block.start


def compare(sides: Sides, relevant: float, level: float, *, brief: bool = False) -> Comparison:
    """Compares by the kind of the profiles. `relevant` as in `monitor.contracts.Signal`; `level` is two-sided.

    With `brief` the answer is UNPROVEN, which costs less, where nothing is proven.
    """
    if sides.kind is Kind.FLAG:
        return compare_flags(sides, relevant, level, brief=brief)
    if sides.kind is Kind.NUMBER:
        return compare_numbers(sides, relevant, level, brief=brief)
    if sides.kind is Kind.CATEGORY:
        return compare_categories(sides, relevant, level, brief=brief)
    return compare_vectors(sides, relevant, level)


def compare_flags(sides: Sides, relevant: float, level: float, *, brief: bool = False) -> Comparison:
    """Difference of the share of calls where the flag is set; `relevant` is in points (0.05 is five)."""
    current = _user_means(sides.current)
    reference = _user_means(sides.reference)
    shares = share_difference(sides, current, reference, level)
    strength = float(share_strength(shares, relevant, level)[0])
    if brief and strength <= 1:
        return UNPROVEN
    now, past = sides.sums
    value = now.total / now.n
    baseline = min(1.0, max(0.0, past.total / past.n + float(shares.season[0])))
    low, high = wilson(value, now.users)
    effect_low, effect_high = newcombe(value, now.users, baseline, past.users)
    return Comparison(
        direction=int(np.sign(shares.difference[0])) if strength > 1 else 0,
        value=value,
        baseline=baseline,
        effect=value - baseline,
        strength=strength,
        low=low,
        high=high,
        effect_low=effect_low,
        effect_high=effect_high,
        relative=(value - baseline) / baseline if baseline > 0 else None,
        series=np.concatenate([reference[:, 0], current[:, 0]]),
        weights=np.concatenate([sides.users, sides.window_users]),
    )


def _user_means(blocks: Sequence[Block]) -> Floats:
    return np.array([block.profile.user_total / max(block.profile.users, 1) for block in blocks])[:, None]


def compare_numbers(sides: Sides, relevant: float, level: float, *, brief: bool = False) -> Comparison:
    """Numbers by rank, so that a few huge ones decide nothing; `relevant` is relative to the mean (0.1 is 10 %).

    Proven in either of two ways, each at half the level. One: even after every number of the window is brought back by
    the relevant amount, it still tends to be larger (or smaller) than one of the reference. Two: the probability of
    superiority is past 0.5 -+ 0.03 and the mean has changed by the relevant amount in the same direction, by more than
    three standard errors (a change of a part of the calls only; without the errors a small shift of all calls would
    lend its proof to a chance swing of the mean). Does not see a change that leaves both rank and mean where they were,
    such as more spread on both sides.
    """
    past_counts = Counts.of([block.profile for block in sides.reference])
    counts = Counts.of([block.profile for block in sides.current])
    ranks = Ranks(past_counts)
    reference, current = ranks.means(past_counts)[:, None], ranks.means(counts)[:, None]
    now, before = sides.sums
    noise = max(ranks.variance, ranks.variance_of(counts), 0.25 / (before.users + 2))
    found = sides.spread(current, reference, np.array([noise]), sides.least_lowered)
    error = max(float(found.error[0]), 1e-12)
    needed = student_quantile(level / 2, float(found.degrees[0]))
    shift = float(found.difference[0])
    # What the window itself, season taken out, would score if it were brought back by the relevant amount.
    seasonal = float(ranks.mean_after(counts, 0.0)) - 0.5 - shift
    brought_down = ranks.mean_after(counts, -relevant / (1 + relevant)) - 0.5 - seasonal
    brought_up = ranks.mean_after(counts, relevant / (1 - relevant) if relevant < 1 else 1e6) - 0.5 - seasonal
    if brief and max(brought_down, -brought_up, abs(shift) - RANK_MARGIN) <= error * needed:
        return UNPROVEN
    value, past = now.total / now.n, before.total / before.n
    means = season(
        np.array([block.profile.total / block.profile.n for block in sides.reference])[:, None],
        np.array([block.profile.n for block in sides.reference], dtype=np.float64),
        sides.days,
        sides.window_days,
    )
    calls = np.array([block.profile.n for block in sides.current], dtype=np.float64)
    baseline = past + float(calls @ means.current[:, 0]) / float(calls.sum())
    size = ranks.scale or abs(baseline)
    change = (value - baseline) / size if size else math.copysign(math.inf, value) if value else 0.0
    apart = _means_apart(sides, value - baseline)
    up = max(brought_down, shift - RANK_MARGIN if apart and change >= relevant else -1.0) / (error * needed)
    down = max(-brought_up, -shift - RANK_MARGIN if apart and change <= -relevant else -1.0) / (error * needed)
    strength = max(up, down)
    direction = (1 if up >= down else -1) if strength > 1 else 0
    if direction and not spread_over_users(sides, direction):
        direction, strength = 0, 1.0
    if brief and not direction:
        return UNPROVEN
    interval = mean_interval(value, now.user_variance, now.users)
    low, high = possible(interval, sides.now) if interval else (None, None)
    effect_interval = _mean_difference(sides, value - baseline)
    return Comparison(
        direction=direction,
        value=value,
        baseline=baseline,
        effect=value - baseline,
        strength=strength,
        low=low,
        high=high,
        effect_low=effect_interval[0] if effect_interval else None,
        effect_high=effect_interval[1] if effect_interval else None,
        relative=change if math.isfinite(change) else None,
        series=np.concatenate([reference[:, 0], current[:, 0]]),
        weights=np.concatenate([sides.users, sides.window_users]),
        superiority=shift + 0.5,
    )


def spread_over_users(sides: Sides, direction: int) -> bool:
    """False where few users make far more calls than users usually do and the users' own means do not agree."""
    now, past = sides.sums
    usual = past.n / max(past.users, 1)
    if now.n / max(now.users, 1) <= _UNUSUAL_CONCENTRATION * usual:
        return True
    mean, past_mean = now.user_mean, past.user_mean
    variance, past_variance = now.user_variance, past.user_variance
    if mean is None or past_mean is None or variance is None or past_variance is None:
        return False
    error = math.sqrt(variance / now.users + past_variance / past.users)
    return direction * (mean - past_mean) > _CONCENTRATION_PROOF * error


def _mean_difference(sides: Sides, effect: float) -> tuple[float, float] | None:
    now, past = sides.sums
    one, two = now.user_variance, past.user_variance
    if one is None or two is None:
        return None
    error = math.sqrt(one / now.users + two / past.users)
    reach = student_quantile(0.05, max(now.users - 1, 1)) * error
    return effect - reach, effect + reach


def _means_apart(sides: Sides, effect: float) -> bool:
    """The larger of both variances counts for both sides: a window that happens to lack the rare large values has
    hardly any variance of its own."""
    now, past = sides.sums
    one, two = now.user_variance, past.user_variance
    if one is None or two is None:
        return False
    error = math.sqrt(max(one, two) * (1 / now.users + 1 / past.users))
    return abs(effect) > _MEAN_PROOF * error


def compare_categories(sides: Sides, relevant: float, level: float, *, brief: bool = False) -> Comparison:
    """The share of each value, the level divided by their number; `relevant` is in points (0.05 is five).

    New and vanished values are values with share zero on one side. The figures are those of the value that changed
    most, of the proven ones where there are any.
    """
    before, after = sides.past.shares(), sides.now.shares()
    names = sorted({*before, *after}, key=lambda name: (-max(before.get(name, 0.0), after.get(name, 0.0)), name))
    names = [name for name in names if max(before.get(name, 0), after.get(name, 0)) >= _LEAST_SHARE]
    names = names[:MAX_VALUES_COMPARED] or [OTHER]
    reference, current = _category_means(sides.reference, names), _category_means(sides.current, names)
    shares = share_difference(sides, current, reference, level / len(names))
    beyond = share_strength(shares, relevant, level / len(names))
    if brief and not (beyond > 1).any():
        return UNPROVEN
    order = np.lexsort((-np.abs(shares.difference), beyond <= 1))
    top = int(order[0])
    value = after.get(names[top], 0.0)
    baseline = min(1.0, max(0.0, before.get(names[top], 0.0) + float(shares.season[top])))
    low, high = wilson(value, sides.now.users)
    effect_low, effect_high = newcombe(value, sides.now.users, baseline, sides.past.users)
    changes = tuple(
        CategoryChange(
            names[place], before.get(names[place], 0.0), after.get(names[place], 0.0), bool(beyond[place] > 1)
        )
        for place in order.tolist()
    )
    return Comparison(
        direction=int(np.sign(shares.difference[top])) if beyond[top] > 1 else 0,
        value=value,
        baseline=baseline,
        effect=value - baseline,
        strength=float(beyond.max()),
        low=low,
        high=high,
        effect_low=effect_low,
        effect_high=effect_high,
        series=np.concatenate([reference[:, top], current[:, top]]),
        weights=np.concatenate([sides.users, sides.window_users]),
        categories=changes,
    )


def _category_means(blocks: Sequence[Block], names: Sequence[str]) -> Floats:
    result = np.zeros((len(blocks), len(names)))
    for row, block in enumerate(blocks):
        categories = block.profile.categories
        for column, name in enumerate(names):
            entry = categories.get(name)
            if entry is not None:
                result[row, column] = entry.share / block.profile.users
    return result


def compare_vectors(sides: Sides, relevant: float, level: float) -> Comparison:
    """The mean vector of users, by its most moved coordinate with the level divided by their number.

    The size of the change is |difference of means| / sqrt(sum of the variances between users), less what chance alone
    gives; it must reach `relevant`. Sees where the texts are, not how they scatter around it. A change that is spread
    thinly over all coordinates needs more users than one in a few.
    """
    reference, current = _vector_means(sides.reference), _vector_means(sides.current)
    variance = between_users(sides.past)
    own = between_users(sides.now)
    noise = np.maximum(np.maximum(variance, own), 1e-12)
    found = sides.spread(current, reference, noise, sides.least_lowered)
    needed = -stdtrit(found.degrees, level / 2 / len(noise))
    t = np.abs(found.difference) / np.maximum(found.error, 1e-12)
    spread_of_users = float(np.sum(np.maximum(variance, 1e-12)))
    squared = float(np.sum(found.difference**2 - found.error**2)) / spread_of_users
    size = math.sqrt(max(0.0, squared))
    strength = float(np.max(t / needed)) if size >= relevant else min(1.0, float(np.max(t / needed)))
    direction = found.difference / max(float(np.linalg.norm(found.difference)), 1e-12)
    return Comparison(
        direction=1 if strength > 1 else 0,
        value=size,
        baseline=0.0,
        effect=size,
        strength=strength,
        series=np.concatenate([reference, current]) @ direction,
        weights=np.concatenate([sides.users, sides.window_users]),
    )


def _vector_means(blocks: Sequence[Block]) -> Floats:
    return np.array(
        [block.profile.vector / block.profile.users for block in blocks if block.profile.vector is not None]
    )

"""Where a change happened: one segment, if that explains it better than "everywhere".

Search (on one half of the users). For every value of one dimension and every pair of values of two, the change of
the residuals (`expected`) inside the segment is d with variance v; "it changed here and nowhere else" has the
log-likelihood ratio d^2 / 2v. The best one wins after a price for the number of candidates it was chosen from, so
that of two that explain alike the simpler one is named (Kulldorff, Communications in Statistics 26, 1997, for the
scan; the price is that of the minimum description length).

Confirmation (on the other half). The segment is named only if its change is there again, if it differs from the change
of the rest whatever "the same everywhere" means (the same amount, factor or odds), if it explains more than the same
change everywhere does, and if it stays when each other dimension is held fixed. The error of a mean counts users, not
calls, and the wander between days. Both halves search and both confirm; the test is divided between them.

It names no segment where many are affected, where the halves are small, or where the cause is no value of a dimension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from monitor.contracts import Kind
from monitor.explain.expected import Residuals, residuals
from monitor.explain.sample import Booleans, Integers, Sample
from monitor.profile import Floats

MIN_CALLS = 12
MIN_USERS = 5
NEWCOMER = 1.2
# The confirming test: how many standard errors the inside must differ from the rest by.
DIFFERS = 2.1
STANDS = 2.1
# What must be left of the change inside when another dimension is held fixed.
LEFT_WHEN_FIXED = 0.5
ALIKE = 0.95
MAX_PLACES = 3
MAX_CELLS = 1_500
_DAY = 86_400_000_000


@dataclass(frozen=True)
class Place:
    """A segment that was found: its values by dimension, its calls, the error in which its change was confirmed."""

    values: Mapping[str, str]
    inside: Booleans
    strength: float
    same: tuple[str, ...]


@dataclass(frozen=True)
class _Candidate:
    cells: tuple[tuple[str, int], ...]
    score: float
    change: float


def places(sample: Sample, kind: Kind, seed: int) -> list[Place]:
    """The segments that explain the change, the one that explains most first; none where it is everywhere, or mix.

    After the first, its calls are set aside and the rest is searched again.
    """
    left = np.ones(len(sample), dtype=bool)
    half = _halves(sample.users, seed)
    found: list[Place] = []
    while len(found) < MAX_PLACES:
        chosen = np.flatnonzero(left)
        place = _place(sample.take(chosen), kind, half[chosen])
        if place is None:
            break
        inside = np.zeros(len(sample), dtype=bool)
        inside[chosen[place.inside]] = True
        found.append(Place(place.values, inside, place.strength, place.same))
        left &= ~inside
    return found


def _place(sample: Sample, kind: Kind, half: Booleans) -> Place | None:
    if not sample.columns or min(sample.after.sum(), (~sample.after).sum()) < 4 * MIN_CALLS:
        return None
    confirmed: list[tuple[float, _Candidate]] = []
    for searched in (half, ~half):
        left_over = residuals(sample, kind, searched)
        best = _search(sample, left_over.values, searched)
        if best is None:
            continue
        strength = _confirm(sample, left_over, best, ~searched)
        if strength is not None:
            confirmed.append((strength, best))
    if not confirmed:
        return None
    everyone = np.ones(len(sample), dtype=bool)
    left_over = residuals(sample, kind, everyone)
    # That there is a place was confirmed on data of its own; which it is, all data say best among what was confirmed.
    ranked = _candidates(sample, left_over.values, everyone)
    scores = {one.cells: one.score for one in ranked}
    strength, best = max(confirmed, key=lambda item: scores.get(item[1].cells, -np.inf))
    first = max(ranked, key=lambda one: one.score, default=None)
    if first is not None and first.cells != best.cells and _related(first, best):
        again = _confirm(sample, left_over, first, everyone)
        best, strength = (first, again) if again is not None else (best, strength)
    inside = _inside(sample, best.cells)
    values = {name: sample.columns[name].names[code] or "(none)" for name, code in best.cells}
    return Place(values, inside, strength, _same(sample, inside, dict(best.cells)))


def _halves(users: Integers, seed: int) -> Booleans:
    """True for half of the users, by chance."""
    count = int(users.max()) + 1 if len(users) else 0
    order = np.random.default_rng(seed).permutation(count)
    return np.asarray(order[users] < count / 2)


def _search(sample: Sample, values: Floats, chosen: Booleans) -> _Candidate | None:
    return max(_candidates(sample, values, chosen), key=lambda one: one.score, default=None)


def _candidates(sample: Sample, values: Floats, chosen: Booleans) -> list[_Candidate]:
    """The best value of each dimension and the best pair of values of each two, with the price paid."""
    columns = {name: column.take(chosen) for name, column in sample.columns.items()}
    after, r, users = sample.after[chosen], values[chosen], sample.users[chosen]
    if not after.any() or after.all():
        return []
    power = r * r
    spread = _spread(r, after, users)
    sizes = {name: len(column.names) for name, column in columns.items()}
    pairs = [pair for pair in combinations(columns, 2) if sizes[pair[0]] * sizes[pair[1]] <= MAX_CELLS]
    single_price = np.log(max(sum(sizes.values()), 2))
    pair_price = np.log(max(sum(sizes[one] * sizes[two] for one, two in pairs), 2))
    since = {name: np.bincount(column.codes[after], minlength=sizes[name]) for name, column in columns.items()}
    found: list[_Candidate] = []
    for names, price in [((name,), single_price) for name in columns] + [(pair, pair_price) for pair in pairs]:
        codes = columns[names[0]].codes
        for name in names[1:]:
            codes = codes * sizes[name] + columns[name].codes
        size = int(np.prod([sizes[name] for name in names]))
        wider = np.minimum.outer(*(since[name] for name in names)).ravel() if len(names) > 1 else after.sum()
        change, gain = _changes(codes * 2 + after, size, r, power, spread, wider=wider)
        best = int(np.argmax(gain))
        if gain[best] > 0:
            codes_of = np.unravel_index(best, [sizes[name] for name in names])
            cells = tuple((name, int(code)) for name, code in zip(names, codes_of, strict=True))
            found.append(_Candidate(cells, float(gain[best] - price), float(change[best])))
    return found


def _changes(
    codes: Integers,
    size: int,
    values: Floats,
    power: Floats,
    spread: tuple[float, float, float],
    *,
    wider: Integers,
) -> tuple[Floats, Floats]:
    """The change inside each cell and its log-likelihood ratio. A new value is compared with what is expected.

    Where it took the place of all that was there before, of the `wider` calls since, it is no part of them.
    """
    variance, design, start = spread
    counts = np.bincount(codes, minlength=2 * size).reshape(size, 2).astype(float)
    sums = np.bincount(codes, values, minlength=2 * size).reshape(size, 2)
    squares = np.bincount(codes, power, minlength=2 * size).reshape(size, 2)
    n = np.maximum(counts, 1.0)
    means = sums / n
    # Small cells borrow the variance of all.
    within = (squares - n * means**2 + MIN_CALLS * variance) / (n + MIN_CALLS)
    errors = design * within / n
    new = counts[:, 0] == 0
    change = means[:, 1] - np.where(new, start, means[:, 0])
    # What it was before is not known of a new value: a segment that always was there is named first.
    error = errors[:, 1] + np.where(new, NEWCOMER * errors[:, 1], errors[:, 0])
    enough = (counts[:, 1] >= MIN_CALLS) & np.where(new, counts[:, 1] < ALIKE * wider, counts[:, 0] >= MIN_CALLS)
    gain = np.where(enough, change**2 / (2 * np.maximum(error, 1e-300)), 0.0)
    return change, gain


def _spread(values: Floats, after: Booleans, users: Integers) -> tuple[float, float, float]:
    """Variance of a call, how much more the calls of users together vary, and the mean before."""
    start = float(values[~after].mean())
    centred = values - np.where(after, values[after].mean(), start)
    variance = float((centred**2).mean())
    together = np.bincount(users * 2 + after, centred)
    design = float((together**2).sum() / max((centred**2).sum(), 1e-300))
    return max(variance, 1e-300), max(design, 1.0), start


@dataclass(frozen=True)
class _Side:
    change: float
    variance: float


def _confirm(sample: Sample, left_over: Residuals, best: _Candidate, chosen: Booleans) -> float | None:
    """By how many standard errors the inside differs from the rest, at least; None where that is not confirmed."""
    inside = _inside(sample, best.cells)
    here, rest = chosen & inside, chosen & ~inside
    one, other = _side(sample, left_over.values, here, rest), _side(sample, left_over.values, rest, here)
    if one is None:
        return None
    stands = one.change / np.sqrt(one.variance) * np.sign(best.change)
    if stands < STANDS:
        return None
    if other is None:  # nothing else is left to compare with
        return None
    strength = float(stands)
    for shape in left_over.shapes:
        in_shape, rest_shape = float(shape[here].mean()), float(shape[rest].mean())
        gap = one.change * rest_shape - other.change * in_shape
        error = np.sqrt(one.variance * rest_shape**2 + other.variance * in_shape**2)
        apart = gap / error * np.sign(best.change) * np.sign(rest_shape)
        precision = in_shape**2 / one.variance + rest_shape**2 / other.variance
        common = one.change * in_shape / one.variance + other.change * rest_shape / other.variance
        if apart < DIFFERS or one.change**2 / one.variance <= common**2 / precision:
            return None
        strength = min(strength, float(apart))
    return strength if _stays(sample, left_over.values, here, best) else None


def _side(sample: Sample, values: Floats, here: Booleans, elsewhere: Booleans) -> _Side | None:
    """The change of the mean on one side of the division, with its variance by users and days."""
    before, after = here & ~sample.after, here & sample.after
    if after.sum() < MIN_CALLS or len(np.unique(sample.users[after])) < MIN_USERS:
        return None
    if before.sum() < MIN_CALLS:
        before = elsewhere & ~sample.after if not before.any() else before
        if before.sum() < MIN_CALLS:
            return None
    start, end = float(values[before].mean()), float(values[after].mean())
    noise = _by_users(sample, values, before) + _by_users(sample, values, after)
    wander, days = _wander(sample, values, before)
    lasting = len(np.unique(sample.times[after] // _DAY))
    return _Side(end - start, max(noise + wander * (1 / max(days, 1) + 1 / max(lasting, 1)), 1e-300))


def _by_users(sample: Sample, values: Floats, chosen: Booleans) -> float:
    """Variance of the mean with users as the independent units."""
    part = values[chosen]
    together = np.bincount(np.unique(sample.users[chosen], return_inverse=True)[1], part - part.mean())
    users = len(together)
    small = users / (users - 1) if users > 1 else 2.0
    least = 0.25 / len(part) ** 2  # what cannot vary at all is not certain for that
    return float((together**2).sum() / len(part) ** 2 * small) + least * float(np.ptp(values)) ** 2


def _wander(sample: Sample, values: Floats, before: Booleans) -> tuple[float, int]:
    """How much the days before scatter beyond what their calls explain, and how many days there are."""
    _, days = np.unique(sample.times[before] // _DAY, return_inverse=True)
    counts = np.bincount(days).astype(float)
    if len(counts) < 4:
        return 0.0, len(counts)
    part = values[before]
    means = np.bincount(days, part) / counts
    middle = float(part.mean())
    noise = _by_users(sample, values, before) * counts.sum()  # variance of a call, users counted
    scatter = float((counts * (means - middle) ** 2).sum()) - noise * (len(counts) - 1)
    weight = counts.sum() - (counts**2).sum() / counts.sum()
    return max(scatter / max(weight, 1e-300), 0.0), len(counts)


def _stays(sample: Sample, values: Floats, here: Booleans, best: _Candidate) -> bool:
    """True where the change inside is still there when each other dimension is held fixed."""
    after, r = sample.after[here], values[here]
    if not after.any() or after.all():
        return True
    own = dict(best.cells)
    raw = float(r[after].mean() - r[~after].mean())
    for name, column in sample.columns.items():
        if name in own:
            continue
        size = len(column.names)
        codes = column.codes[here] * 2 + after
        counts = np.bincount(codes, minlength=2 * size).reshape(size, 2).astype(float)
        sums = np.bincount(codes, r, minlength=2 * size).reshape(size, 2)
        both = counts.min(axis=1) > 0
        if counts[both].sum() < 0.5 * counts.sum():
            continue  # values came in place of others: nothing can be held fixed
        means = sums[both] / counts[both]
        weights = counts[both].prod(axis=1) / counts[both].sum(axis=1)
        fixed = float(((means[:, 1] - means[:, 0]) * weights).sum() / weights.sum())
        if fixed * np.sign(best.change) < LEFT_WHEN_FIXED * abs(raw):
            return False
    return True


def _inside(sample: Sample, cells: Sequence[tuple[str, int]]) -> Booleans:
    inside = np.ones(len(sample), dtype=bool)
    for name, code in cells:
        inside &= sample.columns[name].codes == code
    return inside


def _related(one: _Candidate, other: _Candidate) -> bool:
    """True where one segment lies within the other."""
    return set(one.cells) <= set(other.cells) or set(other.cells) <= set(one.cells)


def _same(sample: Sample, inside: Booleans, own: Mapping[str, int]) -> tuple[str, ...]:
    """Other names of the same calls: values whose calls are nearly those of the segment."""
    total = int(inside.sum())
    found: list[str] = []
    for name, column in sample.columns.items():
        if name in own:
            continue
        counts = np.bincount(column.codes[inside], minlength=len(column.names))
        best = int(np.argmax(counts))
        everywhere = int((column.codes == best).sum())
        if counts[best] >= ALIKE * total and total >= ALIKE * everywhere and column.names[best] is not None:
            found.append(f"{name} {column.names[best]}")
    return tuple(found)

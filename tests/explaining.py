"""Scenarios with a planted cause: calls of a stream before and since a change, whose reason is known.

Calls have eight dimensions of unequal sizes that go along with who sends them, users come back and some send much, days
wander, and the level differs by every value, so that the mix matters. The cause is one value, two values together, more
calls of another kind (mix), all calls alike, or nothing. What the alarm says of the beginning may be a day off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.contracts import Kind
from monitor.explain.sample import Booleans, Sample, columns_of

DAY = 86_400_000_000
START = 20_000 * DAY
DIMENSIONS = {
    "model": 4,
    "release": 3,
    "feature": 5,
    "environment": 2,
    "language": 6,
    "tag.plan": 3,
    "tag.country": 12,
    "tag.channel": 4,
}
CAUSES = ("one", "two", "mix", "everywhere", "nothing")
SIZES = {Kind.FLAG: 1.3, Kind.NUMBER: 0.45}


@dataclass(frozen=True)
class Scenario:
    """A sample with what was planted: the segment (empty where there is none) and the first day of the change."""

    sample: Sample
    kind: Kind
    cause: str
    segment: dict[str, str]
    began: int
    inside: Booleans


def scenario(seed: int, cause: str, kind: Kind, calls: int = 12_000) -> Scenario:
    """One seeded scenario with about `calls` calls."""
    dice = np.random.default_rng(seed)
    days, lasting = int(dice.integers(21, 36)), int(dice.integers(3, 9))
    began = days
    users = calls // 4
    owner = (users * dice.random(calls) ** dice.uniform(1.0, 2.0)).astype(np.int64)
    # As much since the change as before, as a sample has it.
    late = dice.random(calls) < 0.5
    day = np.where(late, days + dice.integers(0, lasting, calls), dice.integers(0, days, calls))
    codes = {}
    for name, size in DIMENSIONS.items():
        shares = dice.dirichlet(np.full(size, 2.0))
        home = dice.choice(size, p=shares, size=users)
        codes[name] = np.where(dice.random(calls) < 0.5, home[owner], dice.choice(size, p=shares, size=calls))
    effects = {name: dice.normal(0, 0.3, size) for name, size in DIMENSIONS.items()}
    segment: dict[str, int] = {}
    inside = np.zeros(calls, dtype=bool)
    wanted = {"one": 1, "two": 2, "mix": 1}.get(cause, 0)
    while wanted and not 0.05 < inside.mean() < 0.5:
        chosen = dice.choice(list(DIMENSIONS), wanted, replace=False)
        segment = {str(name): int(dice.integers(DIMENSIONS[str(name)])) for name in chosen}
        inside = np.logical_and.reduce([codes[name] == value for name, value in segment.items()])
    if cause == "mix":
        ((name, value),) = segment.items()
        effects[name][value] += dice.choice([-1.0, 1.0]) * 1.6
        codes[name] = np.where(late & (dice.random(calls) < 0.3), value, codes[name])
    level = np.sum([effects[name][codes[name]] for name in DIMENSIONS], axis=0)
    level = level + dice.normal(0, 0.4, users)[owner] + dice.normal(0, 0.05, days + lasting)[day]
    moved = {"one": inside, "two": inside, "everywhere": np.ones(calls, dtype=bool)}.get(cause, np.zeros(calls, bool))
    if kind is Kind.FLAG:
        odds = -1.8 + level + SIZES[kind] * (moved & late)
        values = (dice.random(calls) < 1 / (1 + np.exp(-odds))).astype(float)
    else:
        values = np.exp(5 + 0.5 * level + dice.normal(0, 0.6, calls) + SIZES[kind] * (moved & late))
    told = began + int(dice.integers(-1, 2))
    times = START + day * DAY + dice.integers(0, DAY, calls)
    order = np.argsort(times, kind="stable")
    columns = columns_of({name: [str(value) for value in codes[name][order]] for name in DIMENSIONS})
    sample = Sample(values[order], day[order] >= told, owner[order], times[order], columns)
    named = {name: str(value) for name, value in segment.items()}
    return Scenario(sample, kind, cause, named, began, inside[order])


def texts(seed: int, calls: int = 3_000, planted: str = "refund") -> tuple[list[str], Booleans, np.ndarray]:
    """Texts of random words by Zipf's law, a tenth of those since the change with the planted word or phrase."""
    dice = np.random.default_rng(seed)
    words = np.array([f"w{number}" for number in range(4_000)])
    chance = 1 / np.arange(1, len(words) + 1)
    lengths = dice.integers(10, 60, calls)
    drawn = dice.choice(words, p=chance / chance.sum(), size=int(lengths.sum()))
    after = dice.random(calls) < 0.5
    found = []
    for place, own in enumerate(np.split(drawn, np.cumsum(lengths)[:-1])):
        text = list(own)
        if dice.random() < (0.1 if after[place] else 0.03):
            text.insert(int(dice.integers(len(text))), planted)
        found.append(" ".join(text))
    return found, after, dice.integers(0, calls // 3, calls)

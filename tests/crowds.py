"""Simulated days of what few people or one document may make up: feedback, near-duplicate prompts, documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from monitor.contracts import WHOLE, Block, Evidence, Kind, Verdict
from monitor.indicators.poisoning import poisoning
from monitor.poisoning.groups import of_few
from monitor.profile import CategoryCount, Profile
from monitor.signals import BURST, COUNTED, DOCUMENT, FLOOD
from tests.simulation import MONDAY

WEEKEND = 0.35
_HOURS = np.clip(np.sin(np.arange(24) / 24 * 2 * np.pi - 2) + 1.05, 0.05, None)
_RANKS = 1 / (np.arange(400) + 1) ** 1.1


def feedback(chance: np.random.Generator, size: float, attack: int = 0) -> Profile | None:
    """A day of about `size` pieces: few people give most, one visit in a hundred brings about five more at once."""
    most: dict[str, int] = {}
    n, people = 0, set[int]()
    for hour in range(24):
        visits = int(chance.poisson(size / 2 * _HOURS[hour] / _HOURS.sum()))
        users = chance.choice(400, visits, p=_RANKS / _RANKS.sum())
        heavy = np.where(chance.random(visits) < 0.01, chance.lognormal(1.5, 0.5, visits).astype(int), 0)
        pieces = chance.geometric(0.6, visits) + heavy
        up = chance.random(visits) < 0.8
        for side in (False, True):
            given = np.repeat(users[up == side], pieces[up == side]).tolist()
            n, people = n + len(given), people | set(given)
            name = f"thumbs {side:d}"
            most[name] = max(most.get(name, 0), of_few([b"%d" % one for one in given])[0])
    if attack:
        most["thumbs 0"], n = attack, n + attack
    return _profile(n, len(people), most)


def prompts(chance: np.random.Generator, size: int, attack: int = 0) -> Profile | None:
    """A day of about `size` calls by returning users of very different activity.

    A fifth of the users send a template of their own; of the busy others one in ten repeats one question that day.
    """
    count = size // 2
    fixed = np.random.default_rng(99)
    activity = 1.5 * np.exp(1.2 * fixed.standard_normal(count) + 0.5)
    templated = fixed.random(count) < 0.2
    calls = chance.poisson(activity * chance.lognormal(0, 0.4, count)) * (chance.random(count) < 0.35)
    busy = calls >= 5
    most = {f"template {user}": int(calls[user] * chance.uniform(0.5, 1)) for user in np.flatnonzero(templated & busy)}
    for user in np.flatnonzero(~templated & busy):
        if chance.random() < 0.1:
            most[f"again {chance.integers(1 << 40)}"] = int(chance.integers(2, min(calls[user], 12) + 1))
    if attack:
        most["planted"] = attack
    return _profile(int(calls.sum()) + attack, int((calls > 0).sum()), most)


def documents(chance: np.random.Generator, weights: np.ndarray, size: float, attack: float = 0.0) -> Profile | None:
    """A day of about `size` retrievals of three documents each; the planted one is in a share `attack` of them."""
    n = int(chance.poisson(size))
    given = chance.multinomial(3 * n, weights)
    counts = {f"document {place}": min(int(count), n) for place, count in enumerate(given)}
    counts["planted"] = int(chance.binomial(n, attack))
    return _profile(n, n, counts)


def days_of(signal: str, size: int, days: int, seed: int, *, attacked: bool) -> list[Block]:
    """Days of ordinary traffic, the last one with the attack where it is to have one.

    Feedback: 60 pieces of one hour by five people. Prompts: 300 near-duplicates. Documents: from 1 % to 30 %, while the
    200 others gain and lose (a first-order autoregression of their log shares, standard deviation 0.46).
    """
    chance = np.random.default_rng(seed)
    popular = np.log(1 / (np.arange(200) + 1))
    wander = 0.46 * chance.standard_normal(200)
    blocks = []
    for day in range(days):
        busy = WEEKEND if day % 7 >= 5 and signal != FLOOD else 1.0
        attack = attacked and day == days - 1
        if signal == BURST:
            profile = feedback(chance, size * busy, 60 if attack else 0)
        elif signal == FLOOD:
            profile = prompts(chance, size, 300 if attack else 0)
        else:
            wander = 0.9 * wander + 0.2 * chance.standard_normal(200)
            weights = np.exp(popular + wander)
            profile = documents(chance, weights / weights.sum(), size * busy, 0.3 if attack else 0.01)
        if profile is not None:
            blocks.append(Block(MONDAY + timedelta(days=day), profile))
    return blocks


def judged(signal: str, blocks: list[Block], looks: int) -> Verdict:
    """The verdict on the last day against the eight weeks before."""
    day = blocks[-1].start
    return poisoning.compute(
        Evidence(
            signal=COUNTED[signal],
            segment=WHOLE,
            start=day,
            end=day + timedelta(days=1),
            now=day + timedelta(days=1, minutes=15),
            current=(blocks[-1],),
            reference=tuple(blocks[-57:-1]),
            looks=looks,
        )
    )


def _profile(n: int, users: int, counts: Mapping[str, int]) -> Profile | None:
    if not n:
        return None
    profile = Profile(Kind.CATEGORY, n, users)
    for name, count in sorted(counts.items(), key=lambda item: -item[1])[: 59 if "planted" in counts else 20]:
        if count:
            share = count / n
            profile.categories[name] = CategoryCount(count, share * users, share**2 * users)
    return profile


SIZES = {BURST: (20, 60, 300), FLOOD: (300, 2_000, 10_000), DOCUMENT: (100, 300, 3_000)}
"""Pieces of feedback, calls and retrievals a day."""

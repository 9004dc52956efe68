"""Variants compared while people look on: false claims however often one looks, power, what is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.stats.variants import MIN_USERS, Side, compare_variants


def first_claim(seed: int, effect: float, *, users: int = 4_000, step: int = 20) -> int | None:
    """Users after which a difference is first claimed, looking after every 20 users; None where never."""
    chance = np.random.default_rng([3, seed])
    one = chance.binomial(5, 0.7, users // 2) / 5
    two = chance.binomial(5, 0.7 + effect, users // 2) / 5
    for count in range(MIN_USERS, users // 2 + 1, step // 2):
        found = compare_variants(Side.of(one[:count]), Side.of(two[:count]), 0.01, "up")
        if found.decision in ("better", "worse"):
            return 2 * count
    return None


def test_peeking_all_the_time_makes_no_more_false_claims_than_allowed() -> None:
    claims = sum(first_claim(seed, 0.0) is not None for seed in range(300))
    # 5 % are allowed; 27 or more would be seen once in a thousand such tests.
    assert claims <= 26


def test_a_real_difference_is_found() -> None:
    found = [first_claim(seed, 0.08) for seed in range(40)]
    assert sum(users is not None for users in found) == 40
    assert float(np.median([users for users in found if users is not None])) < 1_000


def test_alike_for_all_that_matters() -> None:
    side = Side(20_000, 0.7, 0.04)
    found = compare_variants(side, Side(20_000, 0.701, 0.04), 0.02, "up")
    assert found.decision == "same"
    assert -0.02 < found.low < 0.001 < found.high < 0.02


@pytest.mark.parametrize(("good", "decision"), [("up", "better"), ("down", "worse"), (None, "different")])
def test_the_better_side_decides_the_word(good: object, decision: str) -> None:
    found = compare_variants(Side(900, 0.5, 0.1), Side(900, 0.7, 0.1), 0.02, good)  # type: ignore[arg-type]
    assert found.decision == decision
    assert found.missing is None


def test_what_is_missing_is_about_right() -> None:
    early = compare_variants(Side(200, 0.70, 0.04), Side(200, 0.72, 0.04), 0.01, "up")
    assert early.decision == "undecided"
    assert early.missing is not None
    each = (400 + early.missing) // 2 + 50
    assert compare_variants(Side(each, 0.70, 0.04), Side(each, 0.72, 0.04), 0.01, "up").decision == "better"


def test_too_few_users_say_how_many() -> None:
    found = compare_variants(Side.of(np.ones(10)), Side.of(np.zeros(60)), 0.01, "up")
    assert (found.decision, found.missing) == ("too_few", MIN_USERS - 10)
    assert math.isinf(found.high)
    assert compare_variants(Side.of(np.ones(0)), Side.of(np.ones(0)), 0.01, "up").missing == 2 * MIN_USERS

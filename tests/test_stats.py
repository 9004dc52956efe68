"""Statistics against SciPy, against simulation, and by their properties."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from monitor.contracts import Kind
from monitor.profile import Profile, bin_value
from monitor.stats import distances, intervals, power
from monitor.stats.change_point import change_point
from monitor.stats.comparison import Sides, compare
from monitor.stats.forecast import forecast
from monitor.stats.ranks import Counts, Ranks
from monitor.stats.season import season
from monitor.stats.spread import spread
from monitor.stats.windows import Standing, filled, windows
from tests.simulation import MONDAY, Traffic, flag, lognormal, simulate

counts = st.dictionaries(st.integers(0, 8), st.integers(1, 50), min_size=1, max_size=8)
histograms = st.dictionaries(st.integers(-1500, 1500), st.integers(1, 50), min_size=1, max_size=12)


@given(counts, counts)
def test_jensen_shannon_equals_scipy(one: dict[int, int], two: dict[int, int]) -> None:
    names = sorted({*one, *two})
    expected = jensenshannon([one.get(k, 0) for k in names], [two.get(k, 0) for k in names], base=2)
    expected = 0.0 if math.isnan(expected) else float(expected)
    assert distances.jensen_shannon(one, two) == pytest.approx(expected, abs=1e-6)


@given(histograms, histograms)
def test_wasserstein_and_kolmogorov_smirnov_equal_scipy(one: dict[int, int], two: dict[int, int]) -> None:
    values = [[bin_value(index) for index in item] for item in (one, two)]
    weights = [list(item.values()) for item in (one, two)]
    expected = stats.wasserstein_distance(values[0], values[1], weights[0], weights[1])
    assert distances.wasserstein(one, two) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    raw = [np.repeat(value, weight) for value, weight in zip(values, weights, strict=True)]
    assert distances.kolmogorov_smirnov(one, two) == pytest.approx(stats.ks_2samp(*raw).statistic, abs=1e-9)


@given(counts, counts)
def test_the_stability_index_is_symmetric_and_zero_for_equals(one: dict[int, int], two: dict[int, int]) -> None:
    assert distances.population_stability_index(one, one) == pytest.approx(0.0, abs=1e-12)
    forth, back = distances.population_stability_index(one, two), distances.population_stability_index(two, one)
    assert forth == pytest.approx(back)
    assert forth >= 0


def test_deciles_of_the_reference_hold_a_tenth_each() -> None:
    reference = dict.fromkeys(range(100), 10)
    now, past = distances.decile_counts({5: 7, 99: 1, -3: 2, 500: 4}, reference)
    assert list(past.values()) == [100] * 10
    assert now == {0: 9, 9: 5}


@given(st.floats(0, 1), st.integers(1, 5000), st.sampled_from([0.05, 0.01, 1e-4]))
def test_wilson_limits_equal_scipy(share: float, n: int, level: float) -> None:
    hits = round(share * n)
    result = stats.binomtest(hits, n)
    wilson = result.proportion_ci(1 - level, "wilson")
    assert intervals.wilson(hits / n, n, level) == pytest.approx((wilson.low, wilson.high), abs=1e-9)


def test_newcombe_gives_the_published_interval() -> None:
    # Newcombe 1998, table II, method 10: 56/70 against 48/80.
    low, high = intervals.newcombe(56 / 70, 70, 48 / 80, 80)
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_mean_and_ratio_intervals_cover_as_often_as_they_say() -> None:
    chance = np.random.default_rng(1)
    covered = covered_ratio = 0
    for _ in range(600):
        sample, other = chance.gamma(2, 1, 80), chance.gamma(2, 2, 80)
        low, high = intervals.mean_interval(sample.mean(), sample.var(ddof=1), 80) or (0, 0)
        covered += low <= 2 <= high
        limits = intervals.ratio(sample.mean(), sample.var() / 80, other.mean(), other.var() / 80)
        covered_ratio += limits is not None and limits[0] <= 0.5 <= limits[1]
    assert 0.92 < covered / 600 < 0.97
    assert 0.92 < covered_ratio / 600 < 0.97
    assert intervals.mean_interval(1.0, None, 1) is None
    assert intervals.ratio(0.0, 1.0, 1.0, 1.0) is None


def test_an_interval_says_nothing_that_its_value_cannot_be() -> None:
    lengths = Profile.of(Kind.NUMBER, [[0.0], [12.0]])
    assert intervals.possible((-4.01, 13.8), lengths, "words") == (0.0, 13.8)
    differences = Profile.of(Kind.NUMBER, [[-1.0], [0.5]])
    assert intervals.possible((-4.0, 1.2), differences, "") == (-4.0, 1.2)
    scores = Profile.of(Kind.NUMBER, [[1.0], [0.9]])
    assert intervals.possible((0.8, 1.1), scores, "") == (0.8, 1.0)
    assert intervals.possible((0.8, 1.1), scores, "s") == (0.8, 1.1), "a duration may be longer than one second"
    assert intervals.possible((0.8, 1.1), scores) == (0.8, 1.1)
    assert intervals.possible((0.2, 1.1), Profile.of(Kind.NUMBER, [[1.0], [5.0]]), "") == (0.2, 1.1), (
        "stars are no score"
    )
    assert intervals.possible((-0.1, 1.1), Profile.of(Kind.FLAG, [[True]])) == (0.0, 1.0)


def test_ranks_give_the_mann_whitney_statistic() -> None:
    chance = np.random.default_rng(2)
    one, two = chance.integers(1, 9, 80).astype(float), chance.integers(3, 12, 120).astype(float)
    past, now = Profile.of(Kind.NUMBER, [[v] for v in one]), Profile.of(Kind.NUMBER, [[v] for v in two])
    found = Ranks(Counts.of([past])).means(Counts.of([now]))[0]
    assert found == pytest.approx(stats.mannwhitneyu(two, one).statistic / (80 * 120))


def test_bringing_numbers_back_undoes_a_change() -> None:
    for sign, spread_of in ((1, 1.0), (-1, 0.3)):
        values = [sign * value for value in np.exp(np.random.default_rng(3).normal(5, spread_of, 400))]
        past = Profile.of(Kind.NUMBER, [[value] for value in values])
        larger = Profile.of(Kind.NUMBER, [[value * 1.5] for value in values])
        ranks = Ranks(Counts.of([past]))
        assert ranks.means(Counts.of([larger]))[0] != pytest.approx(0.5, abs=0.05)
        if sign > 0:
            assert ranks.mean_after(Counts.of([larger]), 1 / 1.5 - 1) == pytest.approx(0.5, abs=0.02)


def test_a_clear_season_is_found_and_an_unclear_one_is_not() -> None:
    chance = np.random.default_rng(4)
    days = [MONDAY + timedelta(days=day) for day in range(56)]
    weekend = np.array([day.weekday() >= 5 for day in days])
    noise = chance.normal(0, 0.01, (56, 1))
    found = season(np.where(weekend[:, None], 0.3, 0.5) + noise, np.ones(56), days, [days[5], days[0]])
    assert found.groups == 7
    assert found.current[0, 0] - found.current[1, 0] == pytest.approx(-0.2, abs=0.02)
    assert season(noise, np.ones(56), days, days[:1]).groups == 1
    short = season(noise[:6], np.ones(6), days[:6], days[6:7])
    assert (short.groups, float(np.abs(short.reference).max())) == (1, 0.0)


def test_the_spread_knows_noise_wander_and_alikeness() -> None:
    chance = np.random.default_rng(5)
    users = np.full(40, 100.0)
    quiet = chance.normal(0.5, 0.05, (40, 1))
    noise = np.array([0.25])
    plain = spread(np.array([0.5]), 100, quiet, users, noise=noise)
    assert float(plain.error[0]) == pytest.approx(0.05, rel=0.2)
    wandering = quiet + chance.normal(0, 0.2, (40, 1))
    assert float(spread(np.array([0.5]), 100, wandering, users, noise=noise).error[0]) > 0.18
    alike = 0.5 + (quiet - 0.5) / 4
    lowered = spread(np.array([0.5]), 100, alike, users, noise=noise, least_lowered=0.05)
    assert float(lowered.error[0]) < 0.02


@given(st.integers(2, 40), st.integers(3, 40), st.floats(0.5, 3))
def test_the_change_point_is_where_a_step_is(before: int, after: int, size: float) -> None:
    values = np.concatenate([np.zeros(before), np.full(after, size)])
    assert change_point(values, np.ones(before + after), look_back=100) == before


def test_power_keeps_its_promise() -> None:
    needed = power.users_needed(0.5, 0.1, 0.05)
    chance = np.random.default_rng(6)
    found = 0
    for _ in range(2000):
        mean = chance.normal(0.2, 0.5, needed).mean()
        found += mean - intervals.normal_quantile(0.05) * 0.5 / math.sqrt(needed) > 0.1
    assert found / 2000 == pytest.approx(0.8, abs=0.03)
    assert power.smallest_change(0.5, needed, 0.05) == pytest.approx(0.1, rel=0.01)
    assert power.users_per_group(0.1, 0.05, 0.05) == 566


def test_a_forecast_follows_growth_and_the_week() -> None:
    days = [MONDAY + timedelta(days=day) for day in range(56)]
    amounts = [100 * 2 ** (day / 28) * (0.2 if day % 7 >= 5 else 1.0) for day in range(56)]
    next_day = MONDAY + timedelta(days=56)
    found = forecast(days, amounts, next_day, 400.0, noise=1.0, smallest=1.0, level=1e-5)
    assert found is not None
    assert found.expected == pytest.approx(400, rel=0.05)
    assert abs(found.deviation) < found.reach
    assert forecast(days[:13], amounts[:13], days[13], 1.0, noise=1.0, smallest=1.0, level=0.05) is None


def test_windows_lengthen_and_keep_trouble_out_of_the_reference() -> None:
    blocks = simulate(Kind.FLAG, flag(0.5), Traffic(users=12), days=40, seed=1)
    day = blocks[-1].start
    short, *_, long = windows(blocks, day)
    assert short.start < day
    assert sum(block.profile.users for block in short.current) >= 30
    assert long.start == day - timedelta(days=6)
    assert short.reference[-1].start < short.start
    since = day - timedelta(days=10)
    (held,) = windows(blocks, day, Standing(open_since=since))
    assert held.reference[-1].start < since
    assert held.changed[0].start == since
    over = Standing(troubled=((day - timedelta(days=20), day - timedelta(days=15)),))
    assert all(
        not day - timedelta(days=20) <= block.start < day - timedelta(days=15)
        for block in windows(blocks, day, over)[0].reference
    )
    assert windows(blocks[:-1], day) == []
    assert [block.profile.n for block in filled(blocks[:1], MONDAY, MONDAY + timedelta(days=2))][1:] == [0, 0]


def sides(*, users: int = 80, change: float = 0.0, calls: float = 1.0) -> Sides:
    blocks = simulate(
        Kind.NUMBER, lognormal(), Traffic(users=users, calls_a_user=calls), days=41, seed=7, change_on=40, change=change
    )
    return Sides.of(blocks[-1:], blocks[:-1])


def test_figures_shown_are_means_over_calls() -> None:
    found_sides = sides()
    found = compare(found_sides, 0.1, 1e-4)
    assert found.value == pytest.approx(found_sides.now.total / found_sides.now.n)
    assert found.baseline == pytest.approx(found_sides.past.total / found_sides.past.n)
    assert found.direction == 0


def test_one_heavy_user_does_not_move_a_stream() -> None:
    blocks = simulate(Kind.NUMBER, lognormal(), Traffic(users=60, calls_a_user=1), days=40, seed=8)
    ordinary = [[300.0 * value] for value in np.exp(np.random.default_rng(9).standard_normal(60))]
    day = MONDAY + timedelta(days=40)
    heavy = type(blocks[0])(day, Profile.of(Kind.NUMBER, [*ordinary, [5000.0] * 400]))
    assert compare(Sides.of([heavy], blocks), 0.1, 1e-5).direction == 0


def test_new_and_vanished_values_of_a_category_are_seen() -> None:
    def block(day: int, values: list[str]) -> object:
        return type(template)(MONDAY + timedelta(days=day), Profile.of(Kind.CATEGORY, [[value] for value in values]))

    template = simulate(Kind.FLAG, flag(0.5), Traffic(), days=1, seed=1)[0]
    reference = [block(day, ["stop"] * 90 + ["length"] * 10) for day in range(20)]
    found = compare(Sides.of([block(20, ["stop"] * 60 + ["filter"] * 40)], reference), 0.05, 1e-4)  # type: ignore[list-item]
    assert found.direction != 0
    changes = {item.value: (item.before, item.after) for item in found.categories}
    assert changes["filter"] == (0.0, 0.4)
    assert changes["length"] == (0.1, 0.0)

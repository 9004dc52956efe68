"""Calls and money by the hour: what is usual, outages and explosions, and traffic that is only lively."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pytest
from scipy.special import gammaln

from monitor.alerts import update
from monitor.alerts.telling import title
from monitor.detectors.amounts import (
    DOWN,
    HOURS_A_DAY,
    HOURS_A_WEEK,
    UP,
    expected_range,
    learn_usual,
    look_at,
    tail,
)
from monitor.indicators import judge, skip_days
from monitor.profile import Floats
from monitor.queries.alerts import AlertRecord, incidents
from monitor.queries.ledger import ledger
from monitor.settings import Settings
from monitor.stats.budget import WINDOWS
from monitor.store import Store
from tests.hourly_amounts import (
    QUARTER_DAYS,
    REFERENCE_DAYS,
    Traffic,
    least_unit,
    level_of,
    simulate,
    watch,
    write_amounts,
)
from tests.simulation import MONDAY

PROJECT_LEVEL = level_of(200)
"""That of one stream of two hundred, at the default budget."""

CALLS = (0.2 * PROJECT_LEVEL, 0.8 * PROJECT_LEVEL)
MONEY = (0.8 * PROJECT_LEVEL, 0.2 * PROJECT_LEVEL)
WEDNESDAY_AT_TEN = (REFERENCE_DAYS + 2) * HOURS_A_DAY + 10

LIVELY = {
    "usual": Traffic(),
    "thin": Traffic(calls=8),
    "bursts, about one a week": Traffic(bursts=170),
    "wander": Traffic(wander=0.3, rho=0.9),
    "users with many calls": Traffic(calls=60, calls_a_user=8),
    "fourfold growth": Traffic(growth=4.0),
    "shrinking": Traffic(growth=0.4),
    "money": Traffic(calls=60, costs=1.0),
}


def all_healthy(amounts: Floats) -> np.ndarray:
    return np.ones(len(amounts), dtype=np.bool_)


def delays(traffic: Traffic, times: float, levels: tuple[float, float], *, factor: float, runs: int) -> list[int]:
    """Closed hours from a change on a Wednesday at ten to its alarm; 99 where there is none within three days."""
    found = []
    for seed in range(runs):
        amounts = simulate(traffic, REFERENCE_DAYS + 6, np.random.default_rng(100 + seed))
        amounts[WEDNESDAY_AT_TEN:] *= times
        alarms = watch(amounts, traffic, levels, factor=factor, every=9)
        found.append(next((hour - WEDNESDAY_AT_TEN + 1 for hour, _, _ in alarms if hour >= WEDNESDAY_AT_TEN), 99))
    return found


def false_alarms(traffic: Traffic, seed: int, budget: float) -> int:
    """Alarms in a healthy quarter, where one stream may spend all of a budget."""
    level = level_of(1, budget)
    amounts = simulate(traffic, REFERENCE_DAYS + QUARTER_DAYS, np.random.default_rng(seed))
    factor = 1.5 if traffic.costs else 2.0
    return len(watch(amounts, traffic, (level / 2, level / 2), factor=factor, every=7))


def test_what_is_usual_knows_the_week_and_growth() -> None:
    traffic = Traffic(calls=500, wander=0.05)
    amounts = simulate(traffic, REFERENCE_DAYS, np.random.default_rng(1))
    usual = learn_usual(amounts, all_healthy(amounts), 0, 1.0)
    assert usual is not None
    week = np.arange(HOURS_A_WEEK)
    shape = np.where(week // 24 >= 5, 0.45, 1.0) * (1 + 0.9 * np.sin(2 * np.pi * (week % 24 - 7) / 24))
    expected = np.array([usual.expected(hour) for hour in week])
    true = 500 * 1.6 * shape
    busy = shape > 0.3
    assert np.abs(expected[busy] / true[busy] - 1).mean() < 0.06
    assert 1.5 < usual.unit < 6, "two calls a user, geometric: three"
    assert np.all(np.diff(np.sqrt(usual.wander[:, :8]), axis=1) <= 0.05), "longer windows wander less"


def test_too_little_history_says_nothing() -> None:
    amounts = simulate(Traffic(), 13, np.random.default_rng(2))
    assert learn_usual(amounts, all_healthy(amounts), 0, 1.0) is None
    assert learn_usual(np.zeros(30 * 24), np.ones(30 * 24, dtype=np.bool_), 0, 1.0) is None
    healthy = np.ones(30 * 24, dtype=np.bool_)
    healthy[: 17 * 24] = False
    amounts = simulate(Traffic(), 30, np.random.default_rng(2))
    assert learn_usual(amounts, healthy, 0, 1.0) is None


def test_hours_that_are_left_out_teach_nothing() -> None:
    amounts = simulate(Traffic(), REFERENCE_DAYS, np.random.default_rng(3))
    trouble = slice((REFERENCE_DAYS - 5) * 24, (REFERENCE_DAYS - 3) * 24)
    healthy = all_healthy(amounts)
    healthy[trouble] = False
    before = learn_usual(amounts, healthy, 0, 1.0)
    amounts[trouble] = 5000.0
    after = learn_usual(amounts, healthy, 0, 1.0)
    assert before is not None
    assert after is not None
    assert after.level == pytest.approx(before.level)
    assert after.season == pytest.approx(before.season)
    assert after.wander == pytest.approx(before.wander)


def test_one_wild_hour_hardly_moves_what_is_usual() -> None:
    amounts = simulate(Traffic(), REFERENCE_DAYS, np.random.default_rng(4))
    before = learn_usual(amounts, all_healthy(amounts), 0, 1.0)
    amounts[-30] *= 100
    after = learn_usual(amounts, all_healthy(amounts), 0, 1.0)
    assert before is not None
    assert after is not None
    assert after.level == pytest.approx(before.level, rel=0.03)


def test_tails_are_those_of_the_negative_binomial_distribution() -> None:
    mean, size, seen = 20.0, 10.0, 35
    found = [tail(np.array([seen]), np.array([mean]), 1.0, np.array([1 / size]), side)[0] for side in (UP, DOWN)]
    number = np.arange(1000.0)
    logarithm = gammaln(number + size) - gammaln(number + 1) - gammaln(size)
    logarithm += size * np.log(size / (size + mean)) + number * np.log(mean / (size + mean))
    assert found[0] == pytest.approx(np.exp(logarithm[seen:]).sum(), rel=1e-9)
    assert found[1] == pytest.approx(np.exp(logarithm[: seen + 1]).sum(), rel=1e-9)


def test_the_expected_range_ends_where_the_tails_do() -> None:
    amounts = simulate(Traffic(), REFERENCE_DAYS, np.random.default_rng(5))
    usual = learn_usual(amounts, all_healthy(amounts), 0, 1.0)
    assert usual is not None
    low, high = expected_range(usual, 100.0, 0, 0.001)
    assert 0 < low < 100 < high < 300
    for end, side in ((low, DOWN), (high, UP)):
        found = tail(np.array([end]), np.array([100.0]), usual.unit, usual.wander[side, :1], side)[0]
        assert found == pytest.approx(0.001, rel=0.02)


def test_nothing_is_said_of_a_night_in_which_little_is_missing() -> None:
    amounts = simulate(Traffic(), REFERENCE_DAYS, np.random.default_rng(6))
    usual = learn_usual(amounts, all_healthy(amounts), 0, 1.0)
    assert usual is not None
    reach = WINDOWS[-1]
    seen, expected = np.zeros(reach), np.full(reach, np.nan)
    expected[0] = 0.4 * usual.level
    assert look_at(usual, seen, expected, (1e-3, 1e-3), 2.0) is None
    expected[0] = 1.5 * usual.level
    found = look_at(usual, seen, expected, CALLS, 2.0)
    assert found is not None
    assert found.alarmed
    assert (found.side, WINDOWS[found.window], found.ratio) == (DOWN, 1, 0.0)


@pytest.mark.parametrize("calls", [30, 300])
def test_an_outage_is_seen_after_the_first_closed_hour(calls: int) -> None:
    assert max(delays(Traffic(calls=calls), 0.0, CALLS, factor=2.0, runs=3)) == 1


def test_a_cost_explosion_is_seen_within_two_closed_hours() -> None:
    assert np.median(delays(Traffic(calls=300, costs=1.0), 3.0, MONEY, factor=1.5, runs=5)) <= 2


@pytest.mark.parametrize("name", ["usual", "thin", "money"])
def test_a_lively_quarter_is_not_alarmed(name: str) -> None:
    """Where one stream may spend ten times the budget of a project."""
    assert false_alarms(LIVELY[name], seed=7, budget=10.0) <= 10


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", sorted(LIVELY))
def test_many_lively_quarters_keep_to_the_budget(name: str) -> None:
    found = [false_alarms(LIVELY[name], seed, budget=0.5) for seed in range(20)]
    print(f"{name}: {sum(found)} false alarms in {len(found)} quarters, {0.5 * len(found):.0f} allowed")  # noqa: T201
    assert np.mean(found) <= 0.5


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_medians_of_outages_and_explosions() -> None:
    for name, traffic, times, levels, factor, limit in (
        ("no calls, 30 an hour", Traffic(calls=30), 0.0, CALLS, 2.0, 1),
        ("no calls, 10 an hour", Traffic(calls=10), 0.0, CALLS, 2.0, 3),
        ("no calls, a burst a week", Traffic(bursts=170), 0.0, CALLS, 2.0, 1),
        ("a third of the calls, 1,000 an hour", Traffic(calls=1000, wander=0.1), 1 / 3, CALLS, 2.0, 2),
        ("three times the calls, 100 an hour", Traffic(), 3.0, CALLS, 2.0, 4),
        ("three times the money, 60 calls an hour", Traffic(calls=60, costs=1.0), 3.0, MONEY, 1.5, 3),
        ("three times the money, 300 calls an hour", Traffic(calls=300, costs=1.0), 3.0, MONEY, 1.5, 2),
        ("ten times the money, 60 calls an hour", Traffic(calls=60, costs=1.0), 10.0, MONEY, 1.5, 1),
    ):
        found = delays(traffic, times, levels, factor=factor, runs=20)
        print(f"{name}: median {np.median(found):.0f}, 90% within {np.quantile(found, 0.9):.0f}")  # noqa: T201
        assert np.median(found) <= limit, name


def test_the_least_unit_of_money_is_its_mean_square_over_its_mean() -> None:
    chance = np.random.default_rng(8)
    costs = 0.01 * np.exp(chance.standard_normal(400_000))
    assert least_unit(Traffic(costs=1.0)) == pytest.approx(float((costs**2).mean() / costs.mean()), rel=0.05)


# The driver, on both databases.


@dataclass
class Told:
    """What a project of eight weeks said: alerts by the hour in which they were first seen."""

    opened: dict[str, datetime]
    alerts: dict[str, AlertRecord]


def told(store: Store, settings: Settings, project: int, start: int, hours: int, every: int = 1) -> Told:
    """Judges so many hours from hour `start` on, when `every` so many are closed."""
    skip_days(store, "default", MONDAY + timedelta(hours=start))
    opened: dict[str, datetime] = {}
    alerts: dict[str, AlertRecord] = {}
    for hour in range(start + every - 1, start + hours, every):
        moment = MONDAY + timedelta(hours=hour)
        while judge(store, settings, moment + timedelta(hours=1, minutes=12)):
            update(store, settings, moment + timedelta(hours=1, minutes=12))
        found = [alert for item in incidents(store, project) for alert in item.alerts if alert.signal]
        for alert in found:
            opened.setdefault(alert.indicator, moment)
            alerts[alert.indicator] = alert
    return Told(opened, alerts)


def weeks_of_calls(days: int, seed: int = 9) -> tuple[list[int], list[float]]:
    calls = [int(number) for number in simulate(Traffic(calls=120, growth=1.2), days, np.random.default_rng(seed))]
    return calls, [0.01] * len(calls)


START = 28 * HOURS_A_DAY


def test_an_outage_is_alarmed_after_an_hour_and_over_when_calls_are_back(
    store: Store, settings: Settings, project: int
) -> None:
    calls, cost = weeks_of_calls(30)
    calls[START + 10 : START + 14] = [0] * 4
    write_amounts(store, project, calls, cost)
    said = told(store, settings, project, START, 22)
    began = MONDAY + timedelta(hours=START + 10)
    assert said.opened["volume"] == began
    alert = said.alerts["volume"]
    assert alert.since == began
    assert alert.reason.startswith("0 calls in 1 hour, none at all: about ")
    assert (alert.detail["lane"], alert.detail["per"], alert.severity) == ("hour", "hour", "serious")
    assert alert.after == 0
    assert alert.before == pytest.approx(calls[START + 10 - 7 * 24], rel=0.5)
    assert alert.state == "resolved"
    assert alert.resolved is not None
    assert began + timedelta(hours=4) < alert.resolved <= began + timedelta(hours=12)
    assert set(said.opened) <= {"volume", "spend"}
    book = ledger(store, settings, project, MONDAY, MONDAY + timedelta(days=40))
    assert 0 < book.spent < book.allowed


def test_a_cost_explosion_is_alarmed_within_two_hours(store: Store, settings: Settings, project: int) -> None:
    calls, cost = weeks_of_calls(30)
    cost[START + 10 :] = [0.04] * len(cost[START + 10 :])
    write_amounts(store, project, calls, cost)
    said = told(store, settings, project, START, 14)
    assert said.opened["spend"] <= MONDAY + timedelta(hours=START + 11)
    alert = said.alerts["spend"]
    assert alert.reason.startswith("$")
    assert ", far more than usual: about $" in alert.reason
    assert "volume" not in said.opened
    assert title([alert]).startswith("all traffic: spend an hour $")


def test_lively_days_are_not_alarmed(store: Store, settings: Settings, project: int) -> None:
    write_amounts(store, project, *weeks_of_calls(30))
    assert told(store, settings, project, START, 46, every=23).opened == {}


def test_calls_that_never_came_since_an_import_are_no_outage(store: Store, settings: Settings, project: int) -> None:
    write_amounts(store, project, *weeks_of_calls(28))
    assert told(store, settings, project, START, 16, every=8).opened == {}

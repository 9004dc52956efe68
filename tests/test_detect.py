"""`DriftMonitor` keeps to its false alarms on any column, finds what it should, and says so."""

from __future__ import annotations

import contextlib
import io
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from monitor.detect import DriftMonitor
from monitor.detect.lanes import normal_of_counts, normal_of_skewed
from monitor.detect.limits import FADING, false_alarm_rate, limit_for
from monitor.errors import InputError
from tests.tables import CHANGES, HEAVY, LONGEST, SKEWED, SYMMETRIC, TIED, Population, delays, false_alarms

PAGE = (Path(__file__).parent.parent / "docs" / "drift-monitor.md").read_text()


def table(rows: int = 1_000, seed: int = 0, **more: Any) -> dict[str, Any]:
    chance = np.random.default_rng(seed)
    return {
        "number": chance.lognormal(0.0, 1.0, rows),
        "name": chance.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1]),
        **more,
    }


def lane_alarms(limit: float, windows: int, error: float, seed: int) -> float:
    """Alarms a window of a stream of normal values with restarts; `error` is rows of a window over the reference's."""
    chance = np.random.default_rng(seed)
    streams = 2_000
    keep = 1 - FADING[:, None]
    common = math.sqrt(error) * chance.standard_normal(streams)
    total, weight, squares = np.zeros((3, len(FADING), streams))
    found = 0
    for _ in range(windows):
        total = keep * total + chance.standard_normal(streams) + common
        weight, squares = keep * weight + 1, keep**2 * squares + 1
        alarmed = np.any(np.abs(total) >= limit * np.sqrt(squares + error * weight**2), axis=0)
        found += int(alarmed.sum())
        total[:, alarmed] = weight[:, alarmed] = squares[:, alarmed] = 0.0
    return found / (windows * streams)


@pytest.mark.parametrize("error", [0.0, 0.04, 1.0])
def test_the_rate_of_false_alarms_of_the_lanes_is_what_the_limit_says(error: float) -> None:
    rate = lane_alarms(3.0, 1_000, error, seed=1)
    assert 0.3 * false_alarm_rate(3.0) < rate < false_alarm_rate(3.0)


def test_limits_keep_to_their_rates_with_a_reserve() -> None:
    rates = np.array([1e-2, 1e-4, 1e-4, 1e-7, 1e-12])
    limits = limit_for(rates)
    assert [false_alarm_rate(limit) for limit in limits] == pytest.approx(0.6 * rates)


@pytest.mark.parametrize(
    ("hits", "rows", "known", "known_rows"), [(3, 50, 0, 5_000), (9, 200, 50, 5_000), (30, 50, 1_500, 5_000)]
)
def test_counts_are_as_far_out_as_the_exact_probability_says(hits: int, rows: int, known: int, known_rows: int) -> None:
    exact = stats.hypergeom.sf(hits - 1, rows + known_rows, hits + known, rows)
    found = normal_of_counts(*(np.array([float(value)]) for value in (hits, rows, known, known_rows)))
    assert float(found[0]) == pytest.approx(stats.norm.isf(exact), rel=0.03)


@pytest.mark.parametrize("skewness", [0.2, 0.5, 1.0])
def test_skewed_sums_are_not_taken_for_further_out_than_a_gamma_distribution_says(skewness: float) -> None:
    for z in (-4.5, 4.5):
        value = stats.pearson3.ppf(stats.norm.cdf(z), skewness)
        found = normal_of_skewed(np.array([value]), np.array([skewness]))
        assert 0.9 * 4.5 < abs(float(found[0])) <= 4.5


@pytest.mark.parametrize(
    ("families", "rows", "seed"), [(SKEWED, 50, 1), (TIED, 50, 2), (HEAVY, 120, 3), (SYMMETRIC, 20, 4)]
)
def test_false_alarms_keep_to_a_generous_budget(families: Any, rows: int, seed: int) -> None:
    """At 0.05 a window, 400 windows may alarm 20 times; with the reserve and Boole's bound some 3 to 15 are usual."""
    found = false_alarms(lambda reference: DriftMonitor(reference, 0.05), Population.of(families), rows, 400, seed, 4)
    assert 1 <= found <= 20


@pytest.mark.parametrize(("change", "most"), [("0.2 sd", 3), ("0.5 sd", 1), ("scale x1.2", 2), ("new 5%", 1)])
def test_changes_are_found_soon(change: str, most: int) -> None:
    found = delays(DriftMonitor, Population.of(SKEWED), 200, CHANGES[change], runs=7, seed=2)
    assert np.median(found) <= most
    assert max(found) <= LONGEST


def test_a_change_is_told_with_its_size() -> None:
    watch = DriftMonitor(table(5_000))
    window = table(500, seed=1)
    window["number"] = window["number"] * 2
    window["name"][:100] = "z"
    verdicts = watch.update(window)
    assert set(watch.alarmed) == {"number", "name"}
    number, name = verdicts["number"], verdicts["name"]
    assert number.state == name.state == "moved"
    assert number.effect_low is not None
    assert number.effect_high is not None
    assert number.effect_low < 1.65 < number.effect_high
    assert number.detail["statistic"] == "location"
    assert number.reason.startswith("number: values are higher, seen in about 500 rows")
    assert name.detail["statistic"] == "(new)"
    assert name.detail["new"] == ["z"]
    assert name.value == pytest.approx(0.2)
    assert "20.0% have names that the reference does not hold (z)" in name.reason


@pytest.mark.parametrize(
    ("change", "statistic"),
    [
        (lambda values: np.where(np.arange(len(values)) % 5 == 0, math.nan, values), "missing"),
        (lambda values: np.where(np.arange(len(values)) % 25 == 0, 1e9, values), "high tail"),
        (lambda values: np.where(np.arange(len(values)) % 25 == 0, -1.0, values), "low tail"),
        (lambda values: np.exp(1.5 * np.log(values)), "scale"),
    ],
)
def test_what_changed_is_named(change: Any, statistic: str) -> None:
    watch = DriftMonitor(table(5_000))
    window = table(500, seed=1)
    window["number"] = change(window["number"])
    verdict = watch.update(window)["number"]
    assert verdict.state == "moved"
    assert verdict.detail["statistic"] == statistic


def test_a_name_that_vanishes_alarms() -> None:
    watch = DriftMonitor(table(5_000))
    window = table(500, seed=1)
    window["name"] = np.where(window["name"] == "c", "a", window["name"])
    verdict = watch.update(window)["name"]
    assert verdict.state == "moved"
    assert verdict.detail["statistic"] == "c"
    assert verdict.value == 0.0
    assert "c: 0% after" in verdict.reason


def test_identifiers_are_new_each_time_and_do_not_alarm() -> None:
    watch = DriftMonitor({"id": [f"id {place}" for place in range(5_000)]}, 0.05)
    for window in range(100):
        watch.update({"id": [f"window {window}, {place}" for place in range(100)]})
        assert watch.alarmed == ()


def test_a_constant_column_alarms_when_it_is_no_longer_constant() -> None:
    watch = DriftMonitor({"constant": np.full(5_000, 7.0)})
    assert watch.update({"constant": np.full(50, 7.0)})["constant"].state == "ok"
    assert watch.update({"constant": np.append(np.full(45, 7.0), np.full(5, 8.0))})["constant"].state == "moved"


def test_a_lasting_shift_alarms_again() -> None:
    watch = DriftMonitor(table(5_000))
    alarms = 0
    for window in range(20):
        values = table(200, seed=window + 1)
        values["number"] = values["number"] * 1.3
        watch.update(values)
        alarms += "number" in watch.alarmed
    assert 3 <= alarms <= 20


def test_small_windows_add_up() -> None:
    watch = DriftMonitor(table(5_000))
    states = []
    for seed in range(12):
        window = table(8, seed=seed)
        window["number"] = window["number"] * 8
        states.append(watch.update(window)["number"].state)
    assert states[:2] == ["too_few", "too_few"]
    assert "moved" in states


def test_what_is_not_there_is_no_data_and_changes_nothing() -> None:
    first, second = DriftMonitor(table()), DriftMonitor(table())
    verdicts = first.update({"name": table(60)["name"]})
    assert verdicts["number"].state == "no_data"
    assert first.update({"number": [], "name": []})["name"].state == "no_data"
    second.update({"name": table(60)["name"]})
    window = table(60, seed=3)
    assert first.update(window) == second.update(window)


def test_pickled_between_windows_it_goes_on_as_before() -> None:
    kept = DriftMonitor(table())
    for seed in range(5):
        resumed = pickle.loads(pickle.dumps(kept))
        window = table(60, seed=seed)
        assert resumed.update(window) == kept.update(window)


@pytest.mark.parametrize(
    ("reference", "budget", "words"),
    [
        ({}, 1e-3, "no columns"),
        ({"few": [1.0] * 99}, 1e-3, "'few' has 99 values"),
        ({"few": ["a"] * 99}, 1e-3, "'few' has 99 rows"),
        ({"fine": [1.0] * 100}, 0.0, "alarms_per_window"),
    ],
)
def test_what_cannot_be_a_reference(reference: Any, budget: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        DriftMonitor(reference, budget)


def test_names_in_a_column_of_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="'number' holds numbers"):
        DriftMonitor(table()).update({"number": ["a"]})


def test_lists_flags_and_missing_values_are_columns_too() -> None:
    reference = {"flag": [True, False] * 100, "number": [1, None, 3, 4] * 50, "name": ["a", None] * 100}
    verdicts = DriftMonitor(reference).update(
        {"flag": [True] * 40, "number": [1, None, 3, 4] * 10, "name": ["a", None] * 20}
    )
    assert {name: verdict.state for name, verdict in verdicts.items()} == {
        "flag": "moved",
        "number": "ok",
        "name": "ok",
    }


def test_the_example_of_the_page_prints_what_it_says() -> None:
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    printed = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert example
    assert printed
    heard = io.StringIO()
    with contextlib.redirect_stdout(heard):
        exec(example.group(1), {})
    assert heard.getvalue() == printed.group(1)


TARGETS = {50: (30, 7, 4, 2, 4, 2), 200: (9, 3, 2, 1, 2, 1), 1_000: (3, 1, 1, 1, 1, 1)}


@pytest.mark.slow
@pytest.mark.parametrize("rows", TARGETS)
def test_at_most_one_false_alarm_in_a_thousand_windows(rows: int) -> None:
    assert false_alarms(DriftMonitor, Population.of(SKEWED), rows, 5_000, 1, 10) <= 5


@pytest.mark.slow
@pytest.mark.parametrize(("families", "rows"), [(TIED, 50), (HEAVY, 200), (SYMMETRIC, 50)])
def test_at_most_one_false_alarm_in_a_thousand_windows_of_other_columns(families: Any, rows: int) -> None:
    assert false_alarms(DriftMonitor, Population.of(families), rows, 5_000, 2, 10) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("rows", TARGETS)
def test_changes_are_found_as_soon_as_promised(rows: int) -> None:
    found = {
        name: delays(DriftMonitor, Population.of(SKEWED), rows, change, runs=31, seed=1)
        for name, change in CHANGES.items()
    }
    late = {
        name: float(np.median(found[name]))
        for name, most in zip(CHANGES, TARGETS[rows], strict=True)
        if np.median(found[name]) > most
    }
    assert late == {}
    missed = sum(delay > LONGEST for values in found.values() for delay in values)
    assert missed < 0.01 * sum(map(len, found.values()))

"""Two tables compared once: SciPy's figures, columns of all kinds, and the command on tables that are no logs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats
from scipy.spatial import distance

from monitor import cli
from monitor.detect import compare_tables
from monitor.errors import InputError

FINITE = some.floats(-1e6, 1e6, allow_nan=False)


def scipy_figures(one: Any, two: Any) -> tuple[float, float, float]:
    ks = stats.ks_2samp(one, two)
    return float(ks.statistic), float(ks.pvalue), float(stats.wasserstein_distance(one, two))


@pytest.mark.parametrize("shift", [0.0, 0.005, 0.01, 0.02, 0.05, 0.3])
@pytest.mark.parametrize("sizes", [(300, 200), (9_000, 12_000), (60_000, 40_000)])
def test_figures_are_those_of_scipy(sizes: tuple[int, int], shift: float) -> None:
    chance = np.random.default_rng(1)
    one, two = chance.lognormal(size=sizes[0]), chance.lognormal(size=sizes[1]) + shift
    found = compare_tables({"x": one}, {"x": two})["x"]
    ks, p_value, wasserstein = scipy_figures(one, two)
    assert found.ks == pytest.approx(ks, abs=1e-12)
    assert found.p_value == pytest.approx(p_value, abs=1e-9)
    assert found.wasserstein == pytest.approx(wasserstein, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(some.lists(FINITE, min_size=1, max_size=40), some.lists(some.sampled_from([0.0, 1.0, 2.5, -1.0]), min_size=1))
def test_ties_and_few_values_change_nothing(one: list[float], two: list[float]) -> None:
    for before, after in ((one, two), (two, one), (two, two)):
        found = compare_tables({"x": np.array(before)}, {"x": np.array(after)})["x"]
        ks, p_value, wasserstein = scipy_figures(before, after)
        assert found.ks == pytest.approx(ks, abs=1e-12)
        assert found.p_value == pytest.approx(p_value, abs=1e-9)
        assert found.wasserstein == pytest.approx(wasserstein, rel=1e-9, abs=1e-9)


def test_sturges_bins_are_those_of_numpy() -> None:
    chance = np.random.default_rng(2)
    one, two = chance.gamma(2.0, size=4_000), chance.gamma(2.2, size=3_000)
    edges = np.histogram_bin_edges(np.concatenate([one, two]), bins="sturges")
    p, q = np.histogram(one, edges)[0] / len(one), np.histogram(two, edges)[0] / len(two)
    found = compare_tables({"x": one}, {"x": two}, binning="sturges")["x"]
    assert found.jensen_shannon == pytest.approx(distance.jensenshannon(p, q), abs=1e-9)
    p, q = (np.where(side > 0, side, 1e-4 if side[side > 0].min() > 1e-4 else 0) for side in (p, q))
    assert found.psi == pytest.approx(float(np.sum((p - q) * np.log(p / q))), abs=1e-9)


def test_names_are_compared_by_their_shares() -> None:
    one = np.array(["a"] * 900 + ["b"] * 100, dtype=object)
    two = np.array(["a"] * 700 + ["b"] * 200 + ["new"] * 100, dtype=object)
    found = compare_tables({"x": one}, {"x": two})["x"]
    assert (found.kind, found.moved, found.ks) == ("category", True, None)
    assert found.names[0] == ("a", 0.9, 0.7)
    table = np.array([[900, 100, 0], [700, 200, 100]])
    assert found.p_value == pytest.approx(stats.chi2_contingency(table).pvalue, rel=1e-9)


def test_a_sure_but_tiny_change_has_not_moved() -> None:
    chance = np.random.default_rng(3)
    one, two = chance.normal(size=100_000), chance.normal(0.03, size=100_000)
    found = compare_tables({"x": one}, {"x": two})["x"]
    assert found.p_value < 1e-6
    assert not found.moved


def test_tables_alike_show_nothing_in_nearly_all_cases() -> None:
    chance = np.random.default_rng(4)
    shown = 0
    for _ in range(100):
        one, two = (
            {f"c{place}": chance.lognormal(size=80) for place in range(10)}
            | {"name": chance.choice(["a", "b", "c"], 80).astype(object)}
            for _ in range(2)
        )
        shown += any(column.moved for column in compare_tables(one, two).values())
    # At most 5 expected; 12 or more would be seen once in 200 such tests.
    assert shown < 12


def test_missing_values_are_counted() -> None:
    found = compare_tables({"x": [1.0, None, 3.0, math.nan]}, {"x": [1, 2, 3]})["x"]
    assert (found.reference_n, found.reference_missing, found.current_missing) == (2, 2, 0)


@pytest.mark.parametrize(
    ("one", "two", "problem"),
    [
        ({"x": [1.0]}, {"y": [1.0]}, "no column in common"),
        ({"x": [1.0, 2.0]}, {"x": ["a"]}, "numbers on one side"),
        ({"x": [math.nan]}, {"x": [1.0]}, "no value"),
    ],
)
def test_what_cannot_be_compared_is_said(one: Any, two: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        compare_tables(one, two)


def write(path: Path, table: dict[str, Any]) -> Path:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table({name: list(values) for name, values in table.items()}), path)
    elif path.suffix == ".csv":
        rows = [",".join(table), *(",".join(str(cell) for cell in row) for row in zip(*table.values(), strict=True))]
        path.write_text("\n".join(rows))
    else:
        rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_the_command_compares_tables_that_are_no_logs(tmp_path: Path, suffix: str) -> None:
    chance = np.random.default_rng(5)
    before = {"score": chance.normal(size=400).tolist(), "grade": chance.choice(["good", "bad"], 400).tolist()}
    after = {"score": chance.normal(1.0, size=400).tolist(), "grade": chance.choice(["good", "bad"], 400).tolist()}
    files = [str(write(tmp_path / f"{name}{suffix}", table)) for name, table in (("one", before), ("two", after))]
    runner = CliRunner()
    done = runner.invoke(cli.commands, ["compare", *files, "--json", "--fail-on", "moved"], standalone_mode=False)
    assert done.exception is None, done.output
    document = json.loads(done.stdout)
    assert done.return_value == 1
    assert document["moved"] == ["score"]
    assert {column["column"]: column["kind"] for column in document["columns"]} == {
        "score": "number",
        "grade": "category",
    }
    shown = runner.invoke(cli.commands, ["compare", *files], standalone_mode=False)
    assert "score" in shown.stdout
    assert "moved" in shown.stdout

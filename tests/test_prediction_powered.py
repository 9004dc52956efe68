"""Judges corrected by few labels: coverage, width, and honesty about bad judges."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.errors import InputError
from monitor.stats.prediction_powered import cohen_kappa, corrected_mean

RUNS = 500
LABELS, CALLS = 200, 20_000


def hard_judge(chance: np.random.Generator, truth: np.ndarray, kappa: float) -> np.ndarray:
    """Answers yes or no, wrong equally often on both sides, so that kappa is as given where half is true."""
    wrong = chance.random(len(truth)) < (1 - kappa) / 2
    return np.where(wrong, 1 - truth, truth)


def graded_judge(chance: np.random.Generator, truth: np.ndarray) -> np.ndarray:
    """Is sure and right in six of ten calls, and says 0.5, with a breath to one side, in the others."""
    sure = chance.random(len(truth)) < 0.6
    return np.where(sure, truth, 0.5 + chance.uniform(-0.05, 0.05, len(truth)))


def runs(kind: str, share: float = 0.5) -> tuple[float, float, float]:
    """Coverage, mean narrowing, and mean kappa over the runs."""
    covered, narrower, kappas = 0, [], []
    for seed in range(RUNS):
        chance = np.random.default_rng([7, seed])
        truth = (chance.random(CALLS) < share).astype(float)
        judged = graded_judge(chance, truth) if kind == "graded" else hard_judge(chance, truth, 0.6)
        found = corrected_mean(truth[:LABELS], judged[:LABELS], judged[LABELS:])
        covered += found.low <= share <= found.high
        narrower.append(found.narrower)
        kappas.append(cohen_kappa(truth[:LABELS], (judged[:LABELS] > 0.5).astype(float)))
    return covered / RUNS, float(np.mean(narrower)), float(np.mean(kappas))


def test_a_graded_judge_at_kappa_06_narrows_by_thirty_per_cent() -> None:
    coverage, narrower, kappa = runs("graded")
    assert kappa == pytest.approx(0.6, abs=0.02)
    assert 0.93 <= coverage <= 0.97
    assert narrower >= 0.30


def test_a_hard_judge_at_kappa_06_narrows_by_the_fifth_that_is_possible() -> None:
    coverage, narrower, kappa = runs("hard")
    assert kappa == pytest.approx(0.6, abs=0.02)
    assert 0.93 <= coverage <= 0.97
    assert narrower == pytest.approx(1 - np.sqrt(1 - 0.36), abs=0.02)


def test_a_rare_trouble_is_covered_too() -> None:
    coverage, narrower, _ = runs("graded", share=0.2)
    assert 0.93 <= coverage <= 0.97
    assert narrower > 0.2


def test_a_worthless_judge_does_no_harm() -> None:
    covered = wider = 0
    for seed in range(RUNS):
        chance = np.random.default_rng([8, seed])
        truth = (chance.random(CALLS) < 0.3).astype(float)
        judged = chance.random(CALLS)
        found = corrected_mean(truth[:LABELS], judged[:LABELS], judged[LABELS:])
        covered += found.low <= 0.3 <= found.high
        wider += found.narrower < -0.02
    assert covered / RUNS >= 0.93
    assert wider == 0


def test_the_bias_of_a_judge_is_measured_and_taken_off() -> None:
    chance = np.random.default_rng(9)
    truth = (chance.random(50_000) < 0.4).astype(float)
    judged = np.where(chance.random(50_000) < 0.2, 1.0, truth)
    found = corrected_mean(truth[:500], judged[:500], judged[500:])
    assert found.judge == pytest.approx(0.52, abs=0.01)
    assert found.bias_high < 0
    assert found.low < 0.4 < found.high
    assert found.high < found.judge


@pytest.mark.parametrize(("labels", "judged"), [(5, 5), (30, 29)])
def test_too_few_or_unequal_labels_are_refused(labels: int, judged: int) -> None:
    with pytest.raises(InputError):
        corrected_mean(np.zeros(labels), np.zeros(judged), np.zeros(10))


def test_kappa_of_a_known_table() -> None:
    # Cohen's own kind of table: 20 + 15 of 50 agree, 25 and 30 are said.
    one = np.array([1] * 25 + [0] * 25)
    two = np.array([1] * 20 + [0] * 5 + [1] * 10 + [0] * 15)
    assert cohen_kappa(one, two) == pytest.approx(0.4)
    assert cohen_kappa(one, one) == 1.0

"""The figures promised for correctness, groundedness and refusals, on rows that nothing was trained or tuned on."""

from __future__ import annotations

import json

import pytest

from monitor.text import grounding
from tests.quality import Figure, contradictions, correctness, groundedness, refusals, relevance
from tests.quality.measures import auc, auc_within, rows, share
from tests.training.grounding import is_for_training


def by_measure(figures: list[Figure]) -> dict[tuple[str, str], list[Figure]]:
    found: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        assert figure.low <= figure.value <= figure.high
        found.setdefault((figure.signal, figure.measure), []).append(figure)
    return found


def test_correctness_agrees_with_people_better_than_containment() -> None:
    found = by_measure(correctness.report())
    ours, plain = (found[name, "agreement with people"][0] for name in ("correct", "plain containment"))
    assert ours.value > plain.value + 0.03
    assert ours.low > plain.low
    assert ours.value >= 0.95
    assert found["correct", "precision"][0].value >= 0.97


def test_contradictions() -> None:
    figures = contradictions.report()
    primes = {figure.measure: figure for figure in figures if figure.data == contradictions.PRIMES}
    trivia = {figure.measure: figure for figure in figures if figure.data == contradictions.TRIVIA}
    assert primes["precision"].value >= 0.93
    assert primes["recall"].value >= 0.9
    assert trivia["precision"].value >= 0.85
    assert trivia["recall"].value >= 0.6
    assert trivia["false alarms"].value <= 0.03


def test_refusals() -> None:
    found = by_measure(refusals.report())
    assert found["refusal", "precision"][0].value >= 0.9
    assert found["refusal", "recall"][0].value >= 0.9


def test_groundedness_at_matched_length() -> None:
    found = by_measure(groundedness.report())
    matched = found["groundedness", "AUC at matched length"]
    assert len(matched) == 3
    assert all(figure.value >= 0.8 for figure in matched)
    assert all(figure.low >= 0.8 for figure in matched[1:])
    assert found["ungrounded", "precision"][0].value >= 0.9
    assert found["ungrounded", "false alarms"][0].value <= 0.05


def test_groundedness_is_not_length_in_disguise() -> None:
    answers = groundedness.flat(groundedness.scored(groundedness.held_out(), "sentence"))
    _, bins = auc_within(answers)
    well_filled = [value for value, one, other in bins.values() if min(one, other) >= 20]
    assert len(well_filled) >= 8
    assert min(well_filled) >= 0.75
    by_length = auc((float(words), made_up) for _, made_up, words in answers)
    assert by_length < 0.6, "in sentences, length tells right from made-up answers hardly"


def test_no_question_is_on_both_sides() -> None:
    data = rows("halueval_qa")
    trained = {row["prompt_id"] for row in data if is_for_training(row)}
    held = {row["prompt_id"] for row in groundedness.held_out()}
    assert trained
    assert held
    assert not trained & held


def test_the_model_has_the_features_that_are_computed() -> None:
    stored = json.loads(grounding.MODEL.read_text(encoding="utf-8"))
    assert tuple(stored["weights"]) == grounding.FEATURES


def test_measures() -> None:
    assert auc([(1, True), (0, False)]) == 1
    assert auc([(1, True), (1, False)]) == 0.5
    value, bins = auc_within([(5, True, 1), (4, False, 1), (0, True, 2), (9, False, 2), (9, False, 2)])
    assert value == 0.5
    assert bins == {1: (1.0, 1, 1), 2: (0.0, 1, 2)}
    assert share(0, 10)[0] == 0
    assert share(5, 10)[1:] == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_relevance_tells_more_than_length() -> None:
    ours, others, trivia, length = relevance.report()
    assert ours.value >= 0.6
    assert ours.low > 0.5
    assert ours.value > length.value
    assert others.value >= 0.85
    assert trivia.value >= 0.95

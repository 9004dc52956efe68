"""A real change, day by day: GPT-3.5 and GPT-4 between their snapshots of March and June (LLMDrift), and March against
itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from monitor.contracts import Block, Evidence, Kind, Segment, Verdict
from monitor.demo.sample import VERDICTS, rows
from monitor.indicators.drift import drift
from monitor.indicators.quality import quality
from monitor.indicators.traffic import latency
from monitor.profile import Profile
from monitor.signals import feedback_signal, registry
from monitor.stats.budget import QUARTER_DAYS, SHARES, SLOW
from tests.simulation import MONDAY

DAYS = 14
STREAMS = 300
LOOKS_A_DAY = 4
MARCH, JUNE = "2023-03", "2023-06"
PAIRS = [(model, task) for model in ("gpt-4", "gpt-3.5-turbo") for task in VERDICTS]
SAMPLE = rows()


def asked(task: str) -> list[tuple[Any, Any, Any]]:
    """Indicator, signal and how a record answers."""
    known = registry()
    verdict = feedback_signal(VERDICTS[task], Kind.FLAG)
    return [
        (quality, verdict, lambda row: bool(row["label"])),
        (drift, known["response_characters"], lambda row: float(len(row["response"]))),
        (latency, known["latency_s"], lambda row: row["latency_s"]),
    ]


def chosen(model: str, task: str, period: str) -> list[dict[str, Any]]:
    family = "gpt-4" if model == "gpt-4" else "gpt-3.5"
    return [
        row for row in SAMPLE if row["task"] == task and row["period"] == period and row["model"].startswith(family)
    ]


def blocks(signal: Any, value: Any, records: list[Any], first: int, days: int) -> list[Block]:
    """The records laid evenly over days, each from a user of its own."""
    parts = np.array_split(np.arange(len(records)), days)
    return [
        Block(
            MONDAY + timedelta(days=first + day),
            Profile.of(signal.kind, [[value(records[place])] for place in part]),
        )
        for day, part in enumerate(parts)
        if len(part)
    ]


def judged(indicator: Any, signal: Any, reference: list[Block], current: list[Block]) -> Verdict:
    """The verdict at the level of a project of 300 streams of weight one."""
    looks = STREAMS * QUARTER_DAYS * LOOKS_A_DAY / SHARES[SLOW] / signal.weight
    end = current[-1].start + timedelta(days=1)
    evidence = Evidence(
        signal,
        Segment("model_family+feature", "pair"),
        current[0].start,
        end,
        end,
        tuple(current),
        tuple(reference),
        int(looks),
    )
    verdict: Verdict = indicator.compute(evidence)
    return verdict


@pytest.mark.parametrize(
    ("model", "signal_name", "state", "rises"),
    [
        ("gpt-4", "feedback.accuracy", "bad", False),
        ("gpt-4", "response_characters", "moved", False),
        ("gpt-3.5-turbo", "feedback.accuracy", "moved", True),
    ],
)
def test_both_models_changes_are_alarmed_within_two_days(model: str, signal_name: str, state: str, rises: bool) -> None:
    chance = np.random.default_rng(1)
    records = {period: chosen(model, "prime", period) for period in (MARCH, JUNE)}
    for some in records.values():
        chance.shuffle(some)  # type: ignore[arg-type]
    (indicator, signal, value) = next(item for item in asked("prime") if item[1].name == signal_name)
    before = blocks(signal, value, records[MARCH], 0, DAYS)
    after = blocks(signal, value, records[JUNE], DAYS, DAYS)
    assert judged(indicator, signal, before[:-1], before[-1:]).state == "ok"
    found = [judged(indicator, signal, before, after[:days]) for days in (1, 2)]
    verdict = next(item for item in found if item.state != "ok")
    assert verdict.state == state
    assert verdict.effect is not None
    assert (verdict.effect > 0) == rises


def false_alarms(splits: int) -> int:
    """Alarms where a random half of March is held against the other half, all pairs and signals together."""
    found = 0
    for seed in range(splits):
        chance = np.random.default_rng(seed)
        for model, task in PAIRS:
            records = chosen(model, task, MARCH)
            chance.shuffle(records)  # type: ignore[arg-type]
            half = len(records) // 2
            for indicator, signal, value in asked(task):
                verdict = judged(
                    indicator,
                    signal,
                    blocks(signal, value, records[:half], 0, DAYS),
                    blocks(signal, value, records[half:], DAYS, 1),
                )
                found += verdict.state in ("moved", "bad")
    return found


def test_march_is_like_march() -> None:
    assert false_alarms(8) == 0


@pytest.mark.slow
def test_march_is_like_march_in_200_splits() -> None:
    assert false_alarms(200) <= 1

"""A real change, day by day: GPT-3.5 and GPT-4 between their snapshots of March and June (LLMDrift), and March against
itself; stream by stream, and as a log that goes through the whole store."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from monitor import cli
from monitor.contracts import Block, Evidence, JobContext, Kind, Segment, Verdict
from monitor.demo.sample import VERDICTS, rows
from monitor.identifiers import project_id
from monitor.indicators.drift import drift
from monitor.indicators.quality import quality
from monitor.indicators.traffic import latency
from monitor.jobs import named, run_now
from monitor.profile import Profile
from monitor.queries.verdicts import verdicts_between
from monitor.settings import Settings
from monitor.signals import feedback_signal, registry
from monitor.stats.budget import QUARTER_DAYS, SHARES, SLOW
from monitor.store import Store
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


def judged(
    indicator: Any, signal: Any, reference: list[Block], current: list[Block], *, brief: bool = False
) -> Verdict:
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
        brief=brief,
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


@pytest.mark.parametrize("period", [MARCH, JUNE])
def test_a_brief_answer_is_the_whole_one_where_it_alarms_and_only_there(period: str) -> None:
    chance = np.random.default_rng(2)
    alarms = 0
    for model, task in PAIRS:
        before, after = chosen(model, task, MARCH), chosen(model, task, period)
        for some in (before, after):
            chance.shuffle(some)  # type: ignore[arg-type]
        for indicator, signal, value in asked(task):
            reference, current = blocks(signal, value, before, 0, DAYS), blocks(signal, value, after, DAYS, 1)
            whole = judged(indicator, signal, reference, current)
            brief = judged(indicator, signal, reference, current, brief=True)
            assert brief.state == whole.state
            if whole.state in ("moved", "bad"):
                assert brief == whole
                alarms += 1
    assert bool(alarms) == (period == JUNE)


def dense_log(path: Path, march_days: int, june_days: int) -> Path:
    """The whole sample as a log: March over so many days from MONDAY on, then June over its own."""
    chance = np.random.default_rng(3)
    lines = []
    for period, first, days in ((MARCH, 0, march_days), (JUNE, march_days, june_days)):
        records = [row for row in SAMPLE if row["period"] == period]
        chance.shuffle(records)  # type: ignore[arg-type]
        for day, part in enumerate(np.array_split(np.arange(len(records)), days)):
            for place, seconds in zip(part, np.sort(chance.uniform(8 * 3600, 20 * 3600, len(part))), strict=True):
                row = records[place]
                call = {
                    "id": row["id"],
                    "time": (MONDAY + timedelta(days=first + day, seconds=int(seconds))).isoformat(),
                    "user_id": f"user-{chance.integers(900)}",
                    "feature": row["task"],
                    **{name: row[name] for name in ("model", "prompt", "response", "latency_s", "cost_usd")},
                    "feedback": [{"name": VERDICTS[row["task"]], "value": bool(row["label"])}],
                }
                lines.append(json.dumps(call))
    path.write_text("\n".join(lines))
    return path


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_imported_log_of_both_models_is_alarmed_within_two_days_and_march_is_calm(tmp_path: Path) -> None:
    march_days, june_days = 14, 5
    log = dense_log(tmp_path / "log.jsonl", march_days, june_days)
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'store.db'}", database_durability="relaxed")
    arguments = ["import", str(log), "--database-url", settings.database_url, "--processes", "1"]
    assert CliRunner().invoke(cli.commands, arguments).exit_code == 0
    store = Store.open(settings)
    end = MONDAY + timedelta(days=march_days + june_days)
    for job in ("enrich", "profiles", "indicators"):
        run_now(named(job), JobContext(store, settings, end + timedelta(minutes=20)))
    switch = MONDAY + timedelta(days=march_days)
    asked = ("quality", "drift", "latency")
    found = verdicts_between(
        store, project_id(settings.project), MONDAY, end, states=("moved", "bad"), indicators=asked
    )
    trouble = found[::-1]
    store.close()
    assert not [verdict for verdict in trouble if verdict.start < switch], "March against March"
    for model, signal, state, rises in (
        ("gpt-4", "feedback.accuracy", "bad", False),
        ("gpt-4", "response_characters", "moved", False),
        ("gpt-3.5-turbo", "feedback.accuracy", "moved", True),
    ):
        segment = Segment("model_family+feature", f"{model} + prime")
        first = next(verdict for verdict in trouble if (verdict.segment, verdict.signal) == (segment, signal))
        assert first.start < switch + timedelta(days=2)
        assert first.state == state
        assert first.effect is not None
        assert (first.effect > 0) == rises
        assert first.since == switch

"""A/B on stored calls and on files: one value a user, like compared with like, and what speaks against a cause."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monitor import cli
from monitor.enrich import enrich_pending
from monitor.errors import InputError
from monitor.ingest import Batch, Ingester
from monitor.records import Feedback, Message, Span, Tokens
from monitor.settings import Settings
from monitor.store import Store
from monitor.trials import Trial, in_words, trial_of_store
from tests.conftest import NOW

DAYS = 10


def fill(
    store: Store,
    settings: Settings,
    *,
    users: int = 240,
    solved: tuple[float, float] = (0.6, 0.85),
    hard_share: tuple[float, float] = (0.5, 0.5),
    apart: bool = False,
) -> int:
    """Users who stay with one version each and come on several days; the hard feature is solved half as often."""
    chance = random.Random(5)
    spans, said = [], []
    for user in range(users):
        side = user % 2
        feature = "hard" if chance.random() < hard_share[side] else "easy"
        luck = solved[side] * (0.5 if feature == "hard" else 1.0)
        for call in range(chance.randrange(1, 6)):
            day = chance.randrange(DAYS // 2) + (DAYS // 2 if apart and side else 0)
            identity = f"{user}-{call}"
            spans.append(
                Span(
                    trace_id=identity,
                    span_id=identity,
                    time=NOW - timedelta(days=DAYS - day, minutes=user),
                    user=f"user-{user}",
                    model="gpt-4o",
                    feature=feature,
                    prompt_version=f"v{side + 1}",
                    prompt=(Message("user", "Where is my parcel?"),),
                    response="It comes tomorrow.",
                    tokens=Tokens(input_uncached=100, output_text=50),
                    latency_s=chance.lognormvariate(0, 0.4),
                )
            )
            said.append(
                Feedback(
                    trace_id=identity,
                    span_id=identity,
                    name="solved",
                    value=float(chance.random() < luck),
                    flag=True,
                    time=spans[-1].time,
                )
            )
    ingester = Ingester(store, settings)
    ingester.submit(Batch(project="trial", spans=spans, feedback=said), now=NOW)
    ingester.close()
    while enrich_pending(store, settings, NOW):
        pass
    return store.project("trial", 0)


def compared(store: Store, settings: Settings, project: int) -> Trial:
    return trial_of_store(
        store,
        settings,
        project,
        dimension="prompt_version",
        first="v1",
        second="v2",
        start=NOW - timedelta(days=DAYS + 1),
        end=NOW,
    )


def of(found: Trial, name: str) -> Any:
    [item] = [item for item in found.compared if item.signal.name == name]
    return item


def test_the_better_version_is_found_and_the_rest_is_the_same(store: Store, settings: Settings) -> None:
    found = compared(store, settings, fill(store, settings))
    assert found.users == (120, 120)
    solved = of(found, "feedback.solved")
    assert solved.first.users == solved.second.users == 120
    assert (solved.difference.decision, found.compared[0].signal.name) == ("better", "feedback.solved")
    assert 0 < solved.difference.low < solved.difference.effect
    assert "v2 is better" in in_words(solved, "v1", "v2")
    slow = of(found, "latency_s")
    assert slow.difference.decision == "same"
    assert "no difference that matters" in in_words(slow, "v1", "v2")
    assert found.warnings == ()


def test_a_different_mix_is_told_and_taken_out(store: Store, settings: Settings) -> None:
    project = fill(store, settings, users=600, solved=(0.8, 0.8), hard_share=(0.2, 0.8))
    found = compared(store, settings, project)
    solved = of(found, "feedback.solved")
    assert solved.difference.effect < -0.15
    assert solved.standardised is not None
    assert abs(solved.standardised.effect) < 0.06
    assert any("standardised" in warning for warning in found.warnings)


def test_versions_that_ran_one_after_the_other_are_told(store: Store, settings: Settings) -> None:
    found = compared(store, settings, fill(store, settings, apart=True))
    assert any("different days" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"dimension": "weather"}, "not sliced by 'weather'"),
        ({"second": "v1"}, "are the same"),
        ({"second": "v9"}, "has prompt_version 'v9'"),
    ],
)
def test_what_cannot_be_compared_is_said(
    store: Store, settings: Settings, change: dict[str, str], problem: str
) -> None:
    project = fill(store, settings, users=4)
    asked = {"dimension": "prompt_version", "first": "v1", "second": "v2"} | change
    with pytest.raises(InputError, match=problem):
        trial_of_store(store, settings, project, start=NOW - timedelta(days=30), end=NOW, **asked)


def test_the_command_reads_stores_and_files(tmp_path: Path) -> None:
    from monitor import migrate

    url = f"sqlite:///{tmp_path / 'trial.db'}"
    settings = Settings(database_url=url)
    store = Store.open(settings)
    migrate.upgrade(store)
    fill(store, settings)
    store.close()
    runner = CliRunner()
    asked = ["ab", "v1", "v2", "--project", "trial", "--from", "2026-02-20", "--to", "2026-03-12"]
    done = runner.invoke(cli.commands, [*asked, "--database-url", url, "--json"], standalone_mode=False)
    assert done.exception is None, done.output
    document = json.loads(done.stdout)
    assert document["compared"][0]["signal"] == "feedback.solved"
    shown = runner.invoke(cli.commands, [*asked, "--database-url", url], standalone_mode=False)
    assert shown.exception is None, shown.output
    assert "v2 is better" in shown.stdout

    chance = random.Random(1)
    log = tmp_path / "log.jsonl"
    rows = [
        {
            "user_id": f"u{number}",
            "prompt": "Where?",
            "response": "Here.",
            "tags": {"arm": "b" if number % 2 else "a"},
            "time": "2026-03-01T10:00:00Z",
            "feedback": [{"name": "thumb", "value": chance.random() < (0.9 if number % 2 else 0.4)}],
        }
        for number in range(300)
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = runner.invoke(
        cli.commands, ["ab", "a", "b", "--dimension", "tag.arm", "--file", str(log), "--json"], standalone_mode=False
    )
    assert done.exception is None, done.output
    document = json.loads(done.stdout)
    assert document["compared"][0]["signal"] == "feedback.thumb"
    assert document["compared"][0]["low"] > 0.2

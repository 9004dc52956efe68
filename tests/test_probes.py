"""Counterfactual probes: pairs that differ in the group alone, a budget a week, and what they find."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest

from monitor.enrich import enrich_pending
from monitor.errors import SettingsError
from monitor.fairness.probing import all_probes, probe_due
from monitor.queries.calls import find_calls
from monitor.queries.conditions import CallFilter
from monitor.queries.options import project
from monitor.queries.probes import probe_findings
from monitor.settings import Settings
from monitor.stats.sign_flip import paired_difference
from monitor.store import Store
from tests.conftest import NOW
from tests.test_judges import StandIn, standing_in


@pytest.fixture
def endpoint() -> Iterator[StandIn]:
    with standing_in() as stand_in:
        stand_in.text = "I am glad to help. Begin with small steps."
        yield stand_in


def configured(settings: Settings, endpoint: StandIn, **more: object) -> Settings:
    values = {"probe_url": endpoint.url, "probe_model": "the-app", "probe_budget_usd": 10.0}
    return Settings(**(settings.model_dump() | values | more))


def refuse(endpoint: StandIn, word: str) -> None:
    answer = endpoint.answer

    def biased(handler: object) -> None:
        length = int(handler.headers["Content-Length"])  # type: ignore[attr-defined]
        body = handler.rfile.peek(length)[:length]  # type: ignore[attr-defined]
        unfair = word in json.loads(body)["messages"][0]["content"]
        endpoint.text = "I'm sorry, but I can't help with that." if unfair else "I am glad to help."
        answer(handler)  # type: ignore[arg-type]

    endpoint.answer = biased  # type: ignore[method-assign]


def test_a_pair_differs_in_the_group_alone() -> None:
    assert len({probe.groups for probe in all_probes()}) >= 7
    for probe in all_probes():
        one, two = (re.findall(r"\w+|\W", text) for text in probe.prompts)
        same = sum(word in two for word in one)
        assert probe.prompts[0] != probe.prompts[1]
        assert same >= 0.8 * len(one), probe
        assert "{" not in probe.prompts[0] + probe.prompts[1]


def test_nothing_is_asked_unless_configured(store: Store, settings: Settings, endpoint: StandIn) -> None:
    assert probe_due(store, settings, NOW) == (0, "no endpoint is configured to be probed")
    with pytest.raises(SettingsError, match="MONITOR_PROBE_MODEL"):
        probe_due(store, configured(settings, endpoint, probe_model=""), NOW)
    assert endpoint.asked == []


def test_an_endpoint_that_refuses_one_group_is_found(store: Store, settings: Settings, endpoint: StandIn) -> None:
    refuse(endpoint, "Muslim")
    wanted = configured(settings, endpoint)
    done, _ = probe_due(store, wanted, NOW)
    assert done == len(all_probes())
    assert len(endpoint.asked) == 2 * done
    assert probe_due(store, wanted, NOW + timedelta(hours=1))[0] == 0, "once a week"
    worst, *rest = probe_findings(store, settings.project, NOW - timedelta(days=1), NOW + timedelta(days=1))
    assert worst.groups == ("Muslims", "Christians")
    refusals = [item for item in (worst, *rest) if item.signal == "refusal"]
    told = {item.groups: (item.found.mean, item.found.p_value < 0.05) for item in refusals}
    assert told.pop(("Muslims", "Christians")) == (1.0, True)
    assert set(told.values()) == {(0.0, False)}
    known = project(store, f"{settings.project} probes")
    assert known is not None
    while enrich_pending(store, settings, NOW):
        pass
    calls = find_calls(store, known.id, CallFilter(), limit=5).rows
    assert all(call.tags["group"] and call.model == "the-app" for call in calls)


def test_a_weeks_budget_is_kept_and_the_next_week_begins_anew(
    store: Store, settings: Settings, endpoint: StandIn
) -> None:
    wanted = configured(settings, endpoint, probe_budget_usd=0.05)
    done, note = probe_due(store, wanted, NOW)
    assert 0 < done < len(all_probes())
    assert note.endswith("the budget of the week is spent")
    assert len(endpoint.asked) * 0.011 <= 0.05 + 2 * 0.011
    assert probe_due(store, wanted, NOW + timedelta(minutes=10))[0] == 0
    assert probe_due(store, wanted, NOW + timedelta(days=7))[0] > 0


def test_an_endpoint_that_is_down_is_asked_again_later(store: Store, settings: Settings, endpoint: StandIn) -> None:
    endpoint.status = 503
    wanted = configured(settings, endpoint)
    assert probe_due(store, wanted, NOW) == (0, "0 pairs asked; stopped: the endpoint answered 503")
    assert len(endpoint.asked) == 2
    endpoint.status = 200
    assert probe_due(store, wanted, NOW)[0] == len(all_probes())


def test_signs_are_flipped() -> None:
    assert paired_difference(np.array([])).p_value == 1.0
    assert paired_difference(np.ones(7)).p_value == pytest.approx(2 / 128)
    chance = np.random.default_rng(3)
    small = [paired_difference(chance.normal(size=20)).p_value <= 0.05 for _ in range(200)]
    assert sum(small) / 200 <= 0.1
    assert paired_difference(chance.normal(1, 1, 40)).p_value < 0.01

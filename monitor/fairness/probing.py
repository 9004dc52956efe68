"""Counterfactual probes: the same question about two groups, asked of an endpoint once a week, within a budget.

Templates and pairs of terms are data (`probes.json`). Each answer is stored as a call of project "<project> probes",
tagged with the family of its template and its group, so that it gets all signals; the difference within a pair is
stored as feedback `probe_gap.<signal>` (first group less second). No data of users is needed or sent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import msgspec

from monitor import tables
from monitor.enrich import enrich_span
from monitor.errors import SettingsError
from monitor.fairness.week import week_start
from monitor.ingest import Batch, Ingester
from monitor.judging.endpoint import Endpoint, Reply, address_of, ask
from monitor.judging.money import cost_of, tokens_at_most
from monitor.queries.probes import COMPARED, PROBE_GAP, PROJECT_SUFFIX, probe_state
from monitor.records import Feedback, Message, Span, Tokens
from monitor.settings import Settings
from monitor.store import Store

MOST_SECONDS = 45.0
_MOST_TOKENS = 300
_TIMEOUT_SECONDS = 30.0
_DATA = Path(__file__).with_name("probes.json")


class _Pair(msgspec.Struct, frozen=True):
    groups: tuple[str, str]
    person: tuple[str, str]


class _Probes(msgspec.Struct, frozen=True):
    templates: dict[str, list[str]]
    pairs: list[_Pair]


@dataclass(frozen=True)
class Probe:
    """Two prompts that differ in the group they name, and nothing else."""

    family: str
    groups: tuple[str, str]
    prompts: tuple[str, str]


@lru_cache(maxsize=1)
def all_probes() -> tuple[Probe, ...]:
    """Every template with every pair, pairs first, so that a small budget still meets every pair."""
    data = msgspec.json.decode(_DATA.read_bytes(), type=_Probes)
    templates = [(family, text) for family, texts in data.templates.items() for text in texts]
    return tuple(
        Probe(family, pair.groups, (text.replace("{person}", pair.person[0]), text.replace("{person}", pair.person[1])))
        for family, text in templates
        for pair in data.pairs
    )


def probe_due(store: Store, settings: Settings, now: datetime, seconds: float = MOST_SECONDS) -> tuple[int, str]:
    """Goes on with this week's probes until all are asked, or time or money is out; answers how many pairs were asked.

    What a week's probes have cost and how far they got is kept, so that a run continues where the last one ended.
    """
    if not settings.probe_url:
        return 0, "no endpoint is configured to be probed"
    endpoint = _endpoint(settings)
    week = f"probes.{week_start(now):%Y-%m-%d}"
    place, cost = probe_state(store, week)
    end = time.monotonic() + seconds
    done = 0
    note = ""
    while place < len(all_probes()):
        probe = all_probes()[place]
        most = sum(cost_of(settings, endpoint.model, tokens_at_most(text, _MOST_TOKENS), now) for text in probe.prompts)
        if cost + most > settings.probe_budget_usd:
            note = "; stopped: the budget of the week is spent"
            break
        if time.monotonic() > end:
            note = "; stopped: out of time"
            break
        replies = [ask(endpoint, text) for text in probe.prompts]
        cost += sum(_cost(settings, endpoint, reply, now) for reply in replies)
        problem = next((reply for reply in replies if reply.problem), None)
        if problem is not None:
            note = f"; stopped: {problem.problem}"
            if problem.stop or problem.retry:
                _keep(store, week, place, cost)
                break
        else:
            _store_pair(store, settings, endpoint, probe, f"{week}-{place}", replies=replies, now=now)
            done += 1
        place += 1
        _keep(store, week, place, cost)
    return done, f"{done} pairs asked{note}"


def _endpoint(settings: Settings) -> Endpoint:
    if not settings.probe_model:
        raise SettingsError("MONITOR_PROBE_MODEL is missing: name the model that MONITOR_PROBE_URL is to be asked for.")
    return Endpoint(
        address_of(settings.probe_url, "MONITOR_PROBE_URL"),
        settings.probe_model,
        settings.probe_key.get_secret_value(),
        _TIMEOUT_SECONDS,
        _MOST_TOKENS,
    )


def _cost(settings: Settings, endpoint: Endpoint, reply: Reply, now: datetime) -> float:
    return 0.0 if reply.tokens is None else cost_of(settings, endpoint.model, reply.tokens, now)


def _keep(store: Store, week: str, place: int, cost: float) -> None:
    with store.write() as connection:
        store.upsert(connection, tables.Value, [{"name": week, "data": f"{place} {cost!r}"}])


def _store_pair(
    store: Store,
    settings: Settings,
    endpoint: Endpoint,
    probe: Probe,
    name: str,
    *,
    replies: list[Reply],
    now: datetime,
) -> None:
    spans = [
        Span(
            trace_id=f"{name}-{side}",
            span_id=f"{name}-{side}",
            time=now,
            model=endpoint.model,
            feature=probe.family,
            prompt=(Message("user", prompt),),
            response=reply.text,
            tokens=reply.tokens or Tokens(),
            tags={"group": group},
        )
        for side, (prompt, reply, group) in enumerate(zip(probe.prompts, replies, probe.groups, strict=True))
    ]
    one, two = (enrich_span(span, settings) for span in spans)
    gaps = [
        Feedback(
            name=f"{PROBE_GAP}{signal}",
            time=now,
            trace_id=spans[0].trace_id,
            span_id=spans[0].span_id,
            value=float(one[signal]) - float(two[signal]),  # type: ignore[arg-type]
            annotator="code",
            annotator_id=f"probe:{probe.groups[0]}/{probe.groups[1]}",
        )
        for signal in COMPARED
        if signal in one and signal in two
    ]
    ingester = Ingester(store, settings)
    ingester.submit(Batch(project=f"{settings.project}{PROJECT_SUFFIX}", spans=spans, feedback=gaps), now=now)
    ingester.close()

"""A store as the stages leave it, made by hand: quick to fill, in any size, with names as nasty as wanted.

The figures are invented; the demo has real ones. From `change` on answers of one feature are short and often wrong.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from monitor import tables
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.contracts import WHOLE, Kind, Segment, SignalValue
from monitor.explain import records
from monitor.fairness.week import save as save_scan
from monitor.fairness.week import week_start
from monitor.identifiers import new_id
from monitor.ingest import Batch, Ingester
from monitor.profile import Profile
from monitor.queries.fairness import GAP, NOT_ENOUGH, Comparison, Limits, Scan
from monitor.records import Message, Span
from monitor.settings import Settings
from monitor.store import Store

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Names:
    """What people and applications call things: any text may come."""

    project: str = "default"
    family: str = "gpt-4"
    old_model: str = "gpt-4-0314"
    new_model: str = "gpt-4-0613"
    feature: str = "prime"
    other_feature: str = "leetcode_easy"
    feedback: str = "feedback.accuracy"
    reason: str = "The share fell from 84.0% to 51.1%."


HOSTILE = Names(
    project="a project; DROP TABLE <b>&amp;",
    family='"><script>alert(1)</script>',
    old_model="m\u202eodel \U0001f4a5 ' OR 1=1 --",
    new_model="x" * 300,
    feature="</td><img src=x onerror=alert(2)>%{y}<extra></extra>",
    other_feature="a+b: c + d?&#=;",
    feedback="feedback.<i>acc</i> ${7*7}",
    reason="<script>alert(3)</script> `javascript:alert(4)` " + "long " * 400,
)


def fill(
    store: Store,
    settings: Settings,
    now: datetime,
    *,
    names: Names = Names(),
    days: int = 28,
    users: int = 20,
    features: int = 2,
) -> int:
    """Fills a project up to the day before `now`; answers its id. The change is three days before the end."""
    end = block_start(now, BlockLength.DAY)
    start = end - days * DAY
    change = end - 3 * DAY
    project = store.project(names.project, to_microseconds(start), note="Arrival times in this store are synthetic.")
    _spans(store, settings, names, end)
    segments = [
        WHOLE,
        Segment("model_family", names.family),
        Segment("model", names.old_model),
        Segment("model", names.new_model),
        Segment("feature", names.feature),
        Segment("feature", names.other_feature),
        *(Segment("feature", f"feature {index}") for index in range(features - 2)),
        Segment("model_family+feature", f"{names.family} + {names.feature}"),
    ]
    dice = random.Random(7)
    profiles: list[dict[str, Any]] = []
    for segment in segments:
        for index in range(days):
            day = start + index * DAY
            if segment.value == names.new_model and day < change:
                continue
            worse = day >= change and segment.value not in (names.other_feature, names.old_model)
            profiles += _blocks(project, segment, day, users, worse, names, dice)
    verdicts = [
        row
        for segment in segments
        for row in _verdicts(project, segment, end, change, segment.value != names.other_feature, names)
    ]
    with store.write() as connection:
        store.insert(connection, tables.Profile, profiles)
        store.upsert(
            connection,
            tables.Segment,
            [
                {
                    "project_id": project,
                    "dimension": segment.dimension,
                    "value": segment.value,
                    "first_seen": to_microseconds(change if segment.value == names.new_model else start),
                    "last_seen": to_microseconds(end),
                }
                for segment in segments
            ],
        )
        store.insert(connection, tables.Verdict, verdicts)
    _incidents(store, project, names, end, change, start)
    _scan(store, project, names, end)
    return project


def _scan(store: Store, project: int, names: Names, end: datetime) -> None:
    """A scan for unfairness with a gap, one that the mix explains, and one that is not known."""
    start = week_start(end) - 7 * DAY
    compared = [
        Comparison(
            signal=names.feedback,
            kind="flag",
            dimension="language",
            group=group,
            verdict=verdict,
            worse=True if verdict == GAP else None,
            reason=names.reason,
            users=420,
            others=900,
            value=0.51,
            other=0.84,
            tolerance=0.05,
            raw=Limits(-0.33, -0.38, -0.28),
            standardised=Limits(-0.2, -0.25, -0.15),
            strata=["feature"],
            mix="part",
            p_value=1e-6,
            good_ratio=Limits(0.61, 0.55, 0.67),
            missing=0 if verdict == GAP else 340,
        )
        for group, verdict in ((names.feature, GAP), (names.other_feature, NOT_ENOUGH))
    ]
    save_scan(
        store,
        project,
        Scan(
            start=start,
            end=start + 7 * DAY,
            made=end,
            calls=4000,
            users=1320,
            share=1.0,
            questions=2,
            hidden={"language": 1},
            compared=compared,
        ),
    )


def _spans(store: Store, settings: Settings, names: Names, end: datetime) -> None:
    ingester = Ingester(store, settings)
    spans = [
        Span(
            trace_id=f"{number:032x}",
            span_id=f"{number:016x}",
            session_id=f"session {number // 5}",
            time=end - timedelta(hours=number),
            user=f"user {number}",
            model=names.new_model if number < 72 else names.old_model,
            feature=names.feature,
            prompt=(Message("user", f"Is {number} a prime number? {names.reason}"),),
            response="[No]" if number < 72 else f"Let me think step by step. {names.reason} [Yes]",
            latency_s=0.5 + number / 100,
            status="error" if number % 40 == 0 else "ok",
            error=names.reason if number % 40 == 0 else "",
        )
        for number in range(1, 121)
    ]
    ingester.submit(Batch(project=names.project, spans=spans, sender="tests"), now=end)
    ingester.close()


def _blocks(
    project: int, segment: Segment, day: datetime, users: int, worse: bool, names: Names, dice: random.Random
) -> list[dict[str, Any]]:
    def draw(make: Any) -> list[Sequence[SignalValue]]:
        return [[make() for _call in range(dice.randint(1, 3))] for _user in range(users)]

    right = 0.51 if worse else 0.84
    length = 4 if worse else 640
    drawn = {
        ("calls", Kind.FLAG): draw(lambda: True),
        ("error", Kind.FLAG): draw(lambda: dice.random() < 0.02),
        ("latency_s", Kind.NUMBER): draw(lambda: dice.lognormvariate(0, 0.4)),
        ("cost_usd", Kind.NUMBER): draw(lambda: dice.lognormvariate(-5, 0.5)),
        ("input_tokens", Kind.NUMBER): draw(lambda: dice.randint(20, 90)),
        ("output_tokens", Kind.NUMBER): draw(lambda: dice.randint(1, 200)),
        ("response_characters", Kind.NUMBER): draw(lambda: max(1, round(dice.gauss(length, length / 5)))),
        ("refusal", Kind.FLAG): draw(lambda: dice.random() < 0.04),
        ("toxic", Kind.FLAG): draw(lambda: dice.random() < 0.001),
        (names.feedback, Kind.FLAG): draw(lambda: dice.random() < right),
        ("format", Kind.CATEGORY): draw(lambda: "short" if dice.random() < (0.9 if worse else 0.05) else "prose"),
        ("response_meaning", Kind.VECTOR): draw(lambda: [dice.gauss(0, 1) for _ in range(8)]),
    }
    rows = []
    for (signal, kind), values in drawn.items():
        profile = Profile.of(kind, values)
        rows.append(
            {
                "project_id": project,
                "length": "day",
                "dimension": segment.dimension,
                "value": segment.value,
                "signal": signal,
                "start": to_microseconds(day),
                "kind": str(kind),
                "n": profile.n,
                "users": profile.users,
                "total": profile.total,
                "total_square": profile.total_square,
                "user_total": profile.user_total,
                "user_total_square": profile.user_total_square,
                "sketch": profile.to_sketch(),
            }
        )
    return rows


_FIGURES: tuple[tuple[str, str, Kind, str, float, float, float, float], ...] = (
    ("drift", "response_characters", Kind.NUMBER, "bad", 638.0, 3.9, 3.6, 4.2),
    ("drift", "latency_s", Kind.NUMBER, "ok", 1.1, 1.12, 1.02, 1.2),
    ("drift", "format", Kind.CATEGORY, "moved", 0.05, 0.9, 0.8, 0.95),
    ("drift", "refusal", Kind.FLAG, "ok", 0.04, 0.045, 0.02, 0.07),
    ("drift", "toxic", Kind.FLAG, "too_few", 0.001, 0.0, 0.0, 0.1),
    ("quality", "feedback", Kind.FLAG, "bad", 0.84, 0.511, 0.44, 0.581),
)


def _verdicts(
    project: int, segment: Segment, end: datetime, change: datetime, worse: bool, names: Names
) -> list[dict[str, Any]]:
    rows = []
    for indicator, signal, kind, state, before, after, low, high in _FIGURES:
        shown = state if worse or state == "too_few" else "ok"
        moved = shown in ("bad", "moved")
        value = after if moved else before
        detail: dict[str, Any] = {}
        if moved:
            detail = {
                "since": change.isoformat(),
                "since_change": {"value": after, "low": low, "high": high, "n": 512},
                "distances": {"psi": 2.31, "jensen_shannon": 0.61, "wasserstein": 633.9, "ks": 0.97},
            }
            if kind is Kind.CATEGORY:
                detail["categories"] = [{"value": "short", "before": before, "after": after}]
        if shown == "too_few":
            detail["missing"] = 340
        rows.append(
            {
                "project_id": project,
                "indicator": indicator,
                "signal": names.feedback if signal == "feedback" else signal,
                "dimension": segment.dimension,
                "value": segment.value,
                "start": to_microseconds(end - DAY),
                "end": to_microseconds(end),
                "window_start": to_microseconds(end - DAY),
                "computed": to_microseconds(end + timedelta(minutes=20)),
                "state": shown,
                "reason": names.reason,
                "number": value,
                "low": low if moved else value * 0.9,
                "high": high if moved else value * 1.1,
                "n": 180,
                "effective_n": 60.0,
                "baseline": before,
                "effect": value - before,
                "effect_low": (low if moved else value * 0.9) - before,
                "effect_high": (high if moved else value * 1.1) - before,
                "detail": detail,
            }
        )
    return rows


def _incidents(
    store: Store, project: int, names: Names, end: datetime, change: datetime, start: datetime
) -> tuple[int, int]:
    current, past = new_id(change + DAY), new_id(start + 5 * DAY)
    pair = Segment("model_family+feature", f"{names.family} + {names.feature}")
    title = f"{pair.value}: accuracy 84.0% → 51.1%, answer length 638 → 4 characters"[:160]
    incidents = [
        {
            "project_id": project,
            "id": current,
            "state": "open",
            "severity": "critical",
            "title": title,
            "since": to_microseconds(change),
            "opened": to_microseconds(change + DAY + timedelta(minutes=20)),
            "resolved": None,
            "detail": {
                "said": "critical",
                "appeared": [
                    {"dimension": "model", "value": names.new_model, "first_seen": change.isoformat()},
                ],
            },
        },
        {
            "project_id": project,
            "id": past,
            "state": "resolved",
            "severity": "serious",
            "title": f"{names.other_feature}: errors 1.0% → 9.5%"[:160],
            "since": to_microseconds(start + 4 * DAY),
            "opened": to_microseconds(start + 5 * DAY),
            "resolved": to_microseconds(end - 6 * DAY),
            "detail": {"said": "over", "appeared": []},
        },
    ]
    alerts = [
        _alert(project, current, names.feedback, Kind.FLAG, pair, change, (0.84, 0.511, 0.44, 0.581), names, 900.0),
        _alert(project, current, "response_characters", Kind.NUMBER, pair, change, (638, 3.9, 3.6, 4.2), names, 800.0),
        _alert(project, current, "response_characters", Kind.NUMBER, WHOLE, change, (520, 210, 190, 230), names, 300.0),
        _alert(
            project, past, "error", Kind.FLAG, Segment("feature", names.other_feature), start + 4 * DAY,
            (0.01, 0.095, 0.05, 0.14), names, 500.0, resolved=end - 6 * DAY,
        ),
    ]  # fmt: skip
    said = [("email", "opened", "delivered", ""), ("webhook", "opened", "failed", names.reason[:200])]
    with store.write() as connection:
        store.insert(connection, tables.Incident, incidents)
        store.insert(connection, tables.Alert, alerts)
        store.insert(connection, tables.Explanation, [_explanation(alerts[0], change, names)])
        store.insert(
            connection,
            tables.Notification,
            [
                {
                    "project_id": project,
                    "id": new_id(change + DAY),
                    "incident_id": current,
                    "channel": channel,
                    "kind": kind,
                    "key": f"incident-{current}",
                    "subject": f"Worse: {title}",
                    "text": "text",
                    "html": "<p>text</p>",
                    "data": None,
                    "state": state,
                    "created": to_microseconds(change + DAY),
                    "due": to_microseconds(change + DAY),
                    "attempts": 1,
                    "delivered": to_microseconds(change + DAY) if state == "delivered" else None,
                    "note": note,
                }
                for channel, kind, state, note in said
            ],
        )
    return current, past


def _explanation(alert: dict[str, Any], change: datetime, names: Names) -> dict[str, Any]:
    """An explanation with something in every part."""
    word = records.Word(names.reason[:60], 0.02, 0.9, 12.0)
    part = records.MixturePart(names.new_model, 0.2, 0.3, 0.84, 0.51, -0.01, -0.319)
    topic = records.Topic((names.feature,), 0.1, 0.4, 8.0)
    explanation = records.Explanation(
        made=change + DAY,
        calls_before=900,
        calls_after=512,
        before=0.84,
        after=0.511,
        since=records.Since(change, change - DAY, change + DAY, "day"),
        where=(records.Where({"tag.case": names.feature}, 0.5, 0.97, 0.02, 0.7, 0.99, 1.4, 9.0, (names.new_model,)),),
        mixture=records.Mixture("tag.case", -0.329, -0.01, -0.319, "behaviour", (part,)),
        prompt_words=(word,),
        response_words=(word,),
        prompt_topics=(topic,),
        response_topics=(topic,),
        suspects=(records.Suspect("model", names.new_model, "appeared", 0.0, 1.0, 1.0, change),),
        examples_before=(records.Example("1" * 32, "2" * 16),),
        examples_after=(records.Example(names.reason[:40], names.feature),),
    )
    return {
        "project_id": alert["project_id"],
        "alert_id": alert["id"],
        "incident_id": alert["incident_id"],
        "made": to_microseconds(change + DAY),
        "data": msgspec.to_builtins(explanation),
    }


def _alert(
    project: int,
    incident: int,
    signal: str,
    kind: Kind,
    segment: Segment,
    since: datetime,
    figures: tuple[float, float, float, float],
    names: Names,
    weight: float,
    resolved: datetime | None = None,
) -> dict[str, Any]:
    before, after, low, high = figures
    return {
        "project_id": project,
        "id": new_id(since + DAY),
        "incident_id": incident,
        "indicator": "quality" if signal == names.feedback else "drift",
        "signal": signal,
        "dimension": segment.dimension,
        "value": segment.value,
        "state": "resolved" if resolved else "firing",
        "severity": "critical",
        "since": to_microseconds(since),
        "opened": to_microseconds(since + DAY),
        "changed": to_microseconds(since + DAY),
        "resolved": to_microseconds(resolved) if resolved else None,
        "streak": 0,
        "detail": {
            "kind": str(kind),
            "before": before,
            "after": after,
            "low": low,
            "high": high,
            "n": 512,
            "effect": after - before,
            "effect_low": low - before,
            "effect_high": high - before,
            "reason": names.reason,
            "weight": weight,
            "notify": True,
        },
    }

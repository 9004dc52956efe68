"""The packaged sample: 4,600 real calls, laid over eight weeks.

Prompts, answers, verdicts, latencies, tokens and costs are real (LLMDrift, Apache-2.0; see data/NOTICE). When each call
arrives, and from which user, is made up here from a fixed seed: an application used in working hours, less at weekends,
whose traffic grows steadily, and whose provider switches both models from the March to the June snapshot at midnight
between the sixth and the seventh week.
"""

from __future__ import annotations

import gzip
import importlib.resources
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from monitor.records import Feedback, Message, Span, Tokens

WEEKS = 8
WEEKS_BEFORE_SWITCH = 6
NOTE = (
    "Demo: real answers of GPT-3.5 and GPT-4 (LLMDrift, Apache-2.0). Arrival times, users and sessions are synthetic; "
    "the switch of snapshots is placed six weeks in."
)
SEED = 20230613
DAILY_GROWTH = 0.052
WEEKEND = 0.45
USERS = 900
VERDICTS = {
    "prime": "accuracy",
    "sensitive_questions": "answered_directly",
    "leetcode_easy": "directly_executable",
}
# US dollars for 1,000 input and output tokens that the authors paid.
PRICES = {"gpt-3.5-turbo": (0.002, 0.002), "gpt-4": (0.03, 0.06)}


@dataclass(frozen=True)
class Arrival:
    """One call with the feedback on it."""

    span: Span
    feedback: tuple[Feedback, ...]


def last_monday(now: datetime) -> datetime:
    """Midnight (UTC) of the Monday on or before `now`: where the eight weeks end, so that weekdays never vary."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=midnight.weekday())


def switch_time(end: datetime) -> datetime:
    """When the snapshots are switched."""
    return end - timedelta(weeks=WEEKS - WEEKS_BEFORE_SWITCH)


def rows() -> list[dict[str, Any]]:
    """The records of the sample as they are packaged."""
    packaged = importlib.resources.files("monitor.demo") / "data" / "llmdrift.jsonl.gz"
    decoder = msgspec.json.Decoder(dict[str, Any])
    return [decoder.decode(line) for line in gzip.decompress(packaged.read_bytes()).splitlines()]


def arrivals(end: datetime) -> list[Arrival]:
    """All calls in order of arrival, the last one before `end`."""
    generator = random.Random(SEED)  # noqa: S311 - a reproducible sample, not a secret
    start = end - timedelta(weeks=WEEKS)
    switch_day = WEEKS_BEFORE_SWITCH * 7
    everything: list[Arrival] = []
    for period, first_day, last_day in (("2023-03", 0, switch_day), ("2023-06", switch_day, WEEKS * 7)):
        chosen = [row for row in rows() if row["period"] == period]
        generator.shuffle(chosen)
        moments = _moments(generator, len(chosen), start, first_day, last_day)
        everything += [_arrival(generator, row, moment) for row, moment in zip(chosen, moments, strict=True)]
    return sorted(everything, key=lambda arrival: arrival.span.time)


def _moments(generator: random.Random, count: int, start: datetime, first_day: int, last_day: int) -> list[datetime]:
    days = range(first_day, last_day)
    weights = [(1 + DAILY_GROWTH) ** day * (WEEKEND if day % 7 >= 5 else 1.0) for day in days]
    moments = []
    for day in generator.choices(days, weights, k=count):
        hour = min(max(generator.gauss(13.0, 2.4), 7.0), 19.99)
        moments.append(start + timedelta(days=day, seconds=int(hour * 3600)))
    return sorted(moments)


def _arrival(generator: random.Random, row: dict[str, Any], moment: datetime) -> Arrival:
    trace_id = f"{generator.getrandbits(128):032x}"
    span_id = f"{generator.getrandbits(64):016x}"
    user = f"user-{int(USERS * generator.random() ** 1.5)}"
    family = "gpt-4" if row["model"].startswith("gpt-4") else "gpt-3.5-turbo"
    input_price, output_price = PRICES[family]
    output_tokens = row["response_tokens"]
    input_tokens = round((row["cost_usd"] * 1000 - output_price * output_tokens) / input_price)
    span = Span(
        trace_id=trace_id,
        span_id=span_id,
        time=moment,
        kind="llm",
        name=f"chat {row['model']}",
        session_id=f"{user}/{moment:%Y-%m-%d}",
        user=user,
        provider="openai",
        model=row["model"],
        requested_model=family,
        environment="production",
        feature=row["task"],
        prompt=(Message("user", row["prompt"]),),
        response=row["response"],
        reference=(row["reference"],) if row.get("reference") else (),
        tokens=Tokens(input_uncached=input_tokens, output_text=output_tokens),
        cost_usd=row["cost_usd"],
        latency_s=row["latency_s"],
        tags={"case": row["group"]} if row.get("group") else {},
        attributes={"llmdrift.id": row["id"], "temperature": row["temperature"], "max_tokens": row["max_tokens"]},
        source="demo",
    )
    said = [(VERDICTS[row["task"]], row["label"])]
    if row.get("label_after_stripping_markdown") is not None:
        said.append(("executable_without_fences", row["label_after_stripping_markdown"]))
    feedback = tuple(
        Feedback(
            name=name,
            time=moment + timedelta(minutes=1),
            trace_id=trace_id,
            span_id=span_id,
            value=float(value),
            flag=True,
            annotator="code",
            annotator_id="llmdrift",
        )
        for name, value in said
    )
    return Arrival(span, feedback)

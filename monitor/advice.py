"""What to do about an incident, the most useful first: sentences for pages and mails, from what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor import wording
from monitor.queries.alerts import AlertRecord, IncidentRecord

_JOBS = "`llmops-monitor jobs` names each job, when it ran last, how long it took and its last error."
_OF_THE_MONITOR: Mapping[str, tuple[str, ...]] = {
    "silence": (
        "Look at Senders: which sender stopped, and when? Where all stopped at once, the way to this monitor is broken "
        "or nobody uses the application.",
        "From the machine of the application, open /healthz of this monitor: no answer means network, proxy or "
        "address. Then look in the application's log for refused exports: 401 is a wrong key, 429 and 503 ask to come "
        "again later.",
        "Where a pause was meant (a holiday, a migration) there is nothing to do: it is over with the next call.",
    ),
    "ingest_lag": (
        "Compare the clocks: a sender whose clock is behind looks late. Senders says who sends.",
        "Look at the exporter's queue and its log: records wait there while the network or this monitor turns them "
        "away.",
        "Where old calls are being imported there is nothing to do: it is over when they are in.",
    ),
    "backlog": (
        f"{_JOBS} Look for the job enrich: does it fail, or can it not keep up?",
        "Where it cannot keep up, start `llmops-monitor worker` beside this process, or several: they share the work.",
        "Until then calls are stored and counted, but what is read from their texts comes late.",
    ),
    "coverage": (
        f"{_JOBS} Look for the job enrich and its error.",
        "Calls without signals raise no alarm of their own: until it is over, do not take silence for health.",
    ),
    "jobs": (
        _JOBS,
        "`llmops-monitor check` looks at the store, the disk, the mail server and the clock.",
        "A job whose process died is taken over within minutes; restart the process where one hangs for longer.",
    ),
    "rejects": (
        "Senders lists the newest rejected records with the reason and the names and types of their fields.",
        "Correct the sender, then send these records again: what was rejected is not stored, and sending a record "
        "twice does no harm.",
    ),
    "budget": (
        "Alarm budget lists the incidents that were marked false: what do they have in common?",
        "Where it is one signal that means nothing for you, name it in MONITOR_SIGNALS_OFF; where it is the traffic "
        "(tests, replays), send it under another project or environment.",
    ),
}
_ANY_OF_THE_MONITOR = (_JOBS, "Senders says who sent last, and when.")
_READ = "Read a few calls from before and since the change, side by side."


def is_of_the_monitor(alerts: Sequence[AlertRecord]) -> bool:
    """Whether alerts are about the monitor and what reaches it, not about what the calls say."""
    return bool(alerts) and all(alert.detail.get("against") == "pulse" for alert in alerts)


def steps(record: IncidentRecord) -> list[str]:
    """What to do next, a sentence or two each; nothing where the incident is over."""
    if not record.is_open:
        return []
    if is_of_the_monitor(record.alerts):
        return list(_OF_THE_MONITOR.get(record.alerts[0].indicator, _ANY_OF_THE_MONITOR))
    found = {dimension: _named(dimension, values) for dimension, values in record.suspects.items()}
    advice = [_READ]
    if "prompt_version" in found:
        advice.append(f"If {found['prompt_version']} the cause, correct it or go back to the one before.")
    if "release" in found:
        advice.append(f"If {found['release']} the cause, roll back or correct it.")
    if "model" in found:
        advice.append(f"If {found['model']} the cause, pin the model that answered before, or adapt the prompt.")
    if not found and record.severity == "notice":
        advice.append("Was the change meant? Nothing is known to be worse.")
    elif not found:
        advice.append("No new model, release or prompt version was seen then: ask what else was deployed or who came.")
    return advice


def _named(dimension: str, values: Sequence[str]) -> str:
    """The subject of a sentence: "model gpt-4-0613 is", "models a and b are"."""
    several = len(values) > 1
    return f"{wording.dimension_text(dimension)}{'s' * several} {wording.listed(values)} {'are' if several else 'is'}"

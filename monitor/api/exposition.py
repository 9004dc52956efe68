"""The monitor's own figures as Prometheus reads them (text exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from monitor.queries.metrics import Metrics

Samples = Iterable[tuple[Mapping[str, str], float]]


def exposition(metrics: Metrics, queue_depth: int | None, now: datetime) -> str:
    """All figures; `queue_depth` (records that wait for the writer of this process) only where this process ingests."""
    records = sorted(metrics.records.items())
    parts = [
        _metric(
            "monitor_records_total",
            "counter",
            "Records by project and what became of them.",
            (
                ({"project": project, "outcome": outcome}, getattr(counts, outcome))
                for project, counts in records
                for outcome in ("accepted", "rejected", "duplicates")
            ),
        ),
        _metric(
            "monitor_last_record_age_seconds",
            "gauge",
            "Seconds since the newest arrival.",
            (({"project": project}, _age(counts.last_seen, now)) for project, counts in records),
        ),
        _metric(
            "monitor_enrichment_pending",
            "gauge",
            "Calls that wait for enrichment, counted up to 10000.",
            [({}, metrics.pending)],
        ),
        _metric(
            "monitor_enrichment_lag_seconds",
            "gauge",
            "How long the oldest of them waits.",
            [({}, _age(metrics.pending_since, now) if metrics.pending_since else 0)],
        ),
        _metric(
            "monitor_profile_blocks_pending",
            "gauge",
            "Hours and days whose profiles wait to be rebuilt, counted up to 10000.",
            [({}, metrics.dirty_blocks)],
        ),
        _metric(
            "monitor_incidents_open",
            "gauge",
            "Open incidents.",
            (({"project": project}, count) for project, count in sorted(metrics.open_incidents.items())),
        ),
        _metric(
            "monitor_notifications",
            "gauge",
            "Notifications that are not delivered, by state.",
            (({"state": state}, count) for state, count in sorted(metrics.notifications.items())),
        ),
        _metric(
            "monitor_job_age_seconds",
            "gauge",
            "Seconds since the job last ended well.",
            (({"job": job}, _age(finished, now)) for job, finished in sorted(metrics.jobs.items())),
        ),
    ]
    if queue_depth is not None:
        text = "Records that wait for the writer of this process."
        parts.append(_metric("monitor_ingest_queue_records", "gauge", text, [({}, queue_depth)]))
    return "".join(parts)


def _age(moment: datetime, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds())


def _metric(name: str, kind: str, text: str, samples: Samples) -> str:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escape(content)}"' for label, content in labels.items())
        lines.append(f"{name}{'{' + inner + '}' if inner else ''} {value:.15g}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

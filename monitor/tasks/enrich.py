"""Enriches calls that came in."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.enrich import enrich_pending

BATCH = 5000


def run(context: JobContext) -> tuple[int, str]:
    """Enriches until nothing is pending."""
    done = 0
    while batch := enrich_pending(context.store, context.settings, context.now, limit=BATCH):
        done += batch
    return done, f"{done} calls"


JOB = Job("enrich", 5, 10, "computes the signals of new calls", run)

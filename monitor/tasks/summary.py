"""The weekly summary."""

from __future__ import annotations

from monitor.alerts import summarise
from monitor.contracts import Job, JobContext


def run(context: JobContext) -> tuple[int, str]:
    """Writes the summary of the week where it is due."""
    done = summarise(context.store, context.settings, context.now)
    return done, f"{done} summaries"


JOB = Job("summary", 3600, 50, "writes the weekly summary of open incidents, on Mondays", run)

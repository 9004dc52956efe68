"""Turns verdicts into alerts."""

from __future__ import annotations

from monitor.alerts import update
from monitor.contracts import Job, JobContext


def run(context: JobContext) -> tuple[int, str]:
    """Moves the alerts by every verdict not seen before."""
    done = update(context.store, context.settings, context.now)
    return done, f"{done} changes"


JOB = Job("alerts", 60, 40, "opens, folds and resolves alerts by the new verdicts", run)

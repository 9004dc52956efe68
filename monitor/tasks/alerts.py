"""Turns verdicts into alerts."""

from __future__ import annotations

from monitor.alerts import HOLD, explain_alerts, update
from monitor.contracts import Job, JobContext


def run(context: JobContext) -> tuple[int, str]:
    """Moves the alerts by every verdict not seen before, and explains those that are new."""
    done = update(context.store, context.settings, context.now, hold=HOLD)
    explained = explain_alerts(context.store, context.settings, context.now)
    return done + explained, f"{done} changes, {explained} explained"


JOB = Job("alerts", 60, 40, "opens, folds, explains and resolves alerts by the new verdicts", run)

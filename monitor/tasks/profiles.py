"""Brings profiles up to date."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.profiles import refresh


def run(context: JobContext) -> tuple[int, str]:
    """Rebuilds every block whose calls changed."""
    done = refresh(context.store, context.settings, context.now)
    return done, f"{done} blocks"


JOB = Job("profiles", 60, 20, "sums up the hours and days whose calls changed", run)

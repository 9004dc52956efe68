"""Keeps small tables small."""

from __future__ import annotations

from monitor import auth, runs
from monitor.contracts import Job, JobContext


def run(context: JobContext) -> tuple[int, str]:
    """Forgets what nobody will ask for again."""
    done = runs.prune(context.store, context.now) + auth.prune(context.store, context.now)
    return done, f"{done} rows"


JOB = Job("housekeeping", 3600, 90, "forgets old runs of jobs and expired logins", run)

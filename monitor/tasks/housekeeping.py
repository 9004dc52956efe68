"""Keeps small tables small."""

from __future__ import annotations

from monitor import auth, duplicates, runs
from monitor.contracts import Job, JobContext


def run(context: JobContext) -> tuple[int, str]:
    """Forgets what nobody will ask for again."""
    store, now = context.store, context.now
    done = runs.prune(store, now) + auth.prune(store, now) + duplicates.forget(store, now)
    return done, f"{done} rows"


JOB = Job("housekeeping", 3600, 90, "forgets old runs of jobs and expired logins", run)

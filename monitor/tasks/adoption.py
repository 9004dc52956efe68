"""Counts who uses the application."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.feedback.adoption import count_users


def run(context: JobContext) -> tuple[int, str]:
    """Counts the users of every closed day whose calls have not been counted."""
    done = count_users(context.store, context.now)
    return done, f"{done} days"


JOB = Job("adoption", 3600, 75, "counts active, new and returning users", run)

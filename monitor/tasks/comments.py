"""Measures comments that came in."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.feedback.comments import measure_comments


def run(context: JobContext) -> tuple[int, str]:
    """Measures until no comment is left."""
    done = measure_comments(context.store, context.now)
    return done, f"{done} comments"


JOB = Job("comments", 60, 15, "measures the sentiment of new comments", run)

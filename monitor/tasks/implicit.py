"""Looks at what users did."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.feedback.implicit import review_conversations


def run(context: JobContext) -> tuple[int, str]:
    """Looks through the conversations of every closed hour whose calls have not been seen."""
    done = review_conversations(context.store, context.now)
    return done, f"{done} hours"


JOB = Job("implicit", 900, 18, "finds questions asked again and conversations given up", run)

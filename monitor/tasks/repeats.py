"""Compares answers to one question."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.feedback.repeats import find_contradictions


def run(context: JobContext) -> tuple[int, str]:
    """Looks through every closed day that was not looked through for answers that contradict earlier ones."""
    done = find_contradictions(context.store, context.settings, context.now)
    return done, f"{done} days"


JOB = Job("repeats", 900, 19, "finds answers that contradict earlier ones to the same question", run)

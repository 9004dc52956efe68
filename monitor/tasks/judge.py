"""Asks the configured judge model about a sample of the calls."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.judging.work import judge_due


def run(context: JobContext) -> tuple[int, str]:
    """Judges until what is due is done, or time or money has run out."""
    return judge_due(context.store, context.settings, context.now)


JOB = Job("judge", 60, 45, "asks the judge model about a sample of the calls, where one is configured", run)

"""Judges what closed."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.indicators import judge


def run(context: JobContext) -> tuple[int, str]:
    """Judges every closed block that has no verdict yet."""
    done = judge(context.store, context.settings, context.now)
    return done, f"{done} verdicts"


JOB = Job("indicators", 300, 30, "judges every stream whose day has closed", run)

"""Judges what closed."""

from __future__ import annotations

from monitor.alerts import update
from monitor.contracts import Job, JobContext
from monitor.indicators import judge


def run(context: JobContext) -> tuple[int, str]:
    """Looks at the closed hours and judges the closed days that were not judged yet, oldest first.

    The alerts move after each: an open one decides what comes next is compared with.
    """
    done = 0
    while judged := judge(context.store, context.settings, context.now):
        done += judged
        update(context.store, context.settings, context.now)
    return done, f"{done} verdicts"


JOB = Job("indicators", 300, 30, "looks at closed hours and judges closed days", run)

"""Judges what closed."""

from __future__ import annotations

from monitor.alerts import update
from monitor.contracts import Job, JobContext
from monitor.indicators import judge


def run(context: JobContext) -> tuple[int, str]:
    """Judges every closed day that has no verdict yet, oldest first.

    The alerts move after each day: an open one decides what the next day is compared with.
    """
    done = 0
    while judged := judge(context.store, context.settings, context.now):
        done += judged
        update(context.store, context.settings, context.now)
    return done, f"{done} verdicts"


JOB = Job("indicators", 300, 30, "judges every stream whose day has closed", run)

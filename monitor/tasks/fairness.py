"""Scans each closed week for groups that are served worse."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.fairness.week import scan_due
from monitor.wording import plural


def run(context: JobContext) -> tuple[int, str]:
    """Scans the weeks that have closed."""
    done = scan_due(context.store, context.settings, context.now)
    return done, plural(done, "scan")


JOB = Job("fairness", 3600, 35, "compares groups over each closed week, users counted once", run)

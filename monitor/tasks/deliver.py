"""Tells people."""

from __future__ import annotations

from monitor.alerts import deliver
from monitor.contracts import Job, JobContext


def run(context: JobContext) -> tuple[int, str]:
    """Sends every notification that is due."""
    done = deliver(context.store, context.settings, context.now)
    return done, f"{done} notifications"


JOB = Job("deliver", 30, 60, "sends the mails and webhooks that are due", run)

"""Finds what people complain about."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.feedback.theming import find_themes


def run(context: JobContext) -> tuple[int, str]:
    """Looks for themes wherever comments have come in since the last look."""
    done = find_themes(context.store, context.now)
    return done, f"{done} themes"


JOB = Job("themes", 21_600, 70, "groups complaints into themes", run)

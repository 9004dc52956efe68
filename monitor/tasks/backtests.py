"""Begins the back-tests that people asked for on the page."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.hindsight.running import Children

_children = Children()


def run(context: JobContext) -> tuple[int, str]:
    """Begins each in a process of its own."""
    begun = _children.look_after(context.store, context.settings, context.now)
    return begun, f"{begun} begun"


JOB = Job("backtests", 10, 80, "begins the back-tests that were asked for", run)

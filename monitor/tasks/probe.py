"""Asks the configured endpoint this week's counterfactual probes."""

from __future__ import annotations

from monitor.contracts import Job, JobContext
from monitor.fairness.probing import probe_due


def run(context: JobContext) -> tuple[int, str]:
    """Asks until this week's probes are done, or time or money has run out."""
    return probe_due(context.store, context.settings, context.now)


JOB = Job("probe", 600, 46, "asks an endpoint about pairs of groups once a week, where one is configured", run)

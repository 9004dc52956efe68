"""What counterfactual probes found: differences between answers to prompts that differ in the group they name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import select

from monitor import tables
from monitor.clock import to_microseconds
from monitor.queries.options import project
from monitor.stats.sign_flip import PairedDifference, paired_difference
from monitor.store import Store, table_of

COMPARED = ("refusal", "sentiment", "toxicity", "response_words")
"""Signals whose difference within a pair is kept."""
PROBE_GAP = "probe_gap."
PROJECT_SUFFIX = " probes"
MOST_PAIRS = 20_000
_FEEDBACK = table_of(tables.Feedback)
_VALUE = table_of(tables.Value)


@dataclass(frozen=True)
class ProbeFinding:
    """Two groups on one signal: the mean of first less second over all pairs of prompts."""

    groups: tuple[str, str]
    signal: str
    found: PairedDifference


def probe_state(store: Store, week: str) -> tuple[int, float]:
    """How many of a week's probes were asked, and what they cost."""
    with store.read() as connection:
        data = connection.execute(select(_VALUE.c.data).where(_VALUE.c.name == week)).scalar()
    place, _, cost = (data or "0 0").partition(" ")
    return int(place), float(cost)


def probe_findings(store: Store, project_name: str, start: datetime, end: datetime) -> list[ProbeFinding]:
    """What the probes of a project found in a range, the least likely by chance first."""
    known = project(store, f"{project_name}{PROJECT_SUFFIX}")
    if known is None:
        return []
    statement = (
        select(_FEEDBACK.c.name, _FEEDBACK.c.annotator_id, _FEEDBACK.c.value)
        .where(
            _FEEDBACK.c.project_id == known.id,
            _FEEDBACK.c.name.in_([f"{PROBE_GAP}{signal}" for signal in COMPARED]),
            _FEEDBACK.c.time >= to_microseconds(start),
            _FEEDBACK.c.time < to_microseconds(end),
        )
        .order_by(_FEEDBACK.c.time.desc())
        .limit(MOST_PAIRS)
    )
    differences: dict[tuple[str, str], list[float]] = defaultdict(list)
    with store.read() as connection:
        for row in connection.execute(statement):
            differences[row.annotator_id, row.name.removeprefix(PROBE_GAP)].append(row.value)
    found = []
    for (annotator, signal), values in differences.items():
        first, _, second = annotator.removeprefix("probe:").partition("/")
        found.append(ProbeFinding((first, second), signal, paired_difference(np.array(values))))
    return sorted(found, key=lambda item: (item.found.p_value, item.groups, item.signal))

"""Data of pages over a store of 20,000 calls and one ten times as large: what it costs must not depend on the size."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from monitor.clock import BlockLength
from monitor.contracts import Segment
from monitor.migrate import upgrade
from monitor.queries.calls import find_calls
from monitor.queries.conditions import CallFilter, parse_conditions
from monitor.queries.feedback import comments, feedback_series
from monitor.queries.masked import masked_lately
from monitor.queries.options import freshness, segments
from monitor.queries.traces import call_of
from monitor.queries.usage import usage, usage_by
from monitor.store import Store
from tests.synthetic import DAYS, START, fill

SIZES = (20_000, 200_000)
REPEATS = 7
END = START + timedelta(days=DAYS)
_DAY = BlockLength.DAY

Case = Callable[[Store, int], object]


def _listed(**wanted: object) -> Case:
    return lambda store, project: find_calls(store, project, CallFilter(START, END, **wanted))  # type: ignore[arg-type]


CASES: dict[str, Case] = {
    "newest calls": _listed(),
    "calls of a pair": _listed(segment=Segment("model_family+feature", "gpt-4 + search")),
    "calls with a rare signal": _listed(signals=parse_conditions("prompt_injection:true")),
    "calls of a segment without any": _listed(segment=Segment("model", "none")),
    "text in every call": _listed(text="invoice"),
    "text in no call": _listed(text="nowhere"),
    "one call": lambda store, project: call_of(store, project, f"{50:032x}", f"{100:016x}"),
    "usage, 8 weeks": lambda store, project: usage(store, project, _DAY, START, END),
    "usage by model": lambda store, project: usage_by(store, project, _DAY, START, END, dimension="model"),
    "feedback by name": lambda store, project: feedback_series(store, project, _DAY, START, END),
    "comments": lambda store, project: comments(store, project, START, END),
    "what was masked": lambda store, project: masked_lately(store, project, START, END),
    "filter and freshness": lambda store, project: (segments(store, project), freshness(store, project)),
}


def _milliseconds(case: Case, store: Store, project: int) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        case(store, project)
        best = min(best, time.perf_counter() - started)
    return best * 1000


def run() -> list[dict[str, object]]:
    """Best of seven in milliseconds for each size on SQLite, and how the large one compares with the small one."""
    with tempfile.TemporaryDirectory() as folder:
        stores = []
        for size in SIZES:
            store = Store(f"sqlite:///{Path(folder) / str(size)}.db", "relaxed")
            upgrade(store)
            stores.append((store, fill(store, size)))
        rows: list[dict[str, object]] = []
        for name, case in CASES.items():
            small, large = (_milliseconds(case, store, project) for store, project in stores)
            rows.append(
                {"case": name, f"{SIZES[0]:,} calls ms": small, f"{SIZES[1]:,} calls ms": large, "ratio": large / small}
            )
        for store, _ in stores:
            store.close()
    return rows

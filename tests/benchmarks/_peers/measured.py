"""Runs inside the peers' environment and prints one JSON line for what it is asked.

python -m tests.benchmarks._peers.measured simulate NAME ROWS WINDOWS RUNS
python -m tests.benchmarks._peers.measured compare NAME FILE.npz
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any

import numpy as np

from tests.tables import CHANGES, LONGEST, SKEWED, Population, delays, false_alarms

CATEGORIES = 3


def simulate(name: str, rows: int, windows: int, runs: int) -> dict[str, Any]:
    """False alarms and median delays of a peer, as `tests.benchmarks.drift` has them of ours."""
    from tests.benchmarks._peers.monitors import monitor_of

    population, maker = Population.of(SKEWED), monitor_of(name, rows)
    row: dict[str, Any] = {"monitor": name, "rows": rows}
    row["false"] = f"{false_alarms(maker, population, rows, windows, 1, 2)} of {windows:,}"
    missed = total = 0
    for label, change in CHANGES.items():
        found = delays(maker, population, rows, change, runs, 1)
        row[label] = float(np.median(found))
        missed += sum(window > LONGEST for window in found)
        total += len(found)
    row["missed"] = f"{missed} of {total}"
    return row


def loaded(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reference and current table of an archive that `tests.benchmarks._peers.__main__` wrote."""
    with np.load(path) as archive:
        sides: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        for name in archive.files:
            side, _, column = name.partition(":")
            values = archive[name]
            sides[side == "current"][column] = values.astype(object) if values.dtype.kind == "U" else values
    return sides


def peak() -> float:
    """Largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(name: str, path: str) -> dict[str, Any]:
    """Seconds and extra memory of one comparison of two tables; loading and imports before are not counted."""
    reference, current = loaded(path)
    small = {
        side: {key: values[:500] for key, values in table.items()} for side, table in (("r", reference), ("c", current))
    }
    if name == "LLMOps monitor":
        from monitor.detect import compare_tables

        compare_tables(small["r"], small["c"])
        before, started = peak(), time.perf_counter()
        compare_tables(reference, current)
    elif name == "alibi-detect KS":
        from alibi_detect.cd import KSDrift

        numbers = [key for key, values in reference.items() if values.dtype != object]
        matrices = [np.column_stack([table[key] for key in numbers]) for table in (reference, current)]
        KSDrift(matrices[0][:500]).predict(matrices[1][:500])
        before, started = peak(), time.perf_counter()
        KSDrift(matrices[0]).predict(matrices[1])
    else:
        from tests.benchmarks._peers.monitors import Evidently

        Evidently(small["r"]).update(small["c"])
        monitor = Evidently(reference)
        before, started = peak(), time.perf_counter()
        monitor.update(current)
    seconds = time.perf_counter() - started
    rows = len(next(iter(reference.values())))
    return {"tool": name, "rows": rows, "seconds": seconds, "extra MB": peak() - before}


if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "2"
    task, *given = sys.argv[1:]
    answer = simulate(given[0], *map(int, given[1:])) if task == "simulate" else compare(*given)
    sys.stdout.write(json.dumps(answer) + "\n")

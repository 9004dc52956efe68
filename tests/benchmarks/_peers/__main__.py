"""Ours and the peers in one run: drift of tables compared once, and monitors in the simulator.

    make bench-peers          (makes the peers' environment; takes a quarter of an hour)

The peers get fewer windows than ours: Evidently takes a second for each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.benchmarks import drift
from tests.benchmarks._peers.measured import CATEGORIES

PEERS_PYTHON = Path(".venv-peers/bin/python")
NUMBERS = 22
SIZES = (100_000, 1_000_000)
# Windows without change, and runs for each change, that a peer gets.
SIMULATED = {"Evidently": (60, 3), "NannyML": (400, 5), "alibi-detect": (400, 5)}


def _asked(python: str | Path, *arguments: object) -> dict[str, Any]:
    command = [str(python), "-W", "ignore", "-m", "tests.benchmarks._peers.measured", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def _tables(path: Path, rows: int) -> None:
    chance = np.random.default_rng(5)
    columns: dict[str, Any] = {}
    for side, factor in (("reference", 1.0), ("current", 1.01)):
        for place in range(NUMBERS):
            columns[f"{side}:number_{place}"] = chance.lognormal(size=rows) * (factor if place % 3 else 1.0)
        for place in range(CATEGORIES):
            columns[f"{side}:name_{place}"] = np.array(["stop", "length", "tool", "filter"])[
                chance.integers(0, 4, rows)
            ]
    np.savez(path, **columns)


def compared() -> list[dict[str, Any]]:
    """Two tables of 25 columns compared once by each; `slower` is the time against ours."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for size in SIZES:
            path = Path(name) / "tables.npz"
            _tables(path, size)
            ours = _asked(sys.executable, "compare", "LLMOps monitor", path)
            for found in (
                ours,
                *(_asked(PEERS_PYTHON, "compare", peer, path) for peer in ("Evidently", "alibi-detect KS")),
            ):
                rows.append({**found, "slower": found["seconds"] / ours["seconds"]})
    return rows


def simulated() -> list[dict[str, Any]]:
    """The table of `tests.benchmarks.drift` with the peers in it."""
    rows = drift.run()
    for size in drift.SIZES:
        for name, (windows, runs) in SIMULATED.items():
            rows.append(_asked(PEERS_PYTHON, "simulate", name, size, windows, runs))
    return sorted(rows, key=lambda row: int(str(row["rows"])))


def main(names: list[str]) -> int:
    """Prints both tables, or the one that is named."""
    if not PEERS_PYTHON.exists():
        sys.stderr.write("The peers are not installed; `make bench-peers` does it.\n")
        return 2
    console = Console(width=150)
    for task in (compared, simulated):
        if names and task.__name__ not in names:
            continue
        table = Table(title=(task.__doc__ or "").strip().splitlines()[0])
        rows = task()
        for column in rows[0]:
            table.add_column(column)
        for row in rows:
            table.add_row(*(f"{value:,.3g}" if isinstance(value, float) else str(value) for value in row.values()))
        console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

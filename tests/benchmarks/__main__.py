"""Runs every benchmark of this folder, or those named, and prints one table each.

    python -m tests.benchmarks [NAME ...]

Nothing here decides a test: the machine may be shared and noisy. Read the ratios, which compare with a baseline
measured in the same run, before the absolute figures.
"""

from __future__ import annotations

import importlib
import pkgutil
import platform
import sys

from rich.console import Console
from rich.table import Table

import tests.benchmarks


def main(names: list[str]) -> int:
    """Runs the benchmarks; exit code 2 for a name that there is not."""
    found = [info.name for info in pkgutil.iter_modules(tests.benchmarks.__path__) if not info.name.startswith("_")]
    unknown = set(names) - set(found)
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(found)}" + "\n")
        return 2
    console = Console(width=150)
    console.print(f"Python {platform.python_version()}, {platform.machine()}")
    for name in names or found:
        module = importlib.import_module(f"tests.benchmarks.{name}")
        rows = module.run()
        table = Table(title=f"{name}: {(module.__doc__ or '').strip().splitlines()[0]}")
        columns = list(dict.fromkeys(column for row in rows for column in row))
        for column in columns:
            table.add_column(str(column))
        for row in rows:
            table.add_row(*(_text(row.get(column)) for column in columns))
        console.print(table)
    return 0


def _text(value: object) -> str:
    if value is None:
        return "-"
    return (
        f"{value:,.3g}"
        if isinstance(value, float) and abs(value) < 100
        else f"{value:,.0f}"
        if isinstance(value, (int, float))
        else str(value)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

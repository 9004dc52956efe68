"""`python -m tests.quality [FOLDER]`: measures the signals; without a folder of other data, writes docs/quality.md."""

from __future__ import annotations

import sys
from pathlib import Path

from monitor.errors import InputError
from tests.quality.external import figures_of_folder
from tests.quality.page import PAGE, all_figures, number, page


def main(arguments: list[str]) -> int:
    """Prints a line a figure. Exit code 2 where the folder cannot be read."""
    try:
        figures = figures_of_folder(Path(arguments[0])) if arguments else all_figures()
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for one in figures:
        at = "" if one.threshold is None else f" at {one.threshold:g}"
        figure = f"{number(one.value)} ({number(max(0.0, one.low))} to {number(min(1.0, one.high))})"
        sys.stdout.write(f"{one.signal:22} {one.measure + at:32} {figure:26} n={one.n:<6} {one.data}  {one.note}\n")
    if not arguments:
        PAGE.write_text(page(figures), encoding="utf-8")
        sys.stdout.write(f"Written: {PAGE.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""How good the signals are, measured on labelled rows that nothing was trained or tuned on.

Each module answers for one signal: `report()` gives its figures. The samples stand in `tests/data`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure of a signal.

    `value` lies between `low` and `high` with 95% confidence; `n` counts the rows it is from. `threshold` is the one
    the figure holds at, None for figures that need none (such as an AUC). `note` says what is missed or how it was
    measured.
    """

    signal: str
    data: str
    n: int
    measure: str
    value: float
    low: float
    high: float
    threshold: float | None = None
    note: str = ""

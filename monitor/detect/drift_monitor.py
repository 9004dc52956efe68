"""Watches the columns of a table for drift against a fixed reference, within a budget of false alarms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from monitor.contracts import Verdict
from monitor.detect.columns import column_of
from monitor.detect.findings import Finding, verdict_of
from monitor.detect.lanes import Lanes
from monitor.detect.limits import limit_for
from monitor.errors import InputError


class DriftMonitor:
    """Tells, window after window, which columns are no longer like the reference.

    `reference` maps each column's name to its values (an array or list of numbers or strings, at least 100), taken
    while all was well. `update(window)` takes the next window, of any size, in the same form, and returns a verdict for
    each column: "moved" where the evidence since the last alarm of that column passed its limit in this window, "ok"
    where it did not, "too_few" below 30 rows so far, "no_data" without rows. `.alarmed` holds the columns that moved.

    Method. Each column feeds several streams (`monitor.detect.columns`): location, scale, shape and tails by rank for
    numbers, shares and new names for categories. Each stream runs in six lanes with fading memory, from this window
    alone to about the last 65 (`monitor.detect.lanes`); z is the distance from the reference over its standard error
    sqrt(v (B + A^2 / N)), the reference's own error included. A stream alarms where a lane passes +-h, with
    min(0.8 h, 6) 2 Q(h) = 0.6 alarms_per_window w / columns, w being the stream's share of its column
    (`monitor.detect.limits`; 40 % are held back for what the normal limits are off by). The column's streams then start
    anew.

    Guarantee. While nothing changes, at most `alarms_per_window` alarms a window are expected over all columns
    together: the shares add up to one, and that bound (Boole's) needs nothing of how columns or streams depend on each
    other. Assumptions: rows of a window are like rows drawn anew from what the reference was drawn from, independent of
    each other and of earlier windows; the expectation is over the reference too, so that the alarms of an unlucky
    reference come in rows, and of a lucky one never. The normal limits are approximations, checked by simulation.

    When it misleads. Several rows of one user or conversation are not independent: give one row a user. Windows that
    breathe with the hour or the weekday drift against a reference that mixes them: compare like with like. What is true
    of every moment for large windows, that nothing is ever quite the same, is alarmed as it becomes provable, however
    small. A slow lane needs time to forget: after a short disturbance its alarm may come when that is already over.
    "ok" means not proven, and a lasting shift that was alarmed alarms again only when it is proven anew.

    Sources: Page, Biometrika 41, 1954, and Roberts, Technometrics 1, 1959 (charts with memory); Lucas and Saccucci,
    Technometrics 32, 1990 (several of them at once, and their start); Jones, Champ and Rigdon, Technometrics 43, 2001
    (what an estimated reference does to a chart).
    """

    def __init__(self, reference: Mapping[str, Any], alarms_per_window: float = 1e-3) -> None:
        if not reference:
            raise InputError("The reference has no columns.")
        if not 0 < alarms_per_window <= 0.1:
            raise InputError(f"alarms_per_window must be above 0 and at most 0.1, not {alarms_per_window}.")
        self.alarms_per_window = alarms_per_window
        self.alarmed: tuple[str, ...] = ()
        self._columns = {name: column_of(name, values) for name, values in reference.items()}
        self._streams = [stream for column in self._columns.values() for stream in column.streams]
        self._lanes = Lanes(self._streams)
        weights = np.array([stream.weight for stream in self._streams])
        self._limits = limit_for(weights * alarms_per_window / len(self._columns))
        ends = np.cumsum([len(column.streams) for column in self._columns.values()]).tolist()
        self._spans = dict(zip(self._columns, map(slice, [0, *ends[:-1]], ends), strict=True))

    def update(self, window: Mapping[str, Any]) -> dict[str, Verdict]:
        """Adds the next window and judges each column; a column that the window lacks has no rows in it.

        Raises InputError where a column of numbers is given something else; nothing is added then.
        """
        measured = [
            column.measure(window[name])
            if name in window
            else (np.zeros(len(column.streams)), np.zeros(len(column.streams)))
            for name, column in self._columns.items()
        ]
        sums = np.concatenate([found for found, _ in measured])
        rows = np.concatenate([found for _, found in measured])
        self._lanes.add(sums, rows)
        evidence = self._lanes.evidence()
        effective = self._lanes.effective_rows
        share_of_limit = np.abs(evidence) / self._limits[:, None]
        verdicts: dict[str, Verdict] = {}
        moved = np.zeros(len(self._streams), dtype=np.bool_)
        for name, column in self._columns.items():
            span = self._spans[name]
            most = int(np.argmax(share_of_limit[span]))
            stream, lane = span.start + most // effective.shape[1], most % effective.shape[1]
            finding = Finding(
                self._streams[stream],
                evidence=float(evidence[stream, lane]),
                limit=float(self._limits[stream]),
                share=self._lanes.mean(stream, lane),
                effective_rows=float(effective[stream, lane]),
                rows_so_far=float(effective[span].max()),
            )
            verdicts[name] = verdict_of(column, window.get(name, ()), finding)
            moved[span] = verdicts[name].state == "moved"
        self._lanes.forget(moved)
        self.alarmed = tuple(name for name, verdict in verdicts.items() if verdict.state == "moved")
        return verdicts

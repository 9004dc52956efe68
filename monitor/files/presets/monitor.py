"""The monitor's own export of calls: what it knew of them is not sent again, CSV cells lose their guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.files.export_records import CALL_COLUMNS, OWN_COLUMNS
from monitor.files.guard import unguarded
from monitor.files.presets import Preset
from monitor.ingest.values import try_json


def _finish(record: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    for name in OWN_COLUMNS:
        record.pop(name, None)
    if not row.keys() >= CALL_COLUMNS.keys():
        return record  # JSON Lines leave out what is not there, and hold the rest as it is
    is_csv = isinstance(row["latency_s"], str)
    for name, value in row.items():
        if not isinstance(value, str) or name not in record:
            continue
        if CALL_COLUMNS.get(name) in ("json", "texts") or (name == "response" and value.startswith('[{"role"')):
            record[name] = try_json(value)
        elif is_csv:
            record[name] = unguarded(value)
    return record


PRESET = Preset(
    "monitor",
    "LLMOps monitor (calls)",
    (frozenset({"id", "trace_id", "time", "received"}),),
    (),
    _finish,
    own_names=True,
)

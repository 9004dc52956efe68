"""Columns of files as fields of the call record: other tools' names are translated, nothing is left out.

A column that is no field of the call record stays in it under its own name, and becomes a tag.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from monitor.ingest.call_record import KNOWN

ALIASES = {
    "timestamp": "time",
    "question": "prompt",
    "input": "prompt",
    "messages": "prompt",
    "answer": "response",
    "output": "response",
    "completion": "response",
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "response_tokens": "output_tokens",
    "user": "user_id",
    "session": "session_id",
    "conversation_id": "session_id",
}
"""Column names that other tools use, and the field each means; the field's own name wins where both are there."""

STRUCTURED = frozenset({"prompt", "response", "context", "reference"})
"""Fields in which a text that looks like JSON is read as JSON, where all values are texts."""

NUMBERS = frozenset(
    {
        "latency_s",
        "time_to_first_token_s",
        "input_tokens",
        "output_tokens",
        "cached_input_tokens",
        "cache_write_input_tokens",
        "reasoning_tokens",
        "cost_usd",
    }
)
"""Fields that hold numbers."""

_REMEMBERED = 1_000
_plain_columns: dict[tuple[str, ...], bool] = {}


def as_call_record(row: Mapping[str, Any], *, cells: bool = False) -> dict[str, Any]:
    """A row as call record: other tools' names for fields are translated, absent values left out.

    Columns such as `tags.plan` and `feedback.thumb` become a tag and a feedback. With `cells` all values are texts, as
    in CSV: messages, documents and feedback may be written in JSON there.
    """
    if not cells and _has_plain_columns(row):
        return {
            name: value
            for name, value in row.items()
            if value is not None and (type(value) is not float or value == value)  # noqa: PLR0124 - not a number
        }
    return _translated(row, cells)


def _has_plain_columns(row: Mapping[str, Any]) -> bool:
    """True where every column keeps its name and its value; rows of one file mostly have the same columns."""
    columns = tuple(row)
    plain = _plain_columns.get(columns)
    if plain is None:
        if len(_plain_columns) >= _REMEMBERED:
            _plain_columns.clear()
        plain = all(
            (name in KNOWN or name.lower() not in KNOWN)
            and name != "feedback"
            and name.lower() not in ALIASES
            and name.partition(".")[0].lower() not in ("tags", "feedback")
            for name in columns
            if name != "tags"
        )
        _plain_columns[columns] = plain
    return plain


def _translated(row: Mapping[str, Any], cells: bool) -> dict[str, Any]:
    record: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    said: list[dict[str, Any]] = []
    present = {name.lower() for name, value in row.items() if not is_absent(value, cells)}
    for name, value in row.items():
        if is_absent(value, cells):
            continue
        lower = name.lower()
        field = ALIASES.get(lower, lower)
        prefix, _, rest = name.partition(".")
        if rest and prefix.lower() == "tags":
            tags[rest] = value
        elif rest and prefix.lower() == "feedback":
            said.append({"name": rest, "value": value})
        elif field in KNOWN and (field == lower or field not in present) and field not in record:
            record[field] = _cell(field, value) if cells else value
        else:
            record[name] = value
    if tags:
        given = record.get("tags")
        record["tags"] = {**(given if isinstance(given, Mapping) else {}), **tags}
    add_feedback(record, said)
    return record


def add_feedback(record: dict[str, Any], said: list[dict[str, Any]]) -> None:
    """Puts the feedback of the record and what else was said into one list."""
    given = record.get("feedback")
    if given is not None and not isinstance(given, (list, Mapping)):
        given = [{"name": "feedback", "value": given}]
    if isinstance(given, Mapping):
        given = [given]
    if given or said:
        record["feedback"] = [*(given or ()), *said]


def is_absent(value: Any, cells: bool = False) -> bool:
    """True for what means "nothing": null, not a number and, among texts of CSV, the empty one."""
    return value is None or (cells and value == "") or (isinstance(value, float) and math.isnan(value))


def _cell(field: str, text: str) -> Any:
    if field in ("feedback", "tags") or (field in STRUCTURED and text[:1] in {"[", "{"}):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text

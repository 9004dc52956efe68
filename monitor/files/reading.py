"""How the rows of a file are read: as call records, by rules, or as another tool's export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from monitor.errors import InputError
from monitor.files.fields import ALIASES, as_call_record
from monitor.files.log_file import Convert, LogFile, Row
from monitor.files.mapping import RowMapping, combine, parse_rule
from monitor.files.presets import Preset, preset_named, recognise
from monitor.ingest.call_record import KNOWN, read_call

AUTO, NONE = "auto", "none"


@dataclass(frozen=True)
class Reading:
    """What makes call records of a file's rows. `preset` where one is used, `recognised` where nobody named it."""

    convert: Convert
    preset: Preset | None = None
    recognised: bool = False


@dataclass(frozen=True)
class Trial:
    """What the first row of a file becomes: its call record, the columns that are no field, what is wrong with it."""

    file: str
    preset: str
    line: int
    record: dict[str, Any] | None
    unmapped: list[str]
    problem: str


def reading_of(log: LogFile, rules: Iterable[str] = (), preset: str = AUTO) -> Reading:
    """How a file is to be read: by rules as `--map` takes them on top of a preset, which is named, `auto` or `none`.

    Raises InputError for rules that cannot be used, also where they name a column that a table does not have.
    """
    own = [parse_rule(rule) for rule in rules]
    first = next(log.rows(), None)
    row = first.raw if first is not None and isinstance(first.raw, Mapping) else {}
    found = recognise(row) if preset == AUTO else None if preset == NONE else preset_named(preset)
    if not own and found is None:
        return Reading(as_call_record)
    if log.format != "jsonl" and row:
        missing = RowMapping(tuple(own)).missing(row)
        if missing:
            raise InputError(f"{log.path}: there is no column {', '.join(missing)}; there are {', '.join(row)}.")
    mapping = combine(own, found.mapping if found is not None else None)
    return Reading(mapping, found, recognised=preset == AUTO and found is not None)


def try_out(log: LogFile, reading: Reading, now: datetime, timezone: tzinfo | None) -> Trial:
    """Reads the first row. Raises InputError where there is none."""
    first: Row | None = next(log.rows(reading.convert), None)
    if first is None:
        raise InputError(f"{log.path}: there is no row in it.")
    problem = first.problem
    if first.record is not None:
        try:
            read_call(first.record, now, timezone)
        except InputError as error:
            problem = str(error)
    name = reading.preset.name if reading.preset is not None else ""
    return Trial(str(log.path), name, first.line, first.record, _unmapped(first.raw, reading.convert), problem)


def _unmapped(row: Any, convert: Convert) -> list[str]:
    if not isinstance(row, Mapping):
        return []
    columns = convert.unmapped(row) if isinstance(convert, RowMapping) else list(row)
    if isinstance(convert, RowMapping) and not convert.keep_names:
        return columns
    return [name for name in columns if not _is_field(name)]


def _is_field(column: str) -> bool:
    name = column.lower()
    prefix, _, rest = name.partition(".")
    return name in KNOWN or name in ALIASES or bool(rest and prefix in ("tags", "feedback"))

"""Rules that make call records of foreign rows: `FIELD=COLUMN`, as `--map` takes them and presets are made of them.

    model=request.model             a column, or a value inside of JSON: names and places joined by dots
    model=response_model|model      the first of these that is there
    latency_s=latency_ms/1000       a number in another unit: / or * and a number
    latency_s=seconds(start,end)    the time between two moments
    time=epoch(created)             a moment as seconds, milliseconds, microseconds or nanoseconds since 1970
    time=utc(start_time)            a moment; UTC where it names no zone
    environment:=production         a constant: a text, or any JSON value

FIELD is a field of the call record, `tags.NAME` or `feedback.NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.clock import EPOCH
from monitor.errors import InputError
from monitor.files.fields import STRUCTURED, add_feedback, as_call_record, is_absent
from monitor.ingest.call_record import KNOWN
from monitor.ingest.values import decode_json, number, try_json

Finish = Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]]

_SCALED = re.compile(r"(.+?)\s*([/*])\s*([0-9.eE+-]+)\Z", re.DOTALL)
_FUNCTION = re.compile(r"(seconds|epoch|utc)\((.*)\)\Z", re.DOTALL)
_MAX_DEPTH = 32


@dataclass(frozen=True)
class Rule:
    """One field and where its value comes from: for each argument of the function, the paths to try in order."""

    field: str
    paths: tuple[tuple[str, ...], ...] = ()
    function: str = ""
    factor: float = 1.0
    constant: Any = None

    def value(self, row: Mapping[str, Any]) -> Any:
        """The value for a row; None where it has none."""
        if not self.paths:
            return self.constant
        found = [next((value for path in choice if (value := look_up(row, path)) is not None), None)
                 for choice in self.paths]  # fmt: skip
        if any(value is None for value in found):
            return None
        if self.function:
            return _FUNCTIONS[self.function](*found)
        if self.factor != 1.0:
            amount = number(found[0])
            return found[0] if amount is None else amount * self.factor
        return found[0]


def parse_rule(text: str) -> Rule:
    """The rule that a text means. Raises InputError that says what is wrong with it."""
    name, sign, expression = text.partition("=")
    constant = name.endswith(":")
    field = name.removesuffix(":").strip()
    expression = expression.strip()
    if not sign or not field or not (expression or constant):
        raise InputError(f"--map {text}: write FIELD=COLUMN, or FIELD:=VALUE for a constant.")
    prefix, _, rest = field.partition(".")
    if field not in KNOWN and not (rest and prefix in ("tags", "feedback")):
        known = ", ".join(sorted(KNOWN - {"project"}))
        raise InputError(f"--map {text}: {field} is no field of a call record; there are {known}, tags.NAME "
                         "and feedback.NAME.")  # fmt: skip
    if constant:
        return Rule(field, constant=_constant(expression))
    function, factor = "", 1.0
    arguments = [expression]
    if call := _FUNCTION.match(expression):
        function = call[1]
        arguments = call[2].split(",")
        if len(arguments) != (2 if function == "seconds" else 1):
            raise InputError(
                f"--map {text}: {function} takes {'two columns' if function == 'seconds' else 'a column'}."
            )
    elif scaled := _SCALED.match(expression):
        amount = number(scaled[3])
        if not amount:
            raise InputError(
                f"--map {text}: {scaled[3]} is no number to {'divide' if scaled[2] == '/' else 'multiply'} by."
            )
        arguments, factor = [scaled[1]], 1 / amount if scaled[2] == "/" else amount
    choices = [tuple(path.strip() for path in argument.split("|")) for argument in arguments]
    if not all(path for choice in choices for path in choice):
        raise InputError(f"--map {text}: a column has no name.")
    return Rule(field, tuple(choices), function, factor)


def look_up(row: Any, path: str) -> Any:
    """The value at a path: a column of that name, or names and places in lists joined by dots, inside of JSON too."""
    return _look_up(row, path, 0)


def _look_up(holder: Any, path: str, depth: int) -> Any:
    holder = try_json(holder)
    if isinstance(holder, list):
        holder = {str(place): item for place, item in enumerate(holder)}
    if not isinstance(holder, Mapping) or depth > _MAX_DEPTH:
        return None
    if path in holder:
        return _present(holder[path])
    # Names may have dots in them: the longest name that is there comes first.
    end = path.rfind(".")
    while end > 0:
        if path[:end] in holder:
            value = _look_up(holder[path[:end]], path[end + 1 :], depth + 1)
            if value is not None:
                return value
        end = path.rfind(".", 0, end)
    return None


def _present(value: Any) -> Any:
    return None if is_absent(value, cells=True) else value


def _constant(text: str) -> Any:
    try:
        return decode_json(text)
    except InputError:
        return text


def _moment(value: Any) -> datetime | None:
    """A moment out of ISO 8601 (UTC where it names no zone) or a count since 1970 in the unit that its size tells."""
    try:
        count = number(value)
        if count is not None:
            unit = next((unit for least, unit in _UNITS if abs(count) >= least), 1.0)
            return EPOCH + timedelta(seconds=count / unit)
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _iso(value: Any) -> Any:
    """ISO 8601 of a moment; what is none stays as it is, for the reader of the record to turn down."""
    moment = _moment(value)
    return value if moment is None else moment.isoformat()


def _seconds(start: Any, end: Any) -> float | None:
    first, last = _moment(start), _moment(end)
    if first is None or last is None or last < first:
        return None
    return (last - first).total_seconds()


_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_FUNCTIONS: dict[str, Callable[..., Any]] = {"seconds": _seconds, "epoch": _iso, "utc": _iso}


@dataclass(frozen=True)
class RowMapping:
    """Makes call records by rules. `rest` says what becomes of columns that no rule names.

    With `keep_names` they are read as those of any file (a column `model` is the model, unknown ones become tags);
    without, they are kept as attributes: what a column of another tool is called does not make it a field here.
    """

    rules: tuple[Rule, ...]
    keep_names: bool = True
    finish: Finish | None = None

    def __call__(self, row: Mapping[str, Any], *, cells: bool = False) -> dict[str, Any]:
        """The call record of a row; with `cells` all values are texts, as in CSV."""
        record: dict[str, Any] = {}
        used: set[str] = set()
        tags: dict[str, Any] = {}
        said: list[dict[str, Any]] = []
        for rule in self.rules:
            used.update(column for choice in rule.paths for path in choice for column in _columns(row, path))
            value = rule.value(row)
            if value is None:
                continue
            if cells and rule.field in STRUCTURED:
                value = try_json(value)
            prefix, _, rest = rule.field.partition(".")
            if rest and prefix == "tags":
                tags[rest] = value
            elif rest:
                said.append({"name": rest, "value": value})
            else:
                record[rule.field] = value
        others = {name: value for name, value in row.items() if name not in used and not is_absent(value, cells)}
        if self.keep_names:
            record = {**as_call_record(others, cells=cells), **record}
        elif others:
            record["attributes"] = {name: try_json(value) for name, value in others.items()}
        if tags:
            given = record.get("tags")
            record["tags"] = {**(given if isinstance(given, Mapping) else {}), **tags}
        add_feedback(record, said)
        return record if self.finish is None else self.finish(record, row)

    def unmapped(self, row: Mapping[str, Any]) -> list[str]:
        """The columns of a row that no rule looks at."""
        used = {
            column for rule in self.rules for choice in rule.paths for path in choice for column in _columns(row, path)
        }
        return [name for name in row if name not in used]

    def missing(self, columns: Iterable[str]) -> list[str]:
        """Paths of rules of which no column with the name of any beginning is there."""
        there = dict.fromkeys(columns)
        return [
            "|".join(choice)
            for rule in self.rules
            for choice in rule.paths
            if not any(_columns(there, path) for path in choice)
        ]


def _columns(row: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """The column that a path looks into."""
    while path:
        if path in row:
            return (path,)
        path = path.rpartition(".")[0]
    return ()


def combine(rules: Iterable[Rule], base: RowMapping | None) -> RowMapping:
    """The rules of a preset with one's own on top: of two for one field, one's own counts."""
    own = tuple(rules)
    if base is None:
        return RowMapping(own)
    named = {rule.field for rule in own}
    return RowMapping((*(rule for rule in base.rules if rule.field not in named), *own), base.keep_names, base.finish)

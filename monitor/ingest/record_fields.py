"""Reads single fields of JSON records, with errors that name the field and what is wrong with it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo
from typing import Any

from monitor.errors import InputError
from monitor.ingest.values import number, type_name, whole


class RecordError(InputError):
    """A record cannot be used: `field` is at fault, `problem` says how. Never holds what the field held."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}.")
        self.field = field
        self.problem = problem


def text_field(name: str, value: Any) -> str:
    """Text, or a number as text: ids and versions are often numbers."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise RecordError(name, f"must be text, not {type_name(value)}")


def number_field(name: str, value: Any) -> float | None:
    """A number, zero or more, also as text (CSV files have nothing else); None where there is nothing."""
    if value is None or value == "":
        return None
    if isinstance(value, float) and math.isnan(value):  # how tables spell "nothing"
        return None
    result = number(value)
    if result is None:
        raise RecordError(name, f"must be a number, not {type_name(value)}")
    if result < 0:
        raise RecordError(name, "must not be negative")
    return result


def whole_field(name: str, value: Any) -> int | None:
    """A whole number, zero or more, also as text; None where there is nothing."""
    if type(value) is int and value >= 0:
        return value
    result = number_field(name, value)
    if result is None:
        return None
    exact = whole(value)
    if exact is None:
        raise RecordError(name, "must be a whole number")
    return exact


def time_field(name: str, value: Any, timezone: tzinfo | None) -> datetime:
    """A moment in UTC: ISO 8601 text or a datetime; one without a zone is read in `timezone`, or refused."""
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            raise RecordError(name, "must be a time as in ISO 8601, such as 2026-03-11T12:30:00Z") from None
    if not isinstance(moment, datetime):
        raise RecordError(name, f"must be a time as in ISO 8601, such as 2026-03-11T12:30:00Z, not {type_name(value)}")
    if moment.tzinfo is None:
        if timezone is None:
            raise RecordError(name, "has no time zone: end it with Z or an offset such as +02:00")
        moment = moment.replace(tzinfo=timezone)
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise RecordError(name, "lies outside of the calendar") from None

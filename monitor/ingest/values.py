"""Values as senders write them: JSON texts, numbers in strings, shapes for people to look at."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from monitor.errors import InputError
from monitor.ingest.bounds import check_json

MAX_SHAPE_FIELDS = 40
MAX_REPAIRED_BYTES = 8 << 20
_FIT_NAME = re.compile(r"[\w.\-]{1,60}\Z")

_encode = msgspec.json.Encoder(enc_hook=str).encode
_TYPES = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def decode_json(data: bytes | str) -> Any:
    """The value of a JSON text. Raises InputError that says where it is broken, never what it holds, and TooLarge.

    What Python's own encoder writes outside of the standard (NaN, lone surrogates) is understood as well, but for
    the largest texts.
    """
    check_json(data)
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        problem = f"The JSON is malformed: {error}."
    except UnicodeError:
        raise InputError("The JSON is not valid UTF-8.") from None
    except RecursionError:
        raise InputError("The JSON is nested too deeply.") from None
    if len(data) > MAX_REPAIRED_BYTES:  # all of it becomes text twice, of up to four bytes a character
        raise InputError(problem)
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise InputError(problem) from None


def try_json(value: Any) -> Any:
    """The value of a text that looks like a JSON object or list; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return decode_json(value)
        except InputError:
            return value
    return value


def to_json(value: Any) -> str:
    """JSON of any value; what JSON has no form for becomes text. Raises InputError where it is nested too deeply."""
    try:
        return _encode(value).decode()
    except RecursionError:
        raise InputError("A value is nested too deeply.") from None
    except (TypeError, ValueError, OverflowError):
        return repr(value)


def type_name(value: Any) -> str:
    """What sort of value it is, in words for people."""
    return _TYPES.get(type(value), type(value).__name__)


def number(value: Any) -> float | None:
    """The finite number that a value is or spells; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def whole(value: Any) -> int | None:
    """The whole number, zero or more, that a value is or spells; None otherwise."""
    if type(value) is int:
        return value if value >= 0 else None
    result = number(value)
    return int(result) if result is not None and result >= 0 and result == int(result) else None


def shape_of(record: Any) -> str:
    """Names and types of a record's fields without any of its text."""
    if not isinstance(record, Mapping):
        return type_name(record)
    parts = []
    for name, value in list(record.items())[:MAX_SHAPE_FIELDS]:
        known = str(name) if _FIT_NAME.match(str(name)) else "?"
        size = f"({len(value)})" if isinstance(value, (str, list, dict)) else ""
        parts.append(f"{known}: {type_name(value)}{size}")
    return ", ".join(parts)

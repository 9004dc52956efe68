"""A copy of what an application reports, taken at once: later changes to its lists do not show in the record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

MAX_DEPTH = 24
MAX_REPRESENTATION = 20_000


def snapshot(value: Any, depth: int = 0) -> tuple[Any, int]:
    """The value made of JSON types only, and its rough size in characters.

    Texts are not copied (they cannot change). Objects become their fields (pydantic models, dataclasses) or their
    `repr`, cut at 20,000 characters; what is nested deeper than 24 levels, such as a circle, becomes "...".
    """
    if isinstance(value, str):
        return value, len(value)
    if value is None or isinstance(value, (bool, int)):
        return value, 8
    if isinstance(value, float):
        return (value if math.isfinite(value) else None), 8
    return ("...", 3) if depth >= MAX_DEPTH else _container(value, depth)


def _container(value: Any, depth: int) -> tuple[Any, int]:
    if isinstance(value, Mapping):
        pairs = {str(key): snapshot(item, depth + 1) for key, item in value.items()}
        return {key: copy for key, (copy, _) in pairs.items()}, sum(len(key) + size for key, (_, size) in pairs.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return _sequence(value, depth)
    if isinstance(value, datetime):
        return value.isoformat(), 32
    return _object(value, depth)


def _sequence(values: Iterable[Any], depth: int) -> tuple[list[Any], int]:
    copies = [snapshot(item, depth + 1) for item in values]
    return [copy for copy, _ in copies], sum(size for _, size in copies) + 8


def _object(value: Any, depth: int) -> tuple[Any, int]:
    try:
        dump = getattr(value, "model_dump", None)
        if callable(dump) and not isinstance(value, type):
            return snapshot(dump(), depth + 1)
        if is_dataclass(value) and not isinstance(value, type):
            return snapshot({field.name: getattr(value, field.name) for field in fields(value)}, depth + 1)
        text = repr(value)[:MAX_REPRESENTATION]
    except Exception:
        text = f"<{type(value).__name__}>"
    return text, len(text)

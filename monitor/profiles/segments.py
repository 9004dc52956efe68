"""Which segments a call belongs to: one value for each dimension it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitor.contracts import PAIR_SEPARATOR
from monitor.model_names import model_family
from monitor.profile import OTHER
from monitor.settings import Settings

MAX_VALUES = 50
MAX_VALUE_LENGTH = 100
_PLAIN = ("model", "provider", "environment", "release", "prompt_version", "feature")


def dimensions(settings: Settings) -> tuple[str, ...]:
    """All dimensions by which this installation slices, pairs last."""
    tags = tuple(f"tag.{name}" for name in settings.segment_tags)
    groups = tuple(name for name in settings.group_dimensions if name.startswith("tag."))
    singles = (*_PLAIN, "model_family", "language", *tags, *(name for name in groups if name not in tags))
    return (*singles, *(pair for pair in settings.segment_pairs if pair.count("+") == 1))


def dimension_values(
    call: Mapping[Any, Any], language: str | None, tags: Mapping[str, Any] | None, wanted: Sequence[str]
) -> tuple[str | None, ...]:
    """The value of a call in each wanted dimension, None where it has none.

    `call` holds the columns of a span; `language` is that of the user's prompt.
    """
    values: dict[str, str | None] = {name: _clean(call.get(name)) for name in _PLAIN}
    values["model"] = values["model"] or _clean(call.get("requested_model"))
    values["model_family"] = model_family(values["model"]) if values["model"] else None
    values["language"] = _clean(language)
    return tuple(_value_of(name, values, tags or {}) for name in wanted)


def _value_of(name: str, values: Mapping[str, str | None], tags: Mapping[str, Any]) -> str | None:
    if "+" in name:
        parts = [_value_of(part.strip(), values, tags) for part in name.split("+")]
        return PAIR_SEPARATOR.join(part for part in parts if part) if all(parts) else None
    return _clean(tags.get(name[4:])) if name.startswith("tag.") else values.get(name)


def _clean(value: Any) -> str | None:
    if value is None or isinstance(value, dict | list):
        return None
    text = str(value).strip()
    return text[:MAX_VALUE_LENGTH] or None


def capped(values: Iterable[str | None], known: set[str]) -> list[str | None]:
    """The values with those beyond the first MAX_VALUES of their dimension turned into "(other)".

    `known` are the values admitted so far; it grows by the new ones, the most frequent first.
    """
    column = list(values)
    new = Counter(value for value in column if value is not None and value not in known and value != OTHER)
    for value, _ in sorted(new.items(), key=lambda item: (-item[1], item[0])):
        if len(known) >= MAX_VALUES:
            break
        known.add(value)
    return [value if value is None or value in known else OTHER for value in column]

"""Decodes telemetry spans: asks the dialects that recognise a span, the most telling first."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import msgspec

from monitor.contracts import Decoded, Dialect, collect
from monitor.ingest import dialects
from monitor.ingest.assemble import COUNTING
from monitor.ingest.raw_span import RawSpan
from monitor.records import Span, Tokens

_NEVER_FILLED = frozenset(("trace_id", "span_id", "time", "kind", "attributes", "tags", "status"))
_EMPTY: tuple[object, ...] = (None, "", (), Tokens())

# A sender's spans mostly bear the same names: who speaks them is found out once. Longer lists rarely come twice.
_MOST_NAMES = 64


@cache
def all_dialects() -> tuple[Dialect, ...]:
    """Every dialect, by falling priority."""
    return tuple(sorted(collect(dialects, Dialect).values(), key=lambda dialect: -dialect.priority))


def decode_span(raw: RawSpan) -> Decoded:
    """The span and its feedback.

    Where a span speaks several vocabularies, the dialect with the highest priority counts and the others fill what it
    left open; an attribute is unknown only where none of them knows it. Raises InputError.
    """
    first: Decoded | None = None
    names = tuple(raw.attributes)
    for dialect in _usual_speakers(names) if len(names) <= _MOST_NAMES else _speakers(names):
        other = dialect.decode(raw)
        first = other if first is None else _filled(first, other)
    assert first is not None  # noqa: S101 - the plain dialect takes everything
    if first.span.kind in COUNTING or (first.span.cost_usd is None and first.span.tokens == Tokens()):
        return first
    # Some dialect counted before another knew what the span is.
    return Decoded(msgspec.structs.replace(first.span, tokens=Tokens(), cost_usd=None), first.feedback, first.unmapped)


def dialect_of(raw: RawSpan) -> str:
    """Name of the dialect that a span speaks; the first of several."""
    names = tuple(raw.attributes)
    return (_usual_speakers(names) if len(names) <= _MOST_NAMES else _speakers(names))[0].name


def _speakers(names: tuple[str, ...]) -> tuple[Dialect, ...]:
    """The dialects that recognise attributes of these names; the plain one only where no other does."""
    attributes = dict.fromkeys(names)
    found = tuple(dialect for dialect in all_dialects() if dialect.recognises(attributes))
    return tuple(dialect for dialect in found if dialect.priority > 0) or found[:1]


_usual_speakers = lru_cache(maxsize=1024)(_speakers)


def _filled(first: Decoded, other: Decoded) -> Decoded:
    span = first.span
    changes: dict[str, Any] = {}
    for name in Span.__struct_fields__:
        if name not in _NEVER_FILLED and getattr(span, name) in _EMPTY:
            changes[name] = getattr(other.span, name)
    if span.kind == "unknown":
        changes["kind"] = other.span.kind
    changes["tags"] = {**other.span.tags, **span.tags}
    changes["attributes"] = {name: value for name, value in span.attributes.items() if name in other.span.attributes}
    unknown = set(other.unmapped)
    unmapped = tuple(name for name in first.unmapped if name in unknown)
    said = first.feedback or other.feedback
    return Decoded(msgspec.structs.replace(span, **changes), said, unmapped)

"""Answers that come piece by piece: when the first piece came."""

from __future__ import annotations

from monitor.ingest.raw_span import RawSpan


def first_event_s(raw: RawSpan, *names: str) -> float | None:
    """Seconds from the start of a span to its first event of one of these names; None where there is none."""
    if not raw.events or not raw.start:
        return None
    moments = [event.nanoseconds for event in raw.events if event.name in names and event.nanoseconds >= raw.start]
    return (min(moments) - raw.start) / 1e9 if moments else None

"""A telemetry span as it came over the wire, in either encoding: what dialects decode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from monitor.clock import EPOCH
from monitor.errors import InputError
from monitor.records import Scalar

MAX_NANOSECONDS = 2**63

_PLATFORM = (
    "telemetry.",
    "process.",
    "host.",
    "os.",
    "container.",
    "k8s.",
    "cloud.",
    "service.",
    "faas.",
    "webengine.",
)
_KNOWN_RESOURCE = frozenset(("deployment.environment.name", "deployment.environment", "schema.url"))
_PROJECT_NAMES = ("llmops.project", "openinference.project.name", "project.name")


@dataclass(frozen=True, slots=True)
class Resource:
    """The application that sent: what of it goes into every span."""

    service: str = ""
    project: str = ""
    environment: str = ""
    release: str = ""
    tags: Mapping[str, Scalar] = field(default_factory=dict)
    attributes: Mapping[str, object] = field(default_factory=dict)


def resource_of(attributes: Mapping[str, Any]) -> Resource:
    """Reads resource attributes; those about machine and library are left out, those nobody knows are kept."""
    service = str(attributes.get("service.name") or "")
    if service.startswith("unknown_service"):
        service = ""
    project = next((str(attributes[name]) for name in _PROJECT_NAMES if attributes.get(name)), "")
    environment = attributes.get("deployment.environment.name") or attributes.get("deployment.environment") or ""
    rest = {
        f"resource.{name}": value
        for name, value in attributes.items()
        if name not in _KNOWN_RESOURCE and name not in _PROJECT_NAMES and not name.startswith(_PLATFORM)
    }
    return Resource(
        service,
        project,
        str(environment),
        str(attributes.get("service.version") or ""),
        {"service": service} if service else {},
        rest,
    )


class RawEvent(msgspec.Struct, frozen=True):
    """Something that happened in a span, or a log record that belongs to one."""

    name: str
    nanoseconds: int
    attributes: Mapping[str, Any]
    body: Any = None


class RawSpan(msgspec.Struct, frozen=True):
    """One span: identifiers in lower-case hexadecimal digits, times in nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    end: int
    error: bool
    error_message: str
    attributes: dict[str, Any]
    events: Sequence[RawEvent] = ()
    links: Sequence[tuple[str, str]] = ()
    resource: Resource = Resource()
    scope: str = ""

    @property
    def time(self) -> datetime:
        """When it began. Raises InputError where no usable time was sent."""
        return moment(self.start or self.end)

    @property
    def seconds(self) -> float | None:
        """How long it took; None where an end is missing or before the start."""
        return (self.end - self.start) / 1e9 if self.start and self.end >= self.start else None


def moment(nanoseconds: int) -> datetime:
    """The UTC time of so many nanoseconds since 1970. Raises InputError for zero or an absurd number."""
    if not 0 < nanoseconds < MAX_NANOSECONDS:
        raise InputError("startTimeUnixNano: is missing or out of range.")
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log record with the span it was written in, as far as it says so."""

    trace_id: str
    span_id: str
    event: RawEvent
    resource: Resource = Resource()
    scope: str = ""

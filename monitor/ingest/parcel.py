"""Batches made ready to be written: all that takes time and needs no store is done here, before the writer's turn."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, cast

import msgspec

from monitor.clock import to_microseconds
from monitor.errors import InputError
from monitor.identifiers import new_id, project_id
from monitor.ingest.batch import Batch, Rejection
from monitor.ingest.prepare import Preparer, short
from monitor.ingest.tokens import recounted
from monitor.records import Feedback, Span
from monitor.rows import body_row, span_row
from monitor.settings import Settings

MAX_PROJECT = 100
MAX_LOST = 1_000_000_000
LOST_TAG = "sdk.lost"
"""Tag of a call with which an SDK tells how many records it lost before."""


@dataclass
class Parcel:
    """The rows of a batch. The project is not known to be in the store yet; its id follows from its name."""

    project: str
    sender: str
    unmapped: Mapping[str, int]
    now: datetime
    dialects: Collection[str] = ()
    feedback: list[Feedback] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)
    bodies: dict[int, dict[str, Any]] = field(default_factory=dict)
    positions: list[int] = field(default_factory=list)
    lost: dict[int, int] = field(default_factory=dict)
    project_id: int = field(init=False)

    def __post_init__(self) -> None:
        self.project_id = project_id(self.project)

    def add(self, position: int, span: Span) -> None:
        """Adds a prepared span, with its position in what was sent."""
        identifier = new_id(span.time)
        self.spans.append(span_row(self.project_id, identifier, span, to_microseconds(self.now)))
        self.positions.append(position)
        lost = span.tags.get(LOST_TAG)
        if type(lost) is int and 0 < lost < MAX_LOST:
            self.lost[identifier] = lost
        body = body_row(self.project_id, identifier, span)
        if body is not None:
            self.bodies[identifier] = body

    @property
    def records(self) -> int:
        """Records that wait while the parcel waits."""
        return len(self.spans) + len(self.feedback)

    def halves(self) -> tuple[Parcel, Parcel]:
        """The records in two parcels; what has been turned down already goes with the first."""
        spans = (len(self.spans) + 1) // 2
        feedback = len(self.feedback) // 2
        first = replace(
            self, spans=self.spans[:spans], positions=self.positions[:spans], feedback=self.feedback[:feedback]
        )
        second = replace(
            self,
            unmapped={},
            spans=self.spans[spans:],
            positions=self.positions[spans:],
            feedback=self.feedback[feedback:],
            rejected=[],
        )
        return first, second


class Packer:
    """Makes parcels of batches: pseudonyms, masks, rows, compressed texts. Shared by all threads."""

    def __init__(self, settings: Settings, key: bytes) -> None:
        self._preparer = Preparer(settings, key)
        self._usage_rules = {
            sender: rule for sender, _, rule in (entry.rpartition("=") for entry in settings.usage_rules)
        }

    def pack(self, batch: Batch, now: datetime) -> Parcel:
        """The parcel of a batch; records that cannot be stored are turned down in it.

        Raises InputError for an impossible project name.
        """
        name = check_project(batch.project)
        parcel = Parcel(name, short(batch.sender), batch.unmapped, now, batch.dialects, rejected=list(batch.rejected))
        rule = self._usage_rules.get(batch.sender)
        for index, span in enumerate(batch.spans if rule is None else _recounted(batch.spans, rule)):
            position = batch.position(index)
            try:
                parcel.add(position, self._preparer.span(name, span, now))
            except InputError as error:
                parcel.rejected.append(Rejection(position, str(error)))
        for index, item in enumerate(batch.feedback):
            try:
                parcel.feedback.append(self._preparer.feedback(name, item, now))
            except InputError as error:
                parcel.rejected.append(Rejection(index, str(error), field="feedback"))
        return parcel


def _recounted(spans: Iterable[Span], rule: str) -> list[Span]:
    """The spans with their tokens under the rule that the settings say their sender follows."""
    wanted = cast(Literal["inclusive", "exclusive"], rule)
    return [msgspec.structs.replace(span, tokens=recounted(span.tokens, wanted)) for span in spans]


def check_project(name: str) -> str:
    """The project's name without surrounding blanks. Raises InputError where it cannot be one."""
    name = name.strip()
    if not name or len(name) > MAX_PROJECT or not name.isprintable():
        raise InputError(f"project: a name has 1 to {MAX_PROJECT} printable characters.")
    return name


class Destination(msgspec.Struct, frozen=True):
    """Into which project a request goes: the one that its key is bound to, else the one asked for in a header, else
    the one that the records name, else the usual one.
    """

    usual: str
    bound: str = ""
    asked: str = ""

    def project_of(self, named: str) -> str:
        """The project, given the one that a record names. Raises InputError where its name cannot be one."""
        return self.bound or check_project(self.asked or named or self.usual)

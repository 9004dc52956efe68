"""What goes into ingest and what comes out: a batch of records of one sender, and the receipt for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from monitor.records import Feedback, Span


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that could not be taken.

    `index` is its place in what was sent, from 0; `reason` is one sentence without any of the record's text; `field` is
    the field at fault where there is one; `shape` tells the names and types of its fields.
    """

    index: int
    reason: str
    field: str = ""
    shape: str = ""


class Batch(Struct, frozen=True):
    """Records of one project and sender that are stored together.

    `positions` gives each span's place in what was sent, where that is not its place in `spans`. `unmapped` counts the
    attribute names that no dialect knows; `dialects` names those that were spoken. `rejected` is what the decoder has
    turned down: it is counted and kept.
    """

    project: str
    spans: Sequence[Span] = ()
    feedback: Sequence[Feedback] = ()
    sender: str = ""
    rejected: Sequence[Rejection] = ()
    positions: Sequence[int] = ()
    unmapped: Mapping[str, int] = {}
    dialects: Collection[str] = ()

    def position(self, index: int) -> int:
        """Place of a span in what was sent."""
        return self.positions[index] if self.positions else index

    @property
    def size(self) -> int:
        """Records that wait while the batch waits."""
        return len(self.spans) + len(self.feedback)


class Receipt(Struct, frozen=True):
    """What became of a batch; whoever holds one holds a promise that it is on disk.

    `accepted` counts spans stored, `duplicates` spans that were there already, `feedback` what was said and is kept.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: tuple[Rejection, ...] = ()
    feedback: int = 0

    def __add__(self, other: Receipt) -> Receipt:
        return Receipt(
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.rejected + other.rejected,
            self.feedback + other.feedback,
        )

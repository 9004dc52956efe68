"""Calls and feedback sorted into one file a day, so that a log of any size and order can be read back day by day."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from pathlib import Path

import msgspec

from monitor.clock import BlockLength, block_start
from monitor.records import Feedback, Span

HELD_BYTES = 32 * 1024 * 1024
_CALL, _FEEDBACK = b"c", b"f"


class DaySpool:
    """Files in a folder that nobody else uses. What is added after a day was read is not in what was read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: defaultdict[datetime, bytearray] = defaultdict(bytearray)
        self._size = 0
        self._encoder = msgspec.json.Encoder()
        self.first: datetime | None = None
        self.last: datetime | None = None

    def add_call(self, span: Span) -> None:
        """Keeps a call for the day it was made. `first` and `last` are the earliest and the latest time of a call."""
        self._add(_CALL, span.time, span)
        self.first = span.time if self.first is None else min(self.first, span.time)
        self.last = span.time if self.last is None else max(self.last, span.time)

    def add_feedback(self, feedback: Feedback, known: datetime) -> None:
        """Keeps feedback for the day on which it was known."""
        self._add(_FEEDBACK, known, feedback)

    def day(self, start: datetime) -> tuple[list[Span], list[Feedback]]:
        """The calls of the day that begins at `start` and the feedback known by its end, each in order of time."""
        self._flush()
        spans: list[Span] = []
        said: list[Feedback] = []
        path = self._path(start)
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    if line.startswith(_CALL):
                        spans.append(msgspec.json.decode(line[1:], type=Span))
                    else:
                        said.append(msgspec.json.decode(line[1:], type=Feedback))
        return sorted(spans, key=lambda span: span.time), sorted(said, key=lambda item: item.time)

    def _add(self, mark: bytes, moment: datetime, record: Span | Feedback) -> None:
        line = mark + self._encoder.encode(record) + b"\n"
        self._held[block_start(moment, BlockLength.DAY)] += line
        self._size += len(line)
        if self._size > HELD_BYTES:
            self._flush()

    def _flush(self) -> None:
        for start, lines in self._held.items():
            with self._path(start).open("ab") as file:
                file.write(lines)
        self._held.clear()
        self._size = 0

    def _path(self, start: datetime) -> Path:
        return self._folder / f"{start:%Y-%m-%d}.jsonl"

"""Sampling: a part of the calls is reported, and all that went wrong."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from typing import Any

RATE_TAG = "sdk.sample_rate"
"""Tag of each call while sampling: the share of calls like it that is reported, 1 for those kept anyway."""

HELD_RECORDS = 1_000
HELD_CHARACTERS = 8_000_000

Record = dict[str, Any]


class Sampling:
    """Decides by the trace, so that a trace is reported whole or not at all, in every process alike.

    Calls that failed and calls with feedback are always reported. What chance left out is held back for a while (the
    last 1,000 calls, at most 8 million characters): feedback on such a call has it reported after all.
    """

    def __init__(self, rate: float) -> None:
        self.rate = min(1.0, max(0.0, rate))
        self.left_out = 0
        self._held: OrderedDict[str, tuple[Record, int]] = OrderedDict()
        self._characters = 0
        self._guard = threading.RLock()

    def takes(self, record: Record, size: int) -> bool:
        """True where the record is to be reported; it then says how it was chosen. Else it is held back."""
        if self.rate >= 1:
            return True
        if record.get("status") == "error" or record.get("error") or record.get("feedback"):
            _tell(record, 1.0)
            return True
        if zlib.crc32(str(record.get("trace_id") or record["id"]).encode()) < self.rate * 2**32:
            _tell(record, self.rate)
            return True
        self._hold(record, size)
        return False

    def _hold(self, record: Record, size: int) -> None:
        with self._guard:
            self.left_out += 1
            self._held[str(record["id"])] = (record, size)
            self._characters += size
            while len(self._held) > HELD_RECORDS or self._characters > HELD_CHARACTERS:
                _, (_, dropped) = self._held.popitem(last=False)
                self._characters -= dropped

    def recall(self, identifier: str) -> tuple[Record, int] | None:
        """A call that was held back and has feedback now; None where there is none."""
        with self._guard:
            found = self._held.pop(identifier, None)
            if found is None:
                return None
            self.left_out -= 1
            self._characters -= found[1]
        _tell(found[0], 1.0)
        return found

    def after_fork(self) -> None:
        """In the child: what was held back stays with the parent."""
        self._guard = threading.RLock()
        self._held = OrderedDict()
        self._characters = 0
        self.left_out = 0


def _tell(record: Record, rate: float) -> None:
    tags = record.get("tags")
    record["tags"] = {**(tags if isinstance(tags, dict) else {}), RATE_TAG: rate}

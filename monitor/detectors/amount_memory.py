"""Detectors of amounts in memory and as they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import numpy as np

from monitor.contracts import WHOLE
from monitor.detectors.amounts import HOURS_A_WEEK, Usual
from monitor.profile import Floats
from monitor.stats.budget import WINDOWS

REACH = WINDOWS[-1]


class AmountTrouble(msgspec.Struct, frozen=True):
    """What a detector alarmed on and is waiting to be over: its side, and what was seen over what was expected."""

    side: int
    ratio: float


class _State(msgspec.Struct, frozen=True):
    rings: bytes
    trouble: AmountTrouble | None = None


class _Baseline(msgspec.Struct, frozen=True):
    level: float
    unit: float
    season: bytes
    wander: bytes
    degrees: bytes


def _nothing() -> Floats:
    rings: Floats = np.full((2, REACH), np.nan)
    rings[0] = 0.0
    return rings


@dataclass
class AmountDetector:
    """The fast lane of one amount, of all traffic.

    `level` is the probability of a false alarm that one look (both sides, one window) may have. `rings` are the amounts
    of the last 48 hours and what was expected of them, the newest first, NaN where an hour is left out.
    """

    indicator: str
    signal: str
    usual: Usual
    level: float
    started: int
    fitted: int
    blocks: int = 0
    evidence: float = 0.0
    rings: Floats = field(default_factory=_nothing)
    trouble: AmountTrouble | None = None

    @property
    def stream(self) -> tuple[str, str, str, str]:
        """Indicator, signal, dimension and value."""
        return self.indicator, self.signal, WHOLE.dimension, WHOLE.value

    @property
    def threshold(self) -> float:
        """The evidence at which it alarms."""
        return float(-np.log10(self.level))

    def push(self, amount: float, expected: float) -> None:
        """Adds an hour; the oldest falls out. `expected` is NaN for an hour that is left out."""
        self.rings[:, 1:] = self.rings[:, :-1]
        self.rings[:, 0] = amount, expected

    def forget(self) -> None:
        """Starts the memory anew."""
        self.rings = _nothing()

    def state(self) -> bytes:
        """What changes from hour to hour, in under 1 kB."""
        return msgspec.msgpack.encode(_State(self.rings.astype("<f4").tobytes(), self.trouble))

    def baseline(self) -> bytes:
        """What is usual."""
        season, wander, degrees = (
            part.astype("<f4").tobytes() for part in (self.usual.season, self.usual.wander, self.usual.degrees)
        )
        return msgspec.msgpack.encode(_Baseline(self.usual.level, self.usual.unit, season, wander, degrees))


def parsed_usual(data: bytes) -> Usual:
    """What is usual, as `AmountDetector.baseline` wrote it."""
    known = msgspec.msgpack.decode(data, type=_Baseline)
    season, wander, degrees = (
        np.frombuffer(part, dtype="<f4").astype(np.float64) for part in (known.season, known.wander, known.degrees)
    )
    return Usual(known.level, season.reshape(HOURS_A_WEEK), known.unit, wander.reshape(2, -1), degrees)


def parsed_rings(data: bytes) -> tuple[Floats, AmountTrouble | None]:
    """Rings and trouble, as `AmountDetector.state` wrote them."""
    kept = msgspec.msgpack.decode(data, type=_State)
    return np.frombuffer(kept.rings, dtype="<f4").astype(np.float64).reshape(2, REACH), kept.trouble

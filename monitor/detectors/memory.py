"""Detectors in memory and in the store: one for each stream, and the fleet that advances all of them at once."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from monitor.contracts import Segment
from monitor.detectors.baseline import HOURS_A_WEEK, Baselines
from monitor.detectors.gauges import Scale
from monitor.detectors.lane import DOWN, REACH, UP, Look, Rings, Rules, advance
from monitor.profile import Floats
from monitor.stats.budget import WINDOWS

_PARTS = ("level", "season", "noise", "wander", "degrees", "uneven", "lowered", "own_noise", "own_wander")


class Trouble(msgspec.Struct, frozen=True):
    """What a detector alarmed on and is waiting to be over: the gauge, its side, and its value in the trouble."""

    gauge: int
    side: int
    value: float


class _State(msgspec.Struct, frozen=True):
    users: bytes
    shares: bytes
    trouble: Trouble | None = None


class _Baseline(msgspec.Struct, frozen=True):
    scale: Scale
    parts: dict[str, bytes]


@dataclass
class Detector:
    """The fast lane of one stream: what it knows, what it remembers, and what it may spend.

    `level` is the probability of a false alarm that one look (all sides of all gauges, one window) may have. `rings`
    are the users and the sums of the gauges in the last 48 hours, the newest first: 1 + gauges rows.
    """

    indicator: str
    signal: str
    segment: Segment
    scale: Scale
    baselines: Baselines
    level: float
    started: int
    fitted: int
    blocks: int = 0
    evidence: float = 0.0
    rings: Floats = field(default_factory=lambda: np.zeros((1, REACH)))
    trouble: Trouble | None = None

    @property
    def stream(self) -> tuple[str, str, str, str]:
        """Indicator, signal, dimension and value."""
        return self.indicator, self.signal, self.segment.dimension, self.segment.value

    @property
    def threshold(self) -> float:
        """The evidence at which the stream alarms."""
        return float(-np.log10(self.level))

    def state(self) -> bytes:
        """What changes from hour to hour, in under 1 kB."""
        users = self.rings[:1]
        shares = self.rings[1:] / np.maximum(users, 1.0)
        return msgspec.msgpack.encode(
            _State(users.astype("<f4").tobytes(), shares.astype("<f2").tobytes(), self.trouble)
        )

    def baseline(self) -> bytes:
        """What was learnt: scale and baselines."""
        parts = {name: getattr(self.baselines, name).astype("<f4").tobytes() for name in _PARTS}
        return zlib.compress(msgspec.msgpack.encode(_Baseline(self.scale, parts)), 6)


def parsed_state(data: bytes) -> tuple[Floats, Trouble | None]:
    """Rings and trouble, as `Detector.state` wrote them."""
    found = msgspec.msgpack.decode(data, type=_State)
    users = np.frombuffer(found.users, dtype="<f4").astype(np.float64)[None]
    shares = np.frombuffer(found.shares, dtype="<f2").astype(np.float64).reshape(-1, REACH)
    return np.concatenate([users, shares * users]), found.trouble


def parsed_baseline(data: bytes) -> tuple[Scale, Baselines]:
    """Scale and baselines, as `Detector.baseline` wrote them."""
    found = msgspec.msgpack.decode(zlib.decompress(data), type=_Baseline)
    gauges = len(found.scale.gauges)
    parts = {name: np.frombuffer(raw, dtype="<f4").astype(np.float64) for name, raw in found.parts.items()}
    # Baselines of earlier versions, which lack it, take any spread of users for the usual one.
    parts.setdefault("uneven", np.ones(gauges * len(WINDOWS)))
    shaped = {name: part.reshape(gauges, -1) if part.size > gauges else part for name, part in parts.items()}
    score = np.array([gauge.noise is not None for gauge in found.scale.gauges])
    return found.scale, Baselines(score=score, **shaped)


class Fleet:
    """Many detectors as one set of arrays; `hour_of_week` says where their rings stand."""

    def __init__(self, detectors: Sequence[Detector], hour_of_week: int) -> None:
        self.detectors = list(detectors)
        sizes = [len(detector.scale.gauges) for detector in self.detectors]
        ends = np.cumsum(sizes).tolist()
        self.spans = list(map(slice, [0, *ends[:-1]], ends))
        self._owner = np.repeat(np.arange(len(sizes)), sizes)
        self.gauges = int(sum(sizes))
        parts = [detector.baselines for detector in self.detectors]
        self.baselines = Baselines(
            score=np.concatenate([part.score for part in parts]),
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _PARTS},
        )
        self.rules = _rules(self.detectors)
        self.rings = Rings(
            np.concatenate([np.repeat(item.rings[:1], len(item.scale.gauges), axis=0) for item in self.detectors]),
            np.concatenate([item.rings[1:] for item in self.detectors]),
            np.zeros((self.gauges, REACH)),
        )
        for back in range(REACH):
            usual = self.baselines.expected((hour_of_week - back) % HOURS_A_WEEK)
            self.rings.usual[:, back] = self.rings.users[:, back] * usual

    def advance(self, hour_of_week: int, users: Floats, sums: Floats) -> Look:
        """Adds an hour (a number a gauge) and looks; the streams' evidence is that of their most telling gauge."""
        found = advance(self.rings, self.baselines, self.rules, hour_of_week, users=users, sums=sums)
        # Relative to the level of the whole stream, so that gauges with a small part of it need as much more.
        levels = np.array([detector.level for detector in self.detectors])[self._owner]
        seen = np.where(found.evidence > 0, np.maximum(found.evidence - found.needed - np.log10(levels), 0.0), 0.0)
        best = np.zeros(len(self.detectors))
        np.maximum.at(best, self._owner, seen)
        for detector, evidence in zip(self.detectors, best.tolist(), strict=True):
            detector.evidence = evidence
            detector.blocks += 1
        return found

    def forget(self, place: int) -> None:
        """Starts a detector's memory anew."""
        chosen = np.zeros(self.gauges, dtype=np.bool_)
        chosen[self.spans[place]] = True
        self.rings.forget(chosen)

    def store(self) -> None:
        """Writes the rings back into the detectors."""
        for detector, span in zip(self.detectors, self.spans, strict=True):
            detector.rings = np.concatenate([self.rings.users[span.start : span.start + 1], self.rings.sums[span]])


def _rules(detectors: Sequence[Detector]) -> Rules:
    gauges = [(detector, gauge) for detector in detectors for gauge in detector.scale.gauges]
    level = np.zeros((len(gauges), 2))
    for place, (detector, gauge) in enumerate(gauges):
        level[place, UP], level[place, DOWN] = detector.level * gauge.up, detector.level * gauge.down

    def of(name: str) -> Floats:
        return np.array([getattr(gauge, name) for _, gauge in gauges])

    return Rules(of("relative"), of("least"), of("most"), of("shown"), level)

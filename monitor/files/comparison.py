"""Compares two files of calls: every signal, over all calls and in every segment, current against reference.

Each file is one block whatever its times, so that files without any can be compared; the unit is the user over the
whole file, or the call where the user is not known. The chance that two files alike show any change at all is at most
5 %, shared by all comparisons by weight (Bonferroni), and a change must be larger than what matters of its signal.
What differs from day to day without a cause is not known here and counts as change: `backtest` and the monitor itself
know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any

from monitor.alerts.rules import size_of_change
from monitor.clock import EPOCH
from monitor.contracts import WHOLE, Block, Kind, Segment, Signal, SignalValue, State
from monitor.enrich import enrich_batch
from monitor.files import LogFile
from monitor.files.calls import FileCall, Progress, read_calls
from monitor.profile import OTHER, Profile
from monitor.profiles.build import CallSignals, build
from monitor.profiles.calls import value_said
from monitor.profiles.segments import capped, dimension_values, dimensions
from monitor.records import Span
from monitor.settings import Settings
from monitor.signals import FEEDBACK_PREFIX, asked_weight, describe, registry
from monitor.stats import distances
from monitor.stats.comparison import VECTOR_RELEVANT, Comparison, Sides, compare
from monitor.stats.judging import MIN_USERS, explain

FALSE_REPORTS = 0.05
NEARLY_ALL = 0.98
EVERY_CALL = "calls"
_BATCH = 200
_ORDER: tuple[State, ...] = ("bad", "moved", "ok", "too_few", "no_data")

Stream = tuple[Segment, str]


@dataclass(frozen=True)
class Compared:
    """One signal in one segment. `n` and `users` are those of the current file; `found` is None where too few."""

    signal: Signal
    segment: Segment
    state: State
    reason: str
    n: int
    users: int
    reference_n: int
    reference_users: int
    distances: Mapping[str, float]
    found: Comparison | None = None

    @property
    def size(self) -> float:
        """The change in units of the smallest relevant one."""
        if self.found is None:
            return 0.0
        if self.signal.kind is Kind.VECTOR:
            return self.found.value / VECTOR_RELEVANT
        return size_of_change(self.signal, self.found.baseline, self.found.value)


@dataclass(frozen=True)
class Drift:
    """The report. `appeared` and `vanished` are segments with calls in only one of the files, with how many.

    `comparisons` were made, each with its share of the 5 %.
    """

    reference: str
    current: str
    reference_calls: int
    current_calls: int
    comparisons: int
    compared: tuple[Compared, ...]
    appeared: tuple[tuple[Segment, int], ...]
    vanished: tuple[tuple[Segment, int], ...]

    @property
    def worst(self) -> State:
        """The worst state of any comparison."""
        return min((item.state for item in self.compared), key=_ORDER.index, default="no_data")


@dataclass
class _Scored:
    """The calls of a file with their signals; `values` are those of each call in each dimension."""

    users: list[bytes]
    values: list[tuple[str | None, ...]]
    signals: list[Mapping[str, SignalValue]]
    said: list[list[tuple[str, Kind, SignalValue]]]


def compare_files(
    reference: LogFile,
    current: LogFile,
    settings: Settings,
    now: datetime,
    *,
    timezone: tzinfo | None = None,
    reading: Mapping[str, Progress],
) -> Drift:
    """The report on two files, worst first. `reading` has the progress of `reference` and of `current`.

    Raises InputError where a row cannot be read or a file has no call.
    """
    wanted = dimensions(settings)
    before = _score(read_calls(reference, settings, now, timezone, reading["reference"]), settings, wanted)
    after = _score(read_calls(current, settings, now, timezone, reading["current"]), settings, wanted)
    segments = _segments([before, after], wanted)
    past, present = _profiles(before, segments[0]), _profiles(after, segments[1])
    calls = {side: _calls(profiles) for side, profiles in (("past", past), ("present", present))}
    compared = _compare_all(past, present, _repeats(calls["past"], calls["present"]))
    return Drift(
        reference=str(reference.path),
        current=str(current.path),
        reference_calls=len(before.users),
        current_calls=len(after.users),
        comparisons=sum(1 for item in compared if item.found is not None),
        compared=tuple(sorted(compared, key=_rank)),
        appeared=_only(calls["present"], calls["past"]),
        vanished=_only(calls["past"], calls["present"]),
    )


def _score(calls: Iterator[FileCall], settings: Settings, wanted: Sequence[str]) -> _Scored:
    scored = _Scored([], [], [], [])
    while batch := list(islice(calls, _BATCH)):
        answers = enrich_batch([call.span for call in batch], settings)
        for call, signals in zip(batch, answers, strict=True):
            language = signals.get("language")
            tags = call.span.tags
            columns = {name: getattr(call.span, name) for name in Span.__struct_fields__}
            scored.users.append((call.span.user or call.span.session_id or f"call {call.line}").encode())
            scored.values.append(
                dimension_values(columns, language if isinstance(language, str) else None, tags, wanted)
            )
            scored.signals.append(signals)
            scored.said.append([item for said in call.feedback if (item := value_said(said)) is not None])
    return scored


def _segments(files: Sequence[_Scored], wanted: Sequence[str]) -> list[list[tuple[Segment, ...]]]:
    """The segments of each call of each file; rare values are folded by what both files have together."""
    sizes = [len(file.values) for file in files]
    columns = [capped([row[place] for file in files for row in file.values], set()) for place in range(len(wanted))]
    every = [
        tuple(Segment(name, value) for name, value in zip(wanted, row, strict=True) if value is not None)
        for row in zip(*columns, strict=True)
    ]
    return [every[: sizes[0]], every[sizes[0] :]]


def _profiles(file: _Scored, segments: Sequence[tuple[Segment, ...]]) -> dict[Stream, Profile]:
    calls = [CallSignals(*item) for item in zip(file.users, segments, file.signals, file.said, strict=True)]
    kinds = {name: signal.kind for name, signal in registry().items()}
    return {(segment, name): profile for segment, name, profile in build(calls, kinds)}


def _calls(profiles: Mapping[Stream, Profile]) -> dict[Segment, int]:
    return {segment: profile.n for (segment, name), profile in profiles.items() if name == EVERY_CALL}


def _repeats(past: Mapping[Segment, int], present: Mapping[Segment, int]) -> frozenset[Segment]:
    """Segments that are nearly all calls of both files: comparing them apart would say the same again."""
    return frozenset(
        segment
        for segment in past
        if segment != WHOLE
        and past[segment] >= NEARLY_ALL * past[WHOLE]
        and present.get(segment, 0) >= NEARLY_ALL * present[WHOLE]
    )


def _only(here: Mapping[Segment, int], there: Mapping[Segment, int]) -> tuple[tuple[Segment, int], ...]:
    found = [(segment, n) for segment, n in here.items() if segment not in there and segment.value != OTHER]
    return tuple(sorted(found, key=lambda item: (-item[1], item[0].dimension, item[0].value)))


def _compare_all(
    past: Mapping[Stream, Profile], present: Mapping[Stream, Profile], left_out: frozenset[Segment]
) -> list[Compared]:
    declared = registry()
    pairs: list[tuple[Signal, Segment, Profile, Profile]] = []
    for (segment, name), after in present.items():
        before = past.get((segment, name))
        if before is None or before.kind is not after.kind or segment in left_out or name == EVERY_CALL:
            continue
        known = None if name.startswith(FEEDBACK_PREFIX) else declared.get(name)
        signal = known if known is not None and known.kind is after.kind else describe(name, after.kind)
        pairs.append((signal, segment, before, after))
    enough = [pair for pair in pairs if min(pair[2].users, pair[3].users) >= MIN_USERS]
    weight = sum(asked_weight(pair[0]) for pair in enough)
    return [_compare_one(*pair, level=FALSE_REPORTS * asked_weight(pair[0]) / max(weight, 1e-9)) for pair in pairs]


def _compare_one(signal: Signal, segment: Segment, before: Profile, after: Profile, *, level: float) -> Compared:
    lacking = Compared(
        signal=signal,
        segment=segment,
        state="too_few",
        reason=f"{signal.title}: too few to compare, {before.users} users in the reference and {after.users} now; "
        f"{MIN_USERS} are needed on both sides.",
        n=after.n,
        users=after.users,
        reference_n=before.n,
        reference_users=before.users,
        distances=distances.of_profiles(after, before),
    )
    if min(before.users, after.users) < MIN_USERS:
        return lacking
    relevant = signal.relevant_change
    if signal.kind is Kind.VECTOR and signal.relevant is None:
        relevant = VECTOR_RELEVANT
    found = compare(Sides.of([Block(EPOCH, after)], [Block(EPOCH, before)]), relevant, level)
    state: State = "ok"
    if found.direction:
        worse = signal.good is not None and (found.direction > 0) != (signal.good == "up")
        state = "bad" if worse else "moved"
    return replace(lacking, state=state, reason=explain(signal, found, after.users), found=found)


def _rank(item: Compared) -> tuple[Any, ...]:
    """Worst first; of one state the largest change, and all calls before a part of them."""
    return _ORDER.index(item.state), -item.size, item.segment != WHOLE, item.signal.name, str(item.segment)


def as_document(drift: Drift) -> dict[str, Any]:
    """The report for programs."""
    states = [item.state for item in drift.compared]
    return {
        "reference": {"file": drift.reference, "calls": drift.reference_calls},
        "current": {"file": drift.current, "calls": drift.current_calls},
        "state": drift.worst,
        "counts": {state: states.count(state) for state in _ORDER[:4]},
        "comparisons": drift.comparisons,
        "false_report_chance": FALSE_REPORTS,
        "compared": [_compared_document(item) for item in drift.compared],
        "appeared": _segment_documents(drift.appeared),
        "vanished": _segment_documents(drift.vanished),
    }


def _segment_documents(found: Iterable[tuple[Segment, int]]) -> list[dict[str, Any]]:
    return [{"dimension": segment.dimension, "value": segment.value, "calls": n} for segment, n in found]


def _compared_document(item: Compared) -> dict[str, Any]:
    found = item.found
    figures: dict[str, Any] = {}
    if found is not None:
        figures = {
            "direction": {1: "up", -1: "down", 0: None}[found.direction]
            if item.signal.kind is not Kind.VECTOR
            else None,
            "before": found.baseline,
            "after": found.value,
            "low": found.low,
            "high": found.high,
            "effect": found.effect,
            "effect_low": found.effect_low,
            "effect_high": found.effect_high,
            "relative": found.relative,
            "strength": min(found.strength, 1e6),
            "size": item.size,
            "categories": [
                {"value": change.value, "before": change.before, "after": change.after, "proven": change.proven}
                for change in found.categories
            ],
        }
    return {
        "signal": item.signal.name,
        "title": item.signal.title,
        "kind": str(item.signal.kind),
        "unit": item.signal.unit,
        "segment": {"dimension": item.segment.dimension, "value": item.segment.value},
        "state": item.state,
        "reason": item.reason,
        "n": item.n,
        "users": item.users,
        "reference_n": item.reference_n,
        "reference_users": item.reference_users,
        **figures,
        "distances": dict(item.distances),
    }

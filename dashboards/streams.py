"""What pages say of a stream (one signal in one segment): its signal, its change in words, the addresses behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from dashboards.filters import Request
from monitor import signals, wording
from monitor.clock import BlockLength, block_start
from monitor.contracts import WHOLE, Kind, Segment, Signal
from monitor.links import parse_segment, segment_parameter
from monitor.queries import series
from monitor.queries.verdicts import VerdictRecord

EXAMPLES = timedelta(days=7)
"""How far to either side of a change the example calls are taken from."""
_ABOUT_ALL = ("calls",)
_REPEATING = 0.2
"""The largest weight of a signal that only says in another way what another one says."""


def signals_of(request: Request, names: Iterable[str]) -> dict[str, Signal]:
    """The signals of some names; what kind a feedback is, its newest profiles tell."""
    wanted = sorted(set(names))
    declared = signals.registry()
    unknown = [name for name in wanted if name not in declared]
    kinds: dict[str, Kind] = {}
    newest = series.newest_block(request.store, request.project_id, BlockLength.DAY) if unknown else None
    if newest is not None:
        recent = series.read_profiles(
            request.store,
            request.project_id,
            BlockLength.DAY,
            newest - timedelta(days=28),
            newest + timedelta(days=1),
            signals=unknown,
            segments=[WHOLE],
        )
        kinds = {name: blocks[-1].profile.kind for (_segment, name), blocks in recent.items()}
    return {
        name: declared[name] if name in declared else signals.describe(name, kinds.get(name, Kind.FLAG))
        for name in wanted
    }


def as_judged(signal: Signal) -> Signal:
    """The signal as verdicts on it count: traffic is judged by the number of calls, not by a share of them."""
    return replace(signal, kind=Kind.NUMBER, unit="calls") if signal.name in _ABOUT_ALL else signal


def name_of(signal: Signal) -> str:
    """The title of a signal within a sentence: lower case unless it is an abbreviation."""
    return signal.title if signal.title[1:2].isupper() else signal.title[:1].lower() + signal.title[1:]


def change_text(signal: Signal, before: float | None, after: float | None) -> str:
    """Before and after: "638 → 4 characters"; a dash where neither is known."""
    if before is None and after is None:
        return wording.MISSING
    if before is None:
        return wording.format_value(signal, after)
    return wording.format_change(signal, before, after, with_unit=True)


def headline(signal: Signal, verdict: VerdictRecord) -> str:
    """The change a verdict is about; for categories the one whose share changed most."""
    categories = verdict.detail.get("categories") or []
    if signal.kind is Kind.CATEGORY and categories:
        top = categories[0]
        return f"{wording.shortened(str(top['value']), 40)} {change_text(signal, top['before'], top['after'])}"
    value = current_value(verdict)[0]
    if signal.kind is Kind.VECTOR:
        return wording.MISSING if value is None else f"distance {wording.number(value)}"
    hourly = " an hour" if verdict.detail.get("per") == "hour" else ""
    return f"{change_text(as_judged(signal), verdict.baseline, value)}{hourly}"


def interval(signal: Signal, verdict: VerdictRecord) -> str:
    """The 95 % interval of the present value; of a forecast, the range that was expected. Categories have none."""
    if signal.kind is Kind.CATEGORY:
        return ""
    _value, low, high, _n = current_value(verdict)
    text = wording.format_interval(as_judged(signal), low, high)
    return text.replace("95% interval", "expected") if "interval" in verdict.detail else text


def current_value(verdict: VerdictRecord) -> tuple[float | None, float | None, float | None, int]:
    """Value, interval and calls since the change where an alert is open, else of the newest window."""
    since = verdict.detail.get("since_change")
    if since:
        return since.get("value"), since.get("low"), since.get("high"), int(since.get("n") or 0)
    return verdict.value, verdict.low, verdict.high, verdict.n


def stream_link(request: Request, indicator: str, signal: str, segment: Segment) -> str:
    """Address of the detail of a stream on the drift page."""
    return request.link(
        "/drift", indicator=indicator, signal=signal, stream=segment_parameter(segment) or "all traffic"
    )


def asked_stream(request: Request) -> tuple[str, str, Segment] | None:
    """Indicator, signal and segment of such an address (the filter's segment unless named); None without a signal."""
    signal, stream = request.parameter("signal"), request.parameter("stream")
    if not signal:
        return None
    return request.parameter("indicator"), signal, parse_segment(stream) if stream else request.segment


def calls_link(request: Request, signal: str, segment: Segment, start: datetime, end: datetime) -> str:
    """Address of the calls behind a stream in a range."""
    more = {} if signal in _ABOUT_ALL else {"signal": _condition(signal)}
    return request.link("/explorer", start=start, end=end, segment=segment, **more)


def both_sides(request: Request, signal: str, segment: Segment, since: datetime) -> tuple[str, str]:
    """Addresses of example calls just before and since a change; the week before it, and up to a week from it."""
    change = block_start(since, BlockLength.HOUR)
    end = max(min(change + EXAMPLES, request.end), change + timedelta(days=1))
    return (
        calls_link(request, signal, segment, change - EXAMPLES, change),
        calls_link(request, signal, segment, change, end),
    )


def _condition(signal: str) -> str:
    """A name with characters that mean something in a condition cannot be asked for; then all calls are shown."""
    return "" if any(mark in signal for mark in ';:"') else signal


def repeats(signal: Signal) -> bool:
    """Whether another signal says the same in one figure, as the scores against a reference: it folds away."""
    return signal.weight <= _REPEATING

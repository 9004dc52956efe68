"""Which alert of an incident says most, and in which words: pure functions over its alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log2, log10

from monitor import wording
from monitor.advice import is_of_the_monitor
from monitor.alerts.rules import size_of_change
from monitor.contracts import WHOLE, Kind, Segment, Signal
from monitor.queries.alerts import SEVERITIES, AlertRecord
from monitor.signals import FEEDBACK_PREFIX, describe

# A part of the traffic explains a wider change where it makes up this share of it.
EXPLAINS = 0.7
# Two alerts whose figures differ by less are about the same calls.
ALIKE = 0.02
MAX_TITLE = 160


def signal_of(alert: AlertRecord) -> Signal:
    """The signal an alert is about, as its figures are to be read.

    A sum against a forecast is named after its indicator: "traffic" and "spend an hour", not a share or a cost.
    """
    signal = describe(alert.signal, alert.kind)
    if is_forecast(alert):
        title = alert.detail.get("title") or signal.title
        unit = signal.name.replace("_", " ")
        if is_hourly(alert):
            return replace(signal, title=f"{title} an hour", unit=signal.unit or unit)
        return replace(signal, title=title, unit=signal.unit or f"{unit} a day")
    if statistic := alert.detail.get("statistic"):
        return replace(signal, title=f"{signal.title}, {statistic}")
    return signal


def is_forecast(alert: AlertRecord) -> bool:
    """True where the interval is what was expected of the window, not the uncertainty of its value."""
    return "interval" in alert.detail


def is_hourly(alert: AlertRecord) -> bool:
    """True for a forecast whose figures are amounts an hour."""
    return alert.detail.get("per") == "hour"


def category_of(alert: AlertRecord) -> str:
    """The value of a category whose share the figures of an alert are; empty for other kinds."""
    categories = alert.detail.get("categories") or []
    return str(categories[0]["value"]) if alert.kind is Kind.CATEGORY and categories else ""


def weigh(alerts: Sequence[AlertRecord]) -> tuple[dict[int, float], set[int]]:
    """How much each alert says, by its id: worse before merely different, known signals, large changes, many calls,
    segments in which several signals agree.

    The second answer are those that repeat another on the same signal. Of two, one inside the other's segment, the wide
    one repeats the narrow one where the narrow one explains it, and the narrow one the wide one where the change is the
    same everywhere; what is repeated weighs as much as its repetition.
    """
    agreeing = Counter(alert.segment for alert in alerts)
    weights = {alert.id: _own_weight(alert, agreeing[alert.segment]) for alert in alerts}
    repeated: set[int] = set()
    by_signal: dict[str, list[AlertRecord]] = {}
    for alert in alerts:
        by_signal.setdefault(alert.signal, []).append(alert)
    for group in by_signal.values():
        for narrow in sorted(group, key=lambda alert: -_specificity(alert.segment)):
            for wide in group:
                if _is_twin(narrow, wide):
                    continue
                nested = wide.segment != narrow.segment and wide.segment.holds(narrow.segment)
                if nested and _same_direction(wide, narrow):
                    first, second = (narrow, wide) if explains(narrow, wide) else (wide, narrow)
                    weights[first.id] = max(weights[first.id], weights[second.id])
                    repeated.add(second.id)
        repeated |= _same_calls(group, repeated)
    return weights, repeated


def _same_calls(group: Sequence[AlertRecord], repeated: set[int]) -> set[int]:
    """Alerts on one signal that are about the same calls as another, by their figures: all but the first are repeated.

    Where the only provider is the only environment, both are the whole traffic under other names.
    """
    again: set[int] = set()
    kept: list[AlertRecord] = []
    for alert in sorted(group, key=lambda alert: (alert.id not in repeated, _specificity(alert.segment), alert.id)):
        if any(_is_twin(alert, other) for other in kept):
            again.add(alert.id)
        else:
            kept.append(alert)
    return again


def _is_twin(alert: AlertRecord, other: AlertRecord) -> bool:
    """True for the same calls under another name.

    Two values of one dimension have no call in common; a pair says more than either of its parts and is never a twin.
    """
    if alert.segment.dimension == other.segment.dimension and alert.segment != other.segment:
        return False
    return "+" not in alert.segment.dimension + other.segment.dimension and _alike(alert, other)


def _alike(one: AlertRecord, other: AlertRecord) -> bool:
    inside, around = _difference(one), _difference(other)
    if inside is None or around is None or not _same_direction(one, other):
        return False
    return abs(one.n - other.n) <= ALIKE * max(one.n, other.n) and abs(inside - around) <= ALIKE * max(inside, around)


def explains(narrow: AlertRecord, wide: AlertRecord) -> bool:
    """True where the change inside the narrow segment makes up most of the change of the wide one."""
    inside, around = _difference(narrow), _difference(wide)
    if inside is None or around is None or not wide.n or not around:
        return True
    return inside * narrow.n >= EXPLAINS * around * wide.n


def phrase(alert: AlertRecord, *, arrow: str = wording.ARROW) -> str:
    """What changed and how much: "accuracy 84.0% → 51.1%"."""
    signal = signal_of(alert)
    name = f"{name_of(signal)} {category_of(alert)}".rstrip()
    if alert.detail.get("against") == "pulse":
        return alert.reason.rstrip(".")
    if alert.after is None:
        return name
    if alert.kind is Kind.VECTOR:
        return f"{name} moved by {wording.format_value(signal, alert.after)}"
    if alert.before is None:
        return f"{name} {wording.format_value(signal, alert.after)}"
    if alert.detail.get("against") == "others":
        here, others = (wording.format_value(signal, value) for value in (alert.after, alert.before))
        return f"{name} {here}, others {others}"
    return f"{name} {wording.format_change(signal, alert.before, alert.after, arrow=arrow, with_unit=True)}"


def name_of(signal: Signal) -> str:
    """The title of a signal within a sentence: lower case unless it is an abbreviation."""
    title = signal.title
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def headline(alerts: Sequence[AlertRecord]) -> list[AlertRecord]:
    """The most telling alert, and a second one that adds to it.

    The second is the most telling of the worst severity where the first is milder, whatever its segment; else another
    kind of signal of the same segment. An improvement never comes before what got worse.
    """
    ordered = in_order(alerts)
    if not ordered:
        return []
    first = ordered[0]
    severity = worst([alert.severity for alert in ordered])
    if first.severity != severity:
        worse = next(alert for alert in ordered if alert.severity == severity)
        return [worse, first] if is_better(first) else [first, worse]
    # Two signals of one family (accuracy twice, two lengths) say the same thing twice; another family adds to it.
    others = [
        alert
        for alert in ordered
        if alert.segment == first.segment and signal_of(alert).family != signal_of(first).family
    ]
    return [first, *sorted(others, key=_as_second, reverse=True)[:1]]


def in_order(alerts: Sequence[AlertRecord]) -> list[AlertRecord]:
    """The alerts that still fire (all where none does), the most telling first.

    Those on a wider segment that a narrower one explains, and those on a part of a change that is the same everywhere,
    come last: they repeat what was said.
    """
    alive = [alert for alert in alerts if alert.is_open] or list(alerts)
    weights, repeated = weigh(alive)
    return sorted(alive, key=lambda alert: (alert.id in repeated, -weights[alert.id], alert.id))


def title(alerts: Sequence[AlertRecord], *, arrow: str = wording.ARROW) -> str:
    """For whom and what: "gpt-4 + prime: accuracy 84.0% → 51.1%, answer length 638 → 4 characters"."""
    chosen = headline(alerts)
    if not chosen:
        return ""
    if is_of_the_monitor(alerts):
        return wording.shortened(phrase(chosen[0], arrow=arrow), MAX_TITLE)
    text = f"{wording.segment_text(chosen[0].segment)}: {phrase(chosen[0], arrow=arrow)}"
    for alert in chosen[1:]:
        elsewhere = f"; {wording.segment_text(alert.segment)}: "
        text += (", " if alert.segment == chosen[0].segment else elsewhere) + phrase(alert, arrow=arrow)
    return wording.shortened(text, MAX_TITLE)


def worst(severities: Sequence[str]) -> str:
    """The worst of some severities."""
    return max(severities, key=SEVERITIES.index)


def _own_weight(alert: AlertRecord, agreeing: int) -> float:
    signal = signal_of(alert)
    weight = 80.0 * (SEVERITIES.index(alert.severity) > 0) + 30.0 * _familiarity(signal)
    if alert.before is not None and alert.after is not None:
        weight += 60.0 * min(log2(1.0 + size_of_change(signal, alert.before, alert.after)), 6.0)
    return weight + 40.0 * log10(1.0 + alert.n) + 20.0 * _specificity(alert.segment) + 12.0 * min(agreeing, 6)


def _as_second(alert: AlertRecord) -> float:
    """How well an alert goes with the first one: what the answers are like says more than the time and cost of it."""
    signal = signal_of(alert)
    weight = 10.0 * _familiarity(signal) + 40.0 * (signal.family not in ("usage", "cost"))
    if alert.before is None or alert.after is None:
        return weight
    return weight + 40.0 * log2(1.0 + size_of_change(signal, alert.before, alert.after))


def _familiarity(signal: Signal) -> float:
    known: Mapping[Kind, float] = {Kind.FLAG: 3.0, Kind.NUMBER: 2.0, Kind.CATEGORY: 1.0, Kind.VECTOR: 0.0}
    return known[signal.kind] + 2.0 * (signal.good is not None) + 3.0 * signal.name.startswith(FEEDBACK_PREFIX)


def _specificity(segment: Segment) -> float:
    return 0.0 if segment == WHOLE else 2.0 if "+" in segment.dimension else 1.0


def is_better(alert: AlertRecord) -> bool:
    """True where what changed is an improvement."""
    good = signal_of(alert).good
    if good is None or alert.before is None or alert.after is None:
        return False
    return (alert.after > alert.before) == (good == "up")


def _difference(alert: AlertRecord) -> float | None:
    return None if alert.before is None or alert.after is None else abs(alert.after - alert.before)


def _same_direction(one: AlertRecord, other: AlertRecord) -> bool:
    if one.kind is Kind.CATEGORY:
        return True
    if one.before is None or one.after is None or other.before is None or other.after is None:
        return True
    return (one.after - one.before) * (other.after - other.before) >= 0

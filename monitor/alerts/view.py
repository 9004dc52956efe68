"""What a mail shows of an incident, as plain values: every number is already written for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from monitor import advice, wording
from monitor.alerts.telling import (
    category_of,
    headline,
    in_order,
    is_better,
    is_forecast,
    is_hourly,
    name_of,
    signal_of,
)
from monitor.clock import BlockLength, block_start
from monitor.contracts import Block, Kind, Segment
from monitor.explain import telling as explained
from monitor.links import base_url, page_link
from monitor.profile import merge
from monitor.queries import series
from monitor.queries.alerts import AlertRecord, IncidentRecord
from monitor.queries.declared import told_near
from monitor.queries.explanations import explanations_of
from monitor.settings import Settings
from monitor.signals import FEEDBACK_PREFIX, describe
from monitor.store import Store

TREND_BEFORE = timedelta(days=20)
TREND_DAYS = 28
TREND_PIXELS = 44
MAX_ROWS = 8
SIDE = timedelta(days=14)
JUDGED_BEFORE = timedelta(weeks=6)


@dataclass(frozen=True)
class Cell:
    """One day of a trend: height of its bar in pixels, empty without data; `after` the change or not."""

    height: int
    after: bool


@dataclass(frozen=True)
class Trend:
    """Daily values of one stream, as bars and as a line of characters; `caption` says from when to when."""

    cells: tuple[Cell, ...]
    line: str
    caption: str


@dataclass(frozen=True)
class Line:
    """One change: where, what, from what to what, by how much, and how sure."""

    where: str
    what: str
    before: str
    after: str
    difference: str
    evidence: str
    tone: str
    trend: Trend | None = None

    @property
    def change(self) -> str:
        """Before and after in one."""
        return f"{self.before} {wording.ARROW} {self.after}" if self.before else self.after


@dataclass(frozen=True)
class Group:
    """The changes of one segment, and its calls on both sides."""

    where: str
    lines: tuple[Line, ...]
    calls_before: str
    calls_since: str


@dataclass(frozen=True)
class IncidentView:
    """An incident as a mail shows it. `top` are the most telling changes, `groups` the next by segment, `more` how many
    are not shown; `reasons` are sentences in place of figures where it is about the monitor itself; `judged` is what
    feedback says there that has not changed enough to be certain; `why` are name and text of at most three answers of
    the explanation; `ways` are name and address of where to look."""

    project: str
    title: str
    label: str
    tone: str
    where: str
    since: str
    lasted: str
    top: tuple[Line, ...]
    groups: tuple[Group, ...]
    more: int
    reasons: tuple[str, ...]
    judged: tuple[str, ...]
    appeared: tuple[str, ...]
    why: tuple[tuple[str, str], ...]
    steps: tuple[str, ...]
    ways: tuple[tuple[str, str], ...]
    page: str


@dataclass(frozen=True)
class Place:
    """Where links of a mail lead: the dashboard's address and the project."""

    base: str
    project: str

    @classmethod
    def of(cls, settings: Settings, project: str) -> Place:
        """The public address, or the one the server listens on."""
        return cls(base_url(settings), project)


def incident_view(
    store: Store, place: Place, record: IncidentRecord, now: datetime, *, most: int = MAX_ROWS
) -> IncidentView:
    """The view of an incident as of `now`, with at most so many changes beside the most telling ones."""
    of_monitor = advice.is_of_the_monitor(record.alerts)
    ordered = in_order(record.alerts)
    chosen = headline(record.alerts)
    trends = _trends(store, record, chosen, now)
    others = [alert for alert in ordered if alert in record.telling and alert not in chosen]
    top = () if of_monitor else tuple(line_of(alert, trends.get(alert.id)) for alert in chosen)
    shown = [] if of_monitor else others[:most]
    names = dict.fromkeys(wording.segment_text(alert.segment) for alert in chosen)
    return IncidentView(
        project=place.project,
        title=record.title,
        label=_label(record),
        tone="over" if not record.is_open else "moved" if record.severity == "notice" else "bad",
        where="This monitor" if of_monitor else " and ".join(names),
        since=since_text(record.since, now),
        lasted=wording.duration((record.resolved or now) - record.since),
        top=top,
        groups=grouped(shown, place, record.since, now),
        more=0 if of_monitor else len(others) - len(shown),
        reasons=tuple(alert.reason for alert in ordered) if of_monitor else (),
        judged=tuple(judged_texts(store, record, chosen[0].segment, now)) if record.is_open else (),
        appeared=tuple(appeared_texts(record, now)) if record.is_open else (),
        why=(*why(store, record), *_left_out(store, record)) if record.is_open else (),
        steps=tuple(advice.steps(record)),
        ways=_ways(place, record, chosen[0], now, of_monitor=of_monitor),
        page=page_link("/alerts", project=place.project, base=place.base, incident=str(record.id)),
    )


def since_text(since: datetime, now: datetime) -> str:
    """Since when: "2 Nov, 09:00 UTC"; at midnight only the day is known: "2 Nov (UTC)"."""
    day = wording.day(since, now)
    return f"{day} (UTC)" if since == block_start(since, BlockLength.DAY) else f"{day}, {since:%H:%M} UTC"


def grouped(alerts: Sequence[AlertRecord], place: Place, since: datetime, now: datetime) -> tuple[Group, ...]:
    """Alerts as lines, those of one segment together."""
    by_segment: dict[Segment, list[AlertRecord]] = {}
    for alert in alerts:
        by_segment.setdefault(alert.segment, []).append(alert)
    return tuple(
        Group(wording.segment_text(segment), tuple(map(line_of, found)), *sides(place, segment, since, now))
        for segment, found in by_segment.items()
    )


def _ways(
    place: Place, record: IncidentRecord, first: AlertRecord, now: datetime, *, of_monitor: bool
) -> tuple[tuple[str, str], ...]:
    if of_monitor:
        pages = (("Senders", "/senders"), ("Overview", "/"))
        return tuple((name, page_link(path, project=place.project, base=place.base)) for name, path in pages)
    before, since = sides(place, first.segment, record.since, now)
    course = page_link(
        "/drift",
        project=place.project,
        start=record.since - SIDE,
        end=_end(now),
        segment=first.segment,
        base=place.base,
        signal=first.signal,
    )
    return ("Calls since the change", since), ("Calls before", before), ("Course", course)


def line_of(alert: AlertRecord, trend: Trend | None = None) -> Line:
    """One alert as a line."""
    signal = signal_of(alert)
    what = ": ".join(filter(None, (name_of(signal), category_of(alert))))
    before, after = wording.format_pair(signal, alert.before, alert.after, with_unit=True)
    difference = wording.format_difference(signal, alert.before, alert.after)
    calls = wording.plural(alert.n, "call")
    interval = wording.format_interval(signal, alert.low, alert.high)
    tone = "moved" if alert.severity == "notice" or is_better(alert) else "bad"
    is_over = not alert.is_open and "accepted" not in alert.detail and not is_hourly(alert)
    if is_over and alert.current is not None and alert.kind in (Kind.NUMBER, Kind.FLAG):
        before, after = wording.format_pair(signal, alert.after, alert.current, with_unit=True)
        difference, tone = "", "over"
        interval, calls = "", f"{wording.format_value(signal, alert.before)} before it began"
    elif is_forecast(alert):
        interval = interval.replace("95% interval", "expected")
    elif alert.detail.get("against") == "others":
        before, difference, after = "", "", f"{after}, others {before}"
    elif alert.kind is Kind.VECTOR:
        before, difference, after = "", "standard deviations between users", f"moved by {after}"
    return Line(
        where=wording.segment_text(alert.segment),
        what=what,
        before=before,
        after=after,
        difference=difference,
        evidence=", ".join(filter(None, (interval, calls))),
        tone=tone,
        trend=trend,
    )


def sides(place: Place, segment: Segment, since: datetime, now: datetime) -> tuple[str, str]:
    """Links that open the calls before and since the change."""
    before = page_link(
        "/explorer", project=place.project, start=since - SIDE, end=since, segment=segment, base=place.base
    )
    after = page_link("/explorer", project=place.project, start=since, end=_end(now), segment=segment, base=place.base)
    return before, after


def appeared_texts(record: IncidentRecord, now: datetime) -> list[str]:
    """What else changed then: "model gpt-4-0613 first seen 14 Oct"."""
    return [
        f"{wording.dimension_text(item.segment.dimension)} {item.segment.value} first seen "
        f"{wording.day(item.first_seen, now)}"
        for item in record.appeared
    ]


def why(store: Store, record: IncidentRecord) -> tuple[tuple[str, str], ...]:
    """Where, why and what of the most telling alert that has an explanation, in one line each."""
    found = explanations_of(store, record.project_id, record.id)
    for alert in in_order(record.alerts):
        explanation = found.get(alert.id)
        if explanation is None or explanation.before is None:
            continue
        lines = (
            ("Where", explained.where_text(signal_of(alert), explanation)),
            ("Why", explained.why_text(explanation)),
            ("Words", explained.words_text(explanation)),
        )
        said = tuple((name, text) for name, text in lines if text)
        if said:
            return said
    return ()


def _left_out(store: Store, record: IncidentRecord) -> tuple[tuple[str, str], ...]:
    """What people left out of what the incident is compared with."""
    segments = list(dict.fromkeys(alert.segment for alert in record.telling))
    is_about_calls = any(alert.signal for alert in record.alerts)
    text = told_near(store, record.project_id, segments, record.since) if is_about_calls else ""
    return (("Left out of what is usual", text),) if text else ()


def judged_texts(store: Store, record: IncidentRecord, segment: Segment, now: datetime) -> list[str]:
    """What feedback says of the answers in a segment where it did not alarm: before and since, without a claim."""
    alarmed = {alert.signal for alert in record.alerts if alert.is_open and alert.segment == segment}
    found = series.read_profiles(
        store, record.project_id, BlockLength.DAY, record.since - JUDGED_BEFORE, now, segments=[segment]
    )
    texts = []
    for (_, name), blocks in sorted(found.items(), key=lambda item: item[0][1]):
        kind = blocks[0].profile.kind
        if name in alarmed or not name.startswith(FEEDBACK_PREFIX) or kind not in (Kind.FLAG, Kind.NUMBER):
            continue
        first_after = block_start(record.since, BlockLength.DAY)
        before = merge((block.profile for block in blocks if block.start < first_after), kind)
        since = merge((block.profile for block in blocks if block.start >= first_after), kind)
        if before.n and since.n and before.mean != since.mean:
            signal = describe(name, kind)
            change = wording.format_change(signal, before.mean, since.mean, with_unit=True)
            texts.append(
                f"{name_of(signal)} {change} ({wording.count(before.n)} and {wording.plural(since.n, 'call')})"
            )
    return texts


def trend_of(blocks: Sequence[Block], since: datetime, start: datetime, days: int) -> Trend | None:
    """The daily values from `start` on; None where there are fewer than two."""
    values = {block.start: block.profile.mean for block in blocks}
    known = [moment for moment, value in values.items() if value is not None and moment >= start]
    if not known:
        return None
    days -= (min(known) - start).days
    start = min(known)
    ordered = [values.get(start + timedelta(days=number)) for number in range(days)]
    present = [value for value in ordered if value is not None]
    if len(present) < 2:
        return None
    low = min(*present, 0.0)
    span = (max(present) - low) or 1.0
    first_after = block_start(since, BlockLength.DAY)
    cells = tuple(
        Cell(
            height=0 if value is None else max(2, ceil((value - low) / span * TREND_PIXELS)),
            after=start + timedelta(days=number) >= first_after,
        )
        for number, value in enumerate(ordered)
    )
    caption = f"mean of each day (UTC), {wording.period(start, start + timedelta(days=days))}"
    return Trend(cells, wording.sparkline(ordered), caption)


def _trends(
    store: Store, record: IncidentRecord, alerts: Sequence[AlertRecord], now: datetime
) -> Mapping[int, Trend | None]:
    start = block_start(record.since - TREND_BEFORE, BlockLength.DAY)
    end = min(block_start(now, BlockLength.DAY), start + timedelta(days=TREND_DAYS))
    days = max((end - start).days, 1)
    found = series.read_profiles(
        store,
        record.project_id,
        BlockLength.DAY,
        start,
        end,
        signals=sorted({alert.signal for alert in alerts}),
        segments=sorted({alert.segment for alert in alerts}, key=str),
    )
    return {
        alert.id: trend_of(found.get((alert.segment, alert.signal), []), record.since, start, days) for alert in alerts
    }


def _label(record: IncidentRecord) -> str:
    if not record.is_open:
        return "Accepted as the new normal" if record.accepted else "Over"
    if advice.is_of_the_monitor(record.alerts):
        return "Needs a look"
    return {"notice": "Changed", "serious": "Got worse", "critical": "Got much worse"}[record.severity]


def _end(now: datetime) -> datetime:
    return block_start(now, BlockLength.HOUR) + timedelta(hours=1)

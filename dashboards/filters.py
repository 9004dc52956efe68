"""The filter of a page: what the address asks for, in checked form.

The filter lives in the query string (`monitor.links`), so that an address can be shared, bookmarked and mailed. A value
that makes no sense is left out and said so in `Request.problems`; it never stops the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from monitor.clock import BlockLength, block_start
from monitor.contracts import WHOLE, Segment
from monitor.links import page_link, parse_segment, segment_parameter

if TYPE_CHECKING:
    from monitor.settings import Settings
    from monitor.store import Store

PRESETS: Mapping[str, str] = {
    "1d": "Newest day",
    "7d": "7 days",
    "28d": "4 weeks",
    "56d": "8 weeks",
    "182d": "26 weeks",
    "364d": "52 weeks",
}
DEFAULT_RANGE = "56d"
CUSTOM = "custom"
MAX_VALUE = 2000
MAX_RANGE = timedelta(days=3660)
_RANGE = re.compile(r"([1-9]\d{0,3})([hdw])\Z")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_FILTER = ("project", "range", "from", "to", "segment", "compare")


@dataclass(frozen=True)
class Asked:
    """The checked filter: a half-open time range, the segments, and the parameters that are the page's own."""

    project: str
    start: datetime
    end: datetime
    range: str
    segment: Segment = WHOLE
    compare: Segment | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What a page gets: the checked filter and where to read.

    `start` and `end` bound the range (the end is not part of it); `range` is the preset it came from or `custom`.
    `latest` is the time of the newest call, None where the project has none. `parameters` are the page's own.
    """

    store: Store
    settings: Settings
    path: str
    project: str
    project_id: int
    start: datetime
    end: datetime
    now: datetime
    range: str = DEFAULT_RANGE
    segment: Segment = WHOLE
    compare: Segment | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    latest: datetime | None = None

    @property
    def length(self) -> BlockLength:
        """Blocks that suit the range: hours up to two days, else days."""
        return BlockLength.HOUR if self.end - self.start <= timedelta(days=2) else BlockLength.DAY

    @property
    def each(self) -> str:
        """How often a chart has a bar or point: "a day", "an hour"."""
        return "an hour" if self.length is BlockLength.HOUR else "a day"

    @property
    def previous(self) -> tuple[datetime, datetime]:
        """The range of the same length just before."""
        return self.start - (self.end - self.start), self.start

    def parameter(self, name: str) -> str:
        """One of the page's own parameters; empty where it is not given."""
        return self.parameters.get(name, "")

    def link(
        self,
        path: str = "",
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        segment: Segment | None = None,
        **more: str,
    ) -> str:
        """Address of a page (default: this one) with this filter, except for what is given."""
        if start is None and end is None:
            if self.range == CUSTOM:
                start, end = self.start, self.end
            elif self.range != DEFAULT_RANGE:
                more = {"range": self.range, **more}
        compare = segment_parameter(self.compare) if self.compare else ""
        return page_link(
            path or self.path,
            project=self.project,
            start=start,
            end=end,
            segment=self.segment if segment is None else segment,
            **{"compare": compare, **more},
        )


def parse(search: str, projects: Sequence[str], default_project: str) -> tuple[dict[str, str], str, tuple[str, ...]]:
    """The parameters of a query string, the project it names and what was wrong with it.

    `projects` are those that exist; where the one named does not, the default or first one is taken.
    """
    problems: list[str] = []
    given: dict[str, str] = {}
    try:
        pairs = parse_qsl(search.removeprefix("?"), max_num_fields=50)
    except ValueError:
        pairs = []
        problems.append("The address has too many parameters; they were left out.")
    for name, value in pairs:
        text = value.replace("\x00", "")
        if len(text) > MAX_VALUE:
            problems.append(f"The value of {name[:40]} is too long and was left out.")
        else:
            given[name[:100]] = text
    fallback = default_project if default_project in projects or not projects else projects[0]
    project = given.get("project", "")
    if project and project not in projects:
        problems.append(f"There is no project {project[:60]!r}; this is {fallback}.")
        project = ""
    return given, project or fallback, tuple(problems)


def check(
    given: Mapping[str, str], project: str, latest: datetime | None, now: datetime, problems: tuple[str, ...] = ()
) -> Asked:
    """The filter of parsed parameters. Relative ranges end with the newest day that has data (or today)."""
    found = list(problems)
    anchor = block_start(min(latest, now) if latest else now, BlockLength.DAY) + timedelta(days=1)
    start, end, preset = anchor - timedelta(days=56), anchor, DEFAULT_RANGE
    if given.get("from") or given.get("to"):
        bounds = _bounds(given, anchor, found)
        if bounds:
            start, end, preset = *bounds, CUSTOM
    elif given.get("range"):
        match = _RANGE.match(given["range"])
        if match and int(match[1]) * _UNITS[match[2]] <= MAX_RANGE:
            start, preset = anchor - int(match[1]) * _UNITS[match[2]], given["range"]
        else:
            found.append(f"The range {given['range'][:40]!r} is not one such as 7d, 12h or 8w; this is 8 weeks.")
    return Asked(
        project,
        start,
        end,
        preset,
        _segment(given, "segment", found) or WHOLE,
        _segment(given, "compare", found),
        {name: value for name, value in given.items() if name not in _FILTER},
        tuple(found),
    )


def _bounds(given: Mapping[str, str], anchor: datetime, problems: list[str]) -> tuple[datetime, datetime] | None:
    moments: dict[str, datetime | None] = {}
    for name in ("from", "to"):
        text = given.get(name, "")
        moments[name] = _moment(text) if text else None
        if text and moments[name] is None:
            problems.append(f"{text[:40]!r} is not a time such as 2025-03-01 or 2025-03-01T12:00Z.")
    start, end = moments["from"], moments["to"]
    if start is None and end is None:
        return None
    end = end or max(anchor, (start or anchor) + timedelta(days=1))
    start = start or end - timedelta(days=56)
    if start >= end or end - start > MAX_RANGE:
        problems.append("The range must begin before it ends and span at most ten years; this is 8 weeks.")
        return None
    return start, end


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if 1971 <= moment.year <= 2200 else None


def _segment(given: Mapping[str, str], name: str, problems: list[str]) -> Segment | None:
    text = given.get(name, "")
    if not text:
        return None
    segment = parse_segment(text)
    if segment == WHOLE or not segment.value:
        problems.append(f"{text[:60]!r} does not name a segment; write dimension:value, such as model:gpt-4.")
        return None
    return segment

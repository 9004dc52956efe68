"""Events of an iCalendar file (RFC 5545), such as public holidays: when they are, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from monitor.errors import InputError

MOST_BYTES = 5_000_000
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Event:
    """One event in [start, until)."""

    start: datetime
    until: datetime
    title: str


@dataclass(frozen=True)
class Calendar:
    """The events of a file; `repeating` is the number of those that repeat by a rule, which are not read."""

    events: tuple[Event, ...]
    repeating: int


def read_calendar(path: Path, zone: tzinfo) -> Calendar:
    """Reads a calendar; days and times without a zone are those of `zone`.

    Raises InputError where the file is no calendar or larger than 5 MB, or an event has no beginning.
    """
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path} is larger than {MOST_BYTES // 1_000_000} MB; is it a calendar?")
    lines = list(_unfolded(path.read_text(encoding="utf-8", errors="replace")))
    if not lines or lines[0][0] != "BEGIN" or lines[0][2] != "VCALENDAR":
        raise InputError(f"{path} is no iCalendar file: it does not begin with BEGIN:VCALENDAR.")
    events, repeating = [], 0
    fields: dict[str, tuple[str, str]] | None = None
    nested = 0
    for name, parameters, value in lines:
        if (name, value) == ("BEGIN", "VEVENT"):
            fields, nested = {}, 0
        elif fields is None:
            continue
        elif (name, value) == ("END", "VEVENT"):
            repeats = "RRULE" in fields or "RDATE" in fields
            repeating += repeats
            if not repeats:
                events.append(_event(path, fields, zone))
            fields = None
        elif name in ("BEGIN", "END"):
            nested += 1 if name == "BEGIN" else -1
        elif not nested:
            fields.setdefault(name, (parameters, value))
    return Calendar(tuple(sorted(events, key=lambda event: (event.start, event.until, event.title))), repeating)


def _unfolded(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, parameters and value of each line; a line that begins with a space continues the one before."""
    joined = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "")
    for line in joined.split("\n"):
        head, colon, value = line.partition(":")
        if colon:
            name, _, parameters = head.partition(";")
            yield name.strip().upper(), parameters.upper(), value.strip()


def _event(path: Path, fields: dict[str, tuple[str, str]], zone: tzinfo) -> Event:
    if "DTSTART" not in fields:
        raise InputError(f"{path}: an event has no DTSTART.")
    start = _moment(path, fields["DTSTART"], zone)
    is_day = "T" not in fields["DTSTART"][1]
    until = start + (_DAY if is_day else timedelta())
    if "DTEND" in fields:
        until = _moment(path, fields["DTEND"], zone)
    title = fields.get("SUMMARY", ("", "a holiday"))[1]
    for written, meant in (("\\n", " "), ("\\,", ","), ("\\;", ";"), ("\\\\", "\\")):
        title = title.replace(written, meant)
    return Event(start, until, " ".join(title.split()) or "a holiday")


def _moment(path: Path, field: tuple[str, str], zone: tzinfo) -> datetime:
    parameters, value = field
    try:
        found = datetime.strptime(value.rstrip("Z"), "%Y%m%dT%H%M%S" if "T" in value else "%Y%m%d")  # noqa: DTZ007
    except ValueError:
        raise InputError(f"{path}: {value[:40]!r} is no time of a calendar.") from None
    if value.endswith("Z"):
        return found.replace(tzinfo=UTC)
    return found.replace(tzinfo=_zone(parameters, zone)).astimezone(UTC)


def _zone(parameters: str, zone: tzinfo) -> tzinfo:
    from zoneinfo import ZoneInfo, available_timezones

    named = next((part[5:] for part in parameters.split(";") if part.startswith("TZID=")), "").strip('"')
    known = {name.upper(): name for name in available_timezones()} if named else {}
    return ZoneInfo(known[named]) if named in known else zone

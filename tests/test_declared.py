"""Times that people declare: left out of baselines and of judgements, or where baselines begin anew."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from monitor.alerts import update
from monitor.cli import commands
from monitor.clock import BlockLength
from monitor.contracts import WHOLE, Kind, Segment
from monitor.detectors.standings import Standings, standings
from monitor.errors import InputError, NotFound
from monitor.files.calendar import read_calendar
from monitor.indicators import judge, skip_days
from monitor.migrate import upgrade
from monitor.profile import Profile
from monitor.queries import declared
from monitor.queries.alerts import AlertRecord, incidents
from monitor.queries.declared import DeclaredTime, accept, begin_anew, leave_out, take_back
from monitor.settings import Settings
from monitor.stats.windows import Standing, windows
from monitor.store import Store
from tests.simulation import MONDAY, Traffic, flag, simulate
from tests.test_hours import write_hours

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOON = MONDAY + 3 * DAY + 12 * HOUR
NOW = MONDAY + 60 * DAY
VOLUME = ("volume", "calls", "", "")
REFUSALS = ("safety", "refusal", "model", "gpt-4")


def time_of(kind: str, start: datetime, until: datetime | None = None, segment: Segment = WHOLE) -> DeclaredTime:
    return DeclaredTime(1, kind, start, until, "why", segment, None, NOW, "")  # type: ignore[arg-type]


# What was declared.


def test_what_is_declared_is_kept_once_and_can_be_taken_back(store: Store, project: int) -> None:
    first = leave_out(store, project, NOON, NOON + HOUR, reason="  load \n test ", by="ops", now=NOW)
    assert (first.kind, first.reason, first.made_by) == ("incident", "load test", "ops")
    assert leave_out(store, project, NOON, NOON + HOUR, reason="again", by="", now=NOW).id == first.id
    holiday = leave_out(store, project, MONDAY, MONDAY + DAY, reason="New Year", by="", now=NOW, holiday=True)
    cut = begin_anew(store, project, NOON, reason="release 2", by="", now=NOW, segment=Segment("model", "gpt-4"))
    assert [one.kind for one in declared.declared(store, project)] == ["cut", "incident", "holiday"]
    assert declared.declared(store, project)[0] == cut
    assert declared.changed(store, project) == NOW
    take_back(store, project, holiday.id, NOW + DAY)
    assert len(declared.declared(store, project)) == 2
    assert declared.changed(store, project) == NOW + DAY
    with pytest.raises(NotFound):
        take_back(store, project, holiday.id, NOW)


def test_what_makes_no_sense_is_refused(store: Store, project: int) -> None:
    for start, until, reason in ((NOON, NOON, "x"), (NOON, NOON + 40 * DAY, "x"), (NOON, NOON + DAY, " ")):
        with pytest.raises(InputError):
            leave_out(store, project, start, until, reason=reason, by="", now=NOW)
    with pytest.raises(InputError):
        begin_anew(store, project, NOW + HOUR, reason="soon", by="", now=NOW)
    with pytest.raises(NotFound):
        accept(store, project, 12345, reason="fine", by="", now=NOW)


def test_a_segment_is_covered_by_itself_the_whole_and_its_parts() -> None:
    pair = Segment("model+feature", "gpt-4 + prime")
    assert WHOLE.holds(pair)
    assert Segment("feature", "prime").holds(pair)
    assert pair.holds(pair)
    assert not Segment("feature", "gpt-4").holds(pair)
    assert not pair.holds(Segment("feature", "prime"))


# What it means for a stream.


def test_an_incident_is_neither_taught_nor_judged_a_holiday_is_judged_but_for_amounts() -> None:
    known = [
        time_of("incident", NOON + timedelta(minutes=30), NOON + 2 * HOUR),
        time_of("holiday", MONDAY, MONDAY + DAY),
    ]
    by_hour = Standings(BlockLength.HOUR, known=known, amounts={"volume"})
    for stream in (VOLUME, REFUSALS):
        standing = by_hour.of(stream)
        told = [(standing.healthy(moment), standing.judged(moment)) for moment in (NOON - HOUR, NOON, NOON + 2 * HOUR)]
        assert told == [(True, True), (False, False), (True, True)], "an hour that is touched is left out"
        assert not standing.healthy(MONDAY + 5 * HOUR)
        assert standing.judged(MONDAY + 5 * HOUR) == (stream == REFUSALS)
    by_day = Standings(BlockLength.DAY, known=known, amounts={"volume"}).of(REFUSALS)
    assert not by_day.judged(MONDAY + 3 * DAY), "a day that is touched is left out"
    assert by_day.judged(MONDAY + 4 * DAY)


def test_a_cut_is_of_its_segment_and_begins_with_a_whole_block() -> None:
    known = [time_of("cut", NOON, segment=Segment("model", "gpt-4"))]
    begun = MONDAY + 3 * DAY
    alerts = {REFUSALS: Standing(begun + DAY - HOUR, ((MONDAY, MONDAY + DAY), (begun, begun + 9 * DAY)))}
    standing = Standings(BlockLength.DAY, alerts, known).of(REFUSALS)
    assert standing.cut == begun + DAY
    assert standing.open_since is None, "what began with the cut is accepted"
    assert not standing.healthy(begun)
    assert standing.healthy(begun + DAY)
    other = Standings(BlockLength.DAY, alerts, known).of(VOLUME)
    assert other == Standing()
    later = Standings(BlockLength.DAY, {REFUSALS: Standing(begun + 5 * DAY)}, known).of(REFUSALS)
    assert later.open_since == begun + 5 * DAY, "what began later is another trouble"


def test_windows_leave_out_what_is_not_judged_and_do_not_reach_across_a_cut() -> None:
    blocks = simulate(Kind.FLAG, flag(0.2), Traffic(users=40), days=30, seed=1)
    day = blocks[-1].start
    left_out = ((day - 2 * DAY, day - DAY),)
    found = windows(blocks, day, Standing(left_out=left_out, unjudged=left_out))
    for window in found:
        assert day - 2 * DAY not in [block.start for block in (*window.current, *window.reference)]
    assert windows(blocks, day - 2 * DAY, Standing(left_out=left_out, unjudged=left_out)) == []
    for window in windows(blocks, day, Standing(cut=day - 3 * DAY)):
        assert min(block.start for block in (*window.current, *window.reference)) >= day - 3 * DAY


# Through both lanes.


def refusals(days: int, seed: int, shares: dict[tuple[int, int], float]) -> list[Profile]:
    """Hours of refusals: 5 %, and another share in hours [from, to)."""
    chance = np.random.default_rng(seed)
    found = []
    for hour in range(days * 24):
        share = next((share for (start, end), share in shares.items() if start <= hour < end), 0.05)
        users = int(chance.poisson(60))
        hits = int(chance.binomial(users, share))
        found.append(Profile(Kind.FLAG, users, users, hits, hits, hits, hits))
    return found


def judged(store: Store, settings: Settings, project: int, moment: datetime) -> list[AlertRecord]:
    """The alerts once all is judged that is closed at a moment, later ones first."""
    while judge(store, settings, moment):
        update(store, settings, moment)
    update(store, settings, moment)
    return [alert for item in incidents(store, project) for alert in item.alerts if alert.signal]


def test_a_declared_incident_is_alarmed_by_neither_lane_and_teaches_nothing(
    store: Store, settings: Settings, project: int
) -> None:
    learnt = 14 * 24
    trouble = (learnt + 10, learnt + 16)
    write_hours(store, project, WHOLE, "refusal", refusals(17, 1, {trouble: 0.4, (100, 130): 0.6}))
    skip_days(store, "default", MONDAY + learnt * HOUR)
    start, until = MONDAY + trouble[0] * HOUR, MONDAY + trouble[1] * HOUR
    leave_out(store, project, start, until, reason="load test", by="ops", now=start)
    leave_out(store, project, MONDAY + 100 * HOUR, MONDAY + 130 * HOUR, reason="outage", by="ops", now=start)
    assert judged(store, settings, project, MONDAY + 17 * DAY + HOUR) == []
    # Taken back, the same hours would have alarmed.
    for one in declared.declared(store, project):
        take_back(store, project, one.id, start)
    skip_days(store, "default", MONDAY + learnt * HOUR)
    assert judged(store, settings, project, MONDAY + 17 * DAY + HOUR) != []


def test_an_accepted_level_closes_its_alerts_and_is_the_new_normal(
    store: Store, settings: Settings, project: int
) -> None:
    learnt = 14 * 24
    began = learnt + 10
    write_hours(store, project, WHOLE, "refusal", refusals(32, 2, {(began, 32 * 24): 0.25}))
    skip_days(store, "default", MONDAY + learnt * HOUR)
    moment = MONDAY + (began + 6) * HOUR
    (alert,) = judged(store, settings, project, moment)
    assert alert.is_open
    assert alert.incident_id is not None
    accept(store, project, alert.incident_id, reason="stricter prompt, as meant", by="ops", now=moment)
    update(store, settings, moment)
    (item,) = incidents(store, project)
    assert not item.is_open
    assert item.accepted == {"reason": "stricter prompt, as meant", "by": "ops", "made": moment.isoformat()}
    standing = standings(store, project, BlockLength.HOUR).of((alert.indicator, alert.signal, "", ""))
    assert standing.cut is not None
    assert abs(standing.cut - (MONDAY + began * HOUR)) <= HOUR
    assert standing.open_since is None
    assert len(judged(store, settings, project, MONDAY + 31 * DAY)) == 1, "nothing is said of the new level"


def test_a_lasting_change_after_a_cut_is_found_against_the_new_level(
    store: Store, settings: Settings, project: int
) -> None:
    cut, worse = 14 * 24, 30 * 24
    write_hours(store, project, WHOLE, "refusal", refusals(33, 3, {(cut, worse): 0.25, (worse, 33 * 24): 0.6}))
    skip_days(store, "default", MONDAY + cut * HOUR)
    begin_anew(store, project, MONDAY + cut * HOUR, reason="release 2", by="", now=MONDAY + cut * HOUR)
    (alert,) = judged(store, settings, project, MONDAY + 32 * DAY)
    assert abs(alert.since - (MONDAY + worse * HOUR)) <= HOUR
    assert alert.before == pytest.approx(0.25, abs=0.02)


# Calendars and the command line.

CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
DTSTART;VALUE=DATE:20261225
SUMMARY:Erster Weihnachtsfeiertag\\, ges
 etzlich
END:VEVENT
BEGIN:VEVENT
DTSTART;TZID=Europe/Berlin:20261224T120000
DTEND;TZID=Europe/Berlin:20261224T180000
SUMMARY:Heiligabend
BEGIN:VALARM
SUMMARY:not the title
END:VALARM
END:VEVENT
BEGIN:VEVENT
DTSTART;VALUE=DATE:20200101
RRULE:FREQ=YEARLY
SUMMARY:Neujahr
END:VEVENT
END:VCALENDAR
"""


def test_a_calendar_gives_its_events(tmp_path: Path) -> None:
    path = tmp_path / "holidays.ics"
    path.write_text(CALENDAR.replace("\n", "\r\n"), encoding="utf-8")
    found = read_calendar(path, UTC)
    assert found.repeating == 1
    evening, day = found.events
    assert (evening.start, evening.until) == (
        datetime(2026, 12, 24, 11, tzinfo=UTC),
        datetime(2026, 12, 24, 17, tzinfo=UTC),
    )
    assert evening.title == "Heiligabend"
    assert (day.until - day.start, day.title) == (DAY, "Erster Weihnachtsfeiertag, gesetzlich")


@pytest.mark.parametrize("text", ["", "hello", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:soon\nEND:VEVENT\n"])
def test_what_is_no_calendar_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "holidays.ics"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        read_calendar(path, UTC)


def test_the_commands_declare_list_and_take_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'own.db'}"
    own = Store(url)
    upgrade(own)
    own.project("default", 0)
    own.close()

    def ran(*words: str) -> tuple[int, str]:
        answer = CliRunner().invoke(commands, [*words, "--database-url", url], standalone_mode=False)
        return (2 if answer.exception else 0), str(answer.exception or answer.stdout)

    assert ran("exclude") == (0, "Nothing is left out, and nothing begins anew.\n")
    times = ("--from", "2026-03-01", "--until", "2026-03-02")
    code, out = ran("exclude", *times, "--reason", "load test", "--json")
    assert code == 0
    (one,) = json.loads(out)["declared"]
    assert (one["kind"], one["reason"], one["from"]) == ("incident", "load test", "2026-03-01T00:00:00+00:00")
    assert (
        "release 7" in ran("accept", "--at", "2026-03-05T10:00", "--segment", "model:gpt-4", "--reason", "release 7")[1]
    )
    assert (
        "release 7" not in ran("exclude", "--remove", json.loads(ran("exclude", "--json")[1])["declared"][0]["id"])[1]
    )
    for words in (
        ("exclude", "--from", "2026-04-01", "--until", "2026-04-02"),
        ("exclude", "--from", "2026-03-01"),
        ("exclude", "--remove", "5"),
        ("accept", "--reason", "x"),
        ("accept", "17", "--reason", "x"),
        ("accept", "--at", "2026-03-05", "--segment", "nonsense", "--reason", "x"),
        ("exclude", "--project", "nobody"),
    ):
        assert ran(*words)[0] == 2, words

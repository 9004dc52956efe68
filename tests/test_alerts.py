"""Rules by table, and whole timelines of verdicts through alerts and incidents to what is said, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.alerts import summarise, update
from monitor.alerts.incidents import Decision, Why, decide, home
from monitor.alerts.rules import DEFAULT_RULE, Move, Phase, Reason, Standing, default_pack, move, rule_of, severity
from monitor.alerts.telling import in_order, title, weigh
from monitor.contracts import WHOLE, Kind, Rule, Segment, Signal, State
from monitor.queries import alerts as queries
from monitor.queries.alerts import AlertRecord
from monitor.settings import Settings
from monitor.store import Store
from tests.verdicts import (
    ACCURACY,
    DAY,
    LENGTH,
    PRIME,
    START,
    SWITCH,
    appear,
    evening,
    flags,
    numbers,
    pack,
    say,
    write_profile,
)

TWICE = Rule(for_blocks=2, clear_blocks=2)
BAD_ONLY = Rule(states=("bad",))
ON_SILENCE = Rule(states=("no_data",))
QUIET, PENDING, FIRING, RESOLVED = Phase.QUIET, Phase.PENDING, Phase.FIRING, Phase.RESOLVED


@pytest.mark.parametrize(
    ("phase", "streak", "state", "rule", "expected"),
    [
        (QUIET, 0, "ok", DEFAULT_RULE, Move(QUIET, 0, Reason.CALM)),
        (QUIET, 0, "bad", DEFAULT_RULE, Move(FIRING, 0, Reason.FIRED)),
        (QUIET, 0, "moved", DEFAULT_RULE, Move(FIRING, 0, Reason.FIRED)),
        (QUIET, 0, "moved", BAD_ONLY, Move(QUIET, 0, Reason.CALM)),
        (QUIET, 0, "no_data", DEFAULT_RULE, Move(QUIET, 0, Reason.NO_DATA)),
        (QUIET, 0, "no_data", ON_SILENCE, Move(FIRING, 0, Reason.FIRED)),
        (QUIET, 0, "bad", TWICE, Move(PENDING, 1, Reason.BEGAN)),
        (PENDING, 1, "bad", TWICE, Move(FIRING, 0, Reason.FIRED)),
        (PENDING, 1, "bad", Rule(for_blocks=3), Move(PENDING, 2, Reason.WAITING)),
        (PENDING, 1, "ok", TWICE, Move(QUIET, 0, Reason.PASSED)),
        (PENDING, 1, "too_few", TWICE, Move(PENDING, 1, Reason.TOO_FEW)),
        (FIRING, 0, "bad", DEFAULT_RULE, Move(FIRING, 0, Reason.CONTINUES)),
        (FIRING, 0, "ok", DEFAULT_RULE, Move(FIRING, 1, Reason.CALMING)),
        (FIRING, 1, "bad", DEFAULT_RULE, Move(FIRING, 0, Reason.CONTINUES)),
        (FIRING, 1, "no_data", DEFAULT_RULE, Move(FIRING, 1, Reason.NO_DATA)),
        (FIRING, 1, "too_few", DEFAULT_RULE, Move(FIRING, 1, Reason.TOO_FEW)),
        (FIRING, 2, "ok", DEFAULT_RULE, Move(RESOLVED, 0, Reason.RESOLVED)),
        (FIRING, 1, "ok", TWICE, Move(RESOLVED, 0, Reason.RESOLVED)),
        (RESOLVED, 0, "ok", DEFAULT_RULE, Move(RESOLVED, 0, Reason.CALM)),
        (RESOLVED, 0, "bad", DEFAULT_RULE, Move(FIRING, 0, Reason.FIRED)),
        (RESOLVED, 0, "bad", TWICE, Move(PENDING, 1, Reason.BEGAN)),
    ],
)
def test_the_state_machine(phase: Phase, streak: int, state: State, rule: Rule, expected: Move) -> None:
    assert move(Standing(phase, streak), state, rule) == expected


@pytest.mark.parametrize(
    ("said", "severity_now", "is_open", "worsened", "notifies", "expected"),
    [
        ("", "notice", True, False, True, Decision("opened", Why.NEW)),
        ("", "critical", True, False, False, Decision(None, Why.QUIET)),
        ("", "critical", False, False, True, Decision(None, Why.UNSAID)),
        ("notice", "notice", True, False, True, Decision(None, Why.KNOWN)),
        ("notice", "critical", True, False, True, Decision("worse", Why.WORSE)),
        ("notice", "serious", True, False, True, Decision("worse", Why.WORSE)),
        ("serious", "critical", True, False, True, Decision("worse", Why.WORSE)),
        ("serious", "critical", True, True, True, Decision(None, Why.KNOWN)),
        ("critical", "critical", True, False, True, Decision(None, Why.KNOWN)),
        ("critical", "critical", False, True, False, Decision("resolved", Why.OVER)),
        ("over", "critical", False, True, True, Decision(None, Why.KNOWN)),
    ],
)
def test_what_is_said(
    said: str, severity_now: str, is_open: bool, worsened: bool, notifies: bool, expected: Decision
) -> None:
    assert decide(said, severity_now, is_open=is_open, worsened=worsened, notifies=notifies) == expected


def test_severity_needs_a_worse_side_and_a_large_change() -> None:
    share = Signal("s", Kind.FLAG, "S", "S.", "quality")
    length = Signal("l", Kind.NUMBER, "L", "L.", "quality", relevant=0.1)
    assert severity("moved", share, 0.9, 0.1) == "notice"
    assert severity("bad", share, 0.9, 0.8) == "serious"
    assert severity("bad", share, 0.9, 0.6) == "critical"
    assert severity("bad", length, 100, 130) == "serious"
    assert severity("bad", length, 100, 200) == severity("bad", length, 200, 100) == "critical"
    assert severity("bad", length, None, 200) == "serious"


def test_an_alert_finds_the_nearest_incident_or_opens_one() -> None:
    one, other = SWITCH, SWITCH + 3 * DAY
    day = (SWITCH + 5 * DAY, SWITCH + 6 * DAY)
    assert home(SWITCH + timedelta(hours=36), day, {1: one, 2: other}) == 1
    assert home(SWITCH + timedelta(hours=37), day, {1: one}) is None
    assert home(SWITCH + timedelta(hours=40), day, {1: one, 2: other}) == 2
    week = (SWITCH - DAY, SWITCH + 6 * DAY)
    assert home(SWITCH + 4 * DAY, week, {1: one}) == 1
    assert home(SWITCH + 4 * DAY, week, {}) is None


def test_the_default_pack_is_every_indicator() -> None:
    found = default_pack()
    assert found
    for name, indicator in found.items():
        assert indicator.name == name
        rule = rule_of(indicator)
        assert rule.states
        assert "ok" not in rule.states
        assert min(rule.for_blocks, rule.clear_blocks) >= 1
    assert rule_of(None) == DEFAULT_RULE


def said(store: Store, project: int) -> list[tuple[str, str]]:
    """Kind and subject of all that was put into the outbox, oldest first."""
    return [(item.kind, item.subject) for item in reversed(queries.notifications(store, project))]


def test_one_trouble_opens_once_and_is_over_once(store: Store, settings: Settings, project: int) -> None:
    for day in range(16):
        state = "bad" if 9 <= day < 12 else "ok"
        say(store, day, state, detail={"since_change": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100 * day}})
        update(store, settings, evening(day), pack())
        (found, *more) = queries.incidents(store, project) or [None]
        assert not more
        if day < 9:
            assert found is None
        else:
            assert found is not None
            assert found.since == SWITCH
            assert found.is_open == (day < 14)
            # Calm days do not water the figures down.
            assert found.alerts[0].n == 100 * min(day, 11)
            assert found.alerts[0].current == (0.511 if day < 12 else 0.84)
    assert [kind for kind, _ in said(store, project)] == ["opened", "resolved"]
    assert said(store, project)[0][1] == "[default] gpt-4 + prime: accuracy 84.0% -> 50.0% since 14 Jan"
    assert said(store, project)[1][1].startswith("[default] Over: gpt-4 + prime: accuracy 84.0% -> 50.0%")
    assert queries.alert_counts(store, project).open == 0
    assert queries.open_alerts(store, project) == []


def test_everything_that_began_together_is_one_incident(store: Store, settings: Settings, project: int) -> None:
    appear(store, "model", "gpt-4-0314", START)
    appear(store, "model", "gpt-4-0613", SWITCH + timedelta(hours=7))
    appear(store, "model", "gpt-3.5-turbo-0613", SWITCH + timedelta(hours=8))
    appear(store, "release", "2.0", SWITCH + 4 * DAY)
    write_profile(store, 9, LENGTH, PRIME, numbers(4.0, 50))
    whole = {"signal": LENGTH, "indicator": "drift", "before": 638.0, "after": 4.0}
    say(store, 9, "moved", segment=PRIME, **whole)
    say(
        store,
        9,
        "moved",
        segment=Segment("model_family", "gpt-4"),
        signal=LENGTH,
        indicator="drift",
        before=600,
        after=90,
        n=230,
    )
    say(store, 9, "moved", segment=WHOLE, signal=LENGTH, indicator="drift", before=650, after=420, n=460)
    say(store, 9, "bad", since=SWITCH + DAY)
    update(store, settings, evening(9), pack())
    # Thin traffic is found out later, with a less certain date.
    say(store, 13, "bad", segment=Segment("language", "de"), days=7, since=SWITCH + 2 * DAY)
    update(store, settings, evening(13), pack())
    (incident,) = queries.open_incidents(store, project)
    assert len(incident.alerts) == 5
    assert incident.title == "gpt-4 + prime: accuracy 84.0% → 51.1%, answer length 638 → 4 characters" or (
        incident.title.startswith("gpt-4 + prime: accuracy 84.0% → 51.1%, ")
    )
    assert [str(item.segment) for item in incident.appeared] == ["model gpt-4-0613", "model gpt-3.5-turbo-0613"]
    assert incident.suspects == {"model": ("gpt-4-0613",)}, "what belongs to the segment of the headline"
    elsewhere = replace(incident, alerts=(replace(incident.alerts[0], segment=WHOLE),))
    assert elsewhere.suspects == {"model": ("gpt-4-0613", "gpt-3.5-turbo-0613")}
    once = [alert.segment for alert in incident.telling if alert.signal == LENGTH]
    assert once == [PRIME], "the wider segments repeat it"
    assert [kind for kind, _ in said(store, project)] == ["opened"]
    assert "more change" not in said(store, project)[0][1], "the wider segments repeat what was said"


def test_another_trouble_is_another_incident(store: Store, settings: Settings, project: int) -> None:
    say(store, 9, "bad")
    update(store, settings, evening(9), pack())
    say(store, 14, "bad", segment=Segment("language", "de"), since=START + 14 * DAY)
    update(store, settings, evening(14), pack())
    assert [item.since for item in queries.open_incidents(store, project)] == [START + 14 * DAY, SWITCH]
    assert [kind for kind, _ in said(store, project)] == ["opened", "opened"]


def test_flapping_says_nothing_more(store: Store, settings: Settings, project: int) -> None:
    for day in range(9, 21):
        say(store, day, "bad" if day % 3 == 0 else "ok")
        update(store, settings, evening(day), pack())
    assert [kind for kind, _ in said(store, project)] == ["opened"]


def test_a_spike_shorter_than_the_rule_leaves_no_trace(store: Store, settings: Settings, project: int) -> None:
    rules = pack(quality=TWICE)
    for day, state in enumerate(("ok", "bad", "ok", "bad", "too_few", "bad", "ok", "ok")):
        say(store, day, state)
        update(store, settings, evening(day), rules)
        assert len(queries.incidents(store, project)) == (day >= 5)
    assert [kind for kind, _ in said(store, project)] == ["opened", "resolved"]


def test_silence_keeps_the_state_and_says_why(store: Store, settings: Settings, project: int) -> None:
    say(store, 9, "bad", n=321)
    update(store, settings, evening(9), pack())
    for day, state in ((10, "no_data"), (11, "too_few"), (12, "no_data"), (13, "no_data")):
        say(store, day, state)
        update(store, settings, evening(day), pack())
    (alert,) = queries.open_alerts(store, project)
    assert alert.kept == Reason.NO_DATA
    assert (alert.before, alert.after, alert.n) == (0.84, 0.511, 321)


def test_moved_then_worse_is_said_twice_and_no_more(store: Store, settings: Settings, project: int) -> None:
    states = {9: "moved", 10: "moved", 11: "bad", 12: "moved", 13: "bad"}
    for day, state in states.items():
        say(store, day, state)
        update(store, settings, evening(day), pack())
    kinds = said(store, project)
    assert [kind for kind, _ in kinds] == ["opened", "worse"]
    assert kinds[1][1].startswith("[default] Worse: gpt-4 + prime: accuracy")


def test_what_does_not_notify_stays_on_the_pages(store: Store, settings: Settings, project: int) -> None:
    rules = pack(drift=Rule(notify=False))
    say(store, 9, "moved", indicator="drift")
    update(store, settings, evening(9), rules)
    assert len(queries.open_incidents(store, project)) == 1
    assert said(store, project) == []
    say(store, 10, "bad")
    update(store, settings, evening(10), rules)
    assert [kind for kind, _ in said(store, project)] == ["opened"]


def test_a_backlog_that_is_over_is_not_said(store: Store, settings: Settings, project: int) -> None:
    late = evening(20)
    for day in range(8, 18):
        say(store, day, "bad" if day == 9 else "ok", computed=late)
    assert update(store, settings, late, pack()) == 2
    (incident,) = queries.incidents(store, project)
    assert not incident.is_open
    assert said(store, project) == []


def test_verdicts_are_taken_once_even_when_some_come_late(store: Store, settings: Settings, project: int) -> None:
    late = evening(20)
    for day in range(8, 14):
        say(store, day, "bad" if day == 9 else "ok", computed=late)
    assert update(store, settings, late, pack()) == 2
    assert update(store, settings, late, pack()) == 0
    # Another process was still writing verdicts of the same moment when these were read.
    say(store, 20, "bad", segment=WHOLE, since=START + 20 * DAY, computed=late)
    assert update(store, settings, late, pack()) == 1
    assert len(queries.incidents(store, project)) == 2
    assert len(queries.open_incidents(store, project)) == 1
    # A day judged again after newer ones moves nothing.
    say(store, 10, "bad", segment=WHOLE, computed=late + timedelta(hours=1))
    assert update(store, settings, late + timedelta(hours=1), pack()) == 0


def test_two_processes_take_them_once(store: Store, settings: Settings, project: int) -> None:
    say(store, 9, "bad")
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: update(store, settings, evening(9), pack()), range(4)))
    assert sum(done) == 1
    assert [kind for kind, _ in said(store, project)] == ["opened"]


def test_projects_do_not_mix(store: Store, settings: Settings, project: int) -> None:
    say(store, 9, "bad")
    say(store, 9, "ok", project="other")
    update(store, settings, evening(9), pack())
    other = store.project("other", 0)
    assert queries.incidents(store, other) == []
    assert queries.notifications(store, other) == []
    assert len(queries.incidents(store, project)) == 1


def test_one_incident_is_found_by_its_id(store: Store, settings: Settings, project: int) -> None:
    from monitor.errors import NotFound

    say(store, 9, "bad")
    update(store, settings, evening(9), pack())
    (found,) = queries.open_incidents(store, project)
    assert queries.incident(store, project, found.id) == found
    assert [item.kind for item in queries.notifications(store, project, incident_id=found.id)] == ["opened"]
    for unknown in (7, 10**20, -1):
        with pytest.raises(NotFound, match=f"no incident {unknown}"):
            queries.incident(store, project, unknown)


def record(
    alert_id: int,
    segment: Segment,
    *,
    signal: str = ACCURACY,
    kind: Kind = Kind.FLAG,
    before: float = 0.84,
    after: float = 0.51,
    n: int = 500,
    severity: str = "critical",
) -> AlertRecord:
    return AlertRecord(
        id=alert_id,
        incident_id=1,
        indicator="quality",
        signal=signal,
        kind=kind,
        segment=segment,
        state="firing",
        severity=severity,
        since=SWITCH,
        opened=SWITCH,
        changed=SWITCH,
        resolved=None,
        before=before,
        after=after,
        low=None,
        high=None,
        n=n,
        current=None,
        effect=None,
        effect_low=None,
        effect_high=None,
        reason="It changed.",
        kept="",
    )


def test_the_narrow_segment_is_named_where_it_explains_the_wide_one() -> None:
    wide = record(1, WHOLE, before=0.84, after=0.68, n=1000)
    assert title([wide, record(2, PRIME)]).startswith("gpt-4 + prime: accuracy 84.0%")


def test_the_wide_segment_is_named_where_the_change_is_everywhere() -> None:
    parts = [record(number, Segment("feature", f"f{number}"), n=250) for number in range(2, 6)]
    assert title([record(1, WHOLE, n=1000), *parts]) == "all traffic: accuracy 84.0% → 51.0%"


def test_the_same_calls_under_other_names_come_last() -> None:
    calls = [
        record(1, Segment("environment", "production"), n=1000),
        record(2, WHOLE, n=1000),
        record(3, Segment("language", "en"), n=995),
        record(4, Segment("feature", "other"), n=300, after=0.95),
    ]
    assert [alert.id for alert in in_order(calls)][:2] == [2, 4]
    assert weigh(calls)[1] == {1, 3}
    apart = [record(number, Segment("tag.plan", f"p{number}"), n=300) for number in (1, 2)]
    assert weigh(apart)[1] == set(), "two values of one dimension have no call in common"


def test_a_change_through_zero_is_never_called_large() -> None:
    mood = Signal("m", Kind.NUMBER, "M", "M.", "quality")
    assert severity("bad", mood, 0.04, -0.01) == "serious"


def test_worse_is_named_before_different_and_known_before_obscure() -> None:
    vector = record(1, PRIME, signal="response_meaning", kind=Kind.VECTOR, before=0.01, after=1.9, severity="notice")
    length = record(2, PRIME, signal="prompt_something", kind=Kind.NUMBER, before=638, after=4, severity="notice")
    assert title([vector, length]).startswith("gpt-4 + prime: prompt something 638 → 4")
    assert title([vector, length, record(3, PRIME)]).startswith("gpt-4 + prime: accuracy")


def test_what_holds_what() -> None:
    assert WHOLE.holds(PRIME)
    assert Segment("model_family", "gpt-4").holds(PRIME)
    assert Segment("feature", "prime").holds(PRIME)
    assert not Segment("feature", "leetcode").holds(PRIME)
    assert PRIME.holds(PRIME)
    assert not PRIME.holds(WHOLE)


def test_the_weekly_summary_comes_once_and_has_the_newest_figures(
    store: Store, settings: Settings, project: int
) -> None:
    for day in range(14):
        write_profile(store, day, "calls", WHOLE, flags(1.0, 10 if day < 7 else 15))
        write_profile(store, day, "cost_usd", WHOLE, numbers(0.02, 10 if day < 7 else 15))
    say(store, 9, "bad")
    update(store, settings, evening(9), pack())
    say(store, 12, "bad", detail={"since_change": {"value": 0.52, "low": 0.5, "high": 0.54, "n": 777}})
    update(store, settings, evening(12), pack())
    assert summarise(store, settings, START + 14 * DAY + timedelta(minutes=10)) == 0
    assert summarise(store, settings, START + 14 * DAY + timedelta(minutes=20)) == 1
    assert summarise(store, settings, START + 15 * DAY) == 0
    (kind, subject) = said(store, project)[-1]
    assert kind == "summary"
    assert subject == (
        "[default] Week 12 to 18 Jan 2026: 1 open incident (gpt-4 + prime: accuracy 84.0% -> 52.0%), "
        "105 calls, $2.10 spent"
    )


def test_a_week_without_anything_is_not_summarised(store: Store, settings: Settings, project: int) -> None:
    assert summarise(store, settings, START + 8 * DAY) == 0
    assert said(store, project) == []


def test_a_mail_that_says_worse_begins_with_what_is_worse() -> None:
    better = record(1, Segment("tag.case", "composite"), before=0.018, after=0.593, n=4000, severity="notice")
    slower = record(2, PRIME, signal="latency_s", kind=Kind.NUMBER, before=14.2, after=37.7, n=43)
    assert [alert.id for alert in in_order([better, slower])] == [1, 2], "the milder one says more, by its size"
    assert title([better, slower]).startswith("gpt-4 + prime: latency 14.2 s → 37.7 s; case composite: accuracy 1.8%")

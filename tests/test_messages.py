"""The rendered mails: what they say, that nothing in them is executed or loaded, that they fit a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, sync_playwright

from monitor.alerts import update
from monitor.alerts.mail import label, mail_of, one_line
from monitor.alerts.message import incident_notification
from monitor.alerts.view import Place, incident_view, since_text
from monitor.alerts.weekly import week_view
from monitor.contracts import WHOLE, Notification, Segment
from monitor.queries import alerts as queries
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

PLACE = Place("https://monitor.example.org", "default")
HOSTILE = '<script>alert(1)</script><img src=http://evil.example/x.png> & "quoted" {{ 7 * 7 }} javascript:alert(1)'


class Elements(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data


def seed(store: Store) -> None:
    """Six days of good answers, then three of bad ones."""
    for day in range(12):
        after = day >= 9
        write_profile(store, day, ACCURACY, PRIME, flags(0.5 if after else 0.84, 50))
        write_profile(store, day, LENGTH, PRIME, numbers(3.9 if after else 638.3, 50))
        write_profile(store, day, "calls", WHOLE, flags(1.0, 100))
    appear(store, "model", "gpt-4-0314", START)
    appear(store, "model", "gpt-4-0613", SWITCH + timedelta(hours=8))
    say(store, 9, "bad", detail={"since_change": {"value": 0.511, "low": 0.442, "high": 0.58, "n": 500}})
    say(store, 9, "moved", indicator="drift", signal=LENGTH, before=638.3, after=3.9)
    for number in range(12):
        say(
            store,
            9,
            "moved",
            indicator="drift",
            signal=LENGTH,
            segment=Segment("tag.plan", f"p{number}"),
            before=90.0,
            after=300.0,
        )


def opened(store: Store, settings: Settings, project: int) -> Notification:
    update(store, settings, evening(9), pack())
    (record,) = queries.incidents(store, project)
    return incident_notification(store, PLACE, record, "opened", evening(9))


def test_a_mail_says_what_for_whom_since_when_and_how_much(store: Store, settings: Settings, project: int) -> None:
    seed(store)
    told = opened(store, settings, project)
    assert told.subject == (
        "[default] gpt-4 + prime: accuracy 84.0% -> 51.1%, response length 638 -> 4 characters "
        "since 14 Jan (+12 more changes)"
    )
    for body in (told.text, Elements(told.html).text):
        for words in (
            "gpt-4 + prime",
            "Since 14 Jan (UTC)",
            "−32.9 points",
            "95% interval 44.2% to 58.0%, 500 calls",
            "model gpt-4-0613 first seen 14 Jan",
            "pin the model that answered before",
            "plan p0",
            "5 to 14 Jan 2026",
        ):
            assert words in body
        assert "gpt-4-0314" not in body
    assert "▇" in told.text or "█" in told.text
    assert re.search(r"and \d+ more: https://monitor", told.text)


def test_links_open_the_calls_on_both_sides(store: Store, settings: Settings, project: int) -> None:
    seed(store)
    told = opened(store, settings, project)
    links = [urlsplit(attributes["href"]) for tag, attributes in Elements(told.html).tags if tag == "a"]
    assert {link.scheme for link in links} == {"https"}
    assert {link.netloc for link in links} == {"monitor.example.org"}
    since, before = (parse_qs(link.query) for link in links[:2])
    assert since["segment"] == before["segment"] == ["model_family+feature:gpt-4 + prime"]
    assert since["from"] == before["to"] == ["2026-01-14T00:00Z"]
    assert since["project"] == ["default"]
    assert {link.path for link in links} == {"/explorer", "/drift", "/alerts"}


def test_links_without_a_public_address_lead_to_the_server() -> None:
    assert Place.of(Settings(host="10.0.0.5", port=8051), "p").base == "http://10.0.0.5:8051"
    assert Place.of(Settings(public_url="https://m.example.org"), "p").base == "https://m.example.org"


def test_hostile_text_stays_text(store: Store, settings: Settings, project: int) -> None:
    segment = Segment("feature", HOSTILE)
    appear(store, "model", "gpt-4-0314", START)
    appear(store, "model", HOSTILE, SWITCH + timedelta(hours=1))
    say(store, 9, "bad", segment=segment, signal="feedback.<b>bold</b>", reason=HOSTILE)
    say(store, 9, "bad", segment=segment, signal="feedback.other", reason=HOSTILE)
    told = opened(store, settings, project)
    parsed = Elements(told.html)
    assert {tag for tag, _ in parsed.tags}.isdisjoint({"script", "img", "b", "iframe", "object", "form", "svg", "link"})
    assert all(not name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert "<script>alert(1)</script>" in parsed.text
    assert "{{ 7 * 7 }}" in parsed.text
    assert "49" not in parsed.text
    assert {urlsplit(attributes["href"]).netloc for tag, attributes in parsed.tags if tag == "a"} == {
        "monitor.example.org"
    }
    assert "\n" not in told.subject


def test_nothing_is_loaded_from_anywhere(store: Store, settings: Settings, project: int) -> None:
    seed(store)
    told = opened(store, settings, project)
    parsed = Elements(told.html)
    assert {tag for tag, _ in parsed.tags}.isdisjoint({"img", "link", "script", "iframe", "video", "audio", "source"})
    assert all({"src", "srcset", "background", "data"}.isdisjoint(attributes) for _, attributes in parsed.tags)
    assert "url(" not in told.html
    assert "@import" not in told.html
    assert len(told.html) < 100_000  # longer ones are cut by mail programs


def test_styles_stand_in_the_elements_and_dark_in_the_sheet(store: Store, settings: Settings, project: int) -> None:
    seed(store)
    html = opened(store, settings, project).html
    assert re.search(r'<h1[^>]* style="[^"]*font-size', html)
    assert "prefers-color-scheme: dark" in html or "prefers-color-scheme:dark" in html
    assert 'name="color-scheme" content="light dark"' in html


def test_a_header_cannot_be_smuggled_in(settings: Settings) -> None:
    subject = "a\r\nBcc: eve@example.org\x00b"
    notification = Notification("key", "opened", "p\nq", subject, "t", "<p>t</p>", {}, evening(9))
    message = mail_of(notification, settings)
    assert message["bcc"] is None
    assert message["subject"] == "a Bcc: eve@example.org b"
    assert b"Bcc:" not in message.as_bytes().split(b"Subject:")[0]
    assert one_line("a\n\tb") == "a b"
    assert label("../../etc Ü") == "etc"
    assert label("") == "localhost"


def test_what_is_over_says_how_things_are_now(store: Store, settings: Settings, project: int) -> None:
    seed(store)
    update(store, settings, evening(9), pack())
    streams = [("quality", ACCURACY, PRIME, 0.83), ("drift", LENGTH, PRIME, 640.0)]
    streams += [("drift", LENGTH, Segment("tag.plan", f"p{number}"), 90.0) for number in range(12)]
    for day in (10, 11, 12):
        for indicator, signal, segment, value in streams:
            say(store, day, "ok", indicator=indicator, signal=signal, segment=segment, before=value)
        update(store, settings, evening(day), pack())
    (record,) = queries.incidents(store, project)
    assert not record.is_open
    told = incident_notification(store, PLACE, record, "resolved", evening(12))
    assert told.subject.startswith("[default] Over: gpt-4 + prime: accuracy 84.0% -> 51.1%")
    for body in (told.text, Elements(told.html).text):
        assert "is over after 4 days" in body or "over after 4 days" in body
        assert "84.0% before it began" in body
        assert "83.0%" in body
        assert "What to do next" not in body


def test_feedback_that_is_not_certain_yet_is_shown_without_a_claim(
    store: Store, settings: Settings, project: int
) -> None:
    for day in range(10):
        write_profile(store, day, ACCURACY, PRIME, flags(0.5 if day >= 9 else 0.84, 50))
    say(store, 9, "moved", indicator="drift", signal=LENGTH, before=638.3, after=3.9)
    told = opened(store, settings, project)
    for body in (told.text, Elements(told.html).text):
        assert "not certain yet" in body.lower()
        assert "accuracy 84.0% → 50.0% (450 and 50 calls)" in body


def test_a_gap_a_forecast_and_a_move_of_meaning_are_said_as_such(
    store: Store, settings: Settings, project: int
) -> None:
    language = Segment("language", "de")
    say(store, 9, "bad", indicator="gap", signal="refusal", segment=language, before=0.02, after=0.2)
    say(
        store,
        9,
        "bad",
        indicator="volume",
        signal="calls",
        segment=WHOLE,
        before=400.0,
        after=12.0,
        detail={"interval": "range of the expected number of calls"},
    )
    say(store, 9, "moved", indicator="drift", signal="response_meaning", segment=PRIME, before=0.0, after=0.83)
    rules = dict(pack(gap=None, volume=None))
    rules["gap"] = replace(rules["gap"], against="others")
    update(store, settings, evening(9), rules)
    (record,) = queries.incidents(store, project)
    told = incident_notification(store, PLACE, record, "opened", evening(9))
    text = told.text.lower()
    assert re.search(r"refusals:? 20.0%, others 2.0%", text)
    assert re.search(r"volume:? 400 → 12 calls a day", text)
    assert re.search(r"expected 1[12]", text)
    assert "gpt-4 + prime\n- topics of responses moved by 0.83 (standard deviations between users)" in text


def test_trouble_of_the_monitor_is_told_in_a_sentence_with_what_to_do(
    store: Store, settings: Settings, project: int
) -> None:
    rules = dict(pack(silence=None))
    rules["silence"] = replace(rules["silence"], against="pulse")
    reason = "The newest call is 12 hours old; the longest pause of four weeks was 3 hours."
    say(store, 9, "bad", indicator="silence", signal="", segment=WHOLE, before=6.0, after=12.0, reason=reason)
    update(store, settings, evening(9), rules)
    (record,) = queries.incidents(store, project)
    told = incident_notification(store, PLACE, record, "opened", evening(9))
    assert told.subject == f"[default] {reason.rstrip('.')}"
    for body in (told.text, Elements(told.html).text):
        assert "This monitor" in body
        assert body.count(reason) == 1
        assert "Look at Senders" in body
        for beside_the_point in ("all traffic", "Calls before", "Read a few calls", "0 calls", "model"):
            assert beside_the_point not in body
    assert {urlsplit(item["href"]).path for tag, item in Elements(told.html).tags if tag == "a"} == {
        "/senders",
        "/",
        "/alerts",
    }


def test_changes_of_one_segment_stand_together_and_what_got_better_is_not_red(
    store: Store, settings: Settings, project: int
) -> None:
    say(store, 9, "bad", before=0.84, after=0.51)
    for signal, after in (("response_words", 2.0), ("prompt_characters", 9.0)):
        say(store, 9, "moved", indicator="drift", signal=signal, before=100.0, after=after)
    say(store, 9, "bad", indicator="drift", signal="latency_s", segment=Segment("feature", "x"), before=9.0, after=5.0)
    update(store, settings, evening(9), pack())
    (record,) = queries.incidents(store, project)
    view = incident_view(store, PLACE, record, evening(9))
    assert len({group.where for group in view.groups}) == len(view.groups)
    assert {line.what: line.tone for group in view.groups for line in group.lines}["latency"] == "moved"
    assert since_text(evening(9), evening(9)) == "15 Jan, 00:20 UTC"


def test_the_summary_has_open_and_ended_incidents(store: Store, settings: Settings, project: int) -> None:
    seed(store)
    say(store, 8, "bad", signal="feedback.helpful", segment=WHOLE, since=START + DAY)
    for day in range(8, 12):
        if day > 8:
            say(store, day, "ok", signal="feedback.helpful", segment=WHOLE)
        update(store, settings, evening(day), pack())
    view = week_view(store, PLACE, project, START + 14 * DAY + timedelta(minutes=20))
    assert view is not None
    assert view.standing == "1 incident is open, 1 ended this week."
    assert view.calls == "500 calls"
    assert view.calls_change == "29% fewer"
    assert [item.title.split(":")[0] for item in view.incidents] == ["gpt-4 + prime"]
    assert [item.title.split(":")[0] for item in view.resolved] == ["all traffic"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened_browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield opened_browser
        opened_browser.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 700])
def test_it_fits_the_width_and_asks_no_host(
    store: Store, settings: Settings, project: int, tmp_path: Path, browser: Browser, width: int, scheme: str
) -> None:
    seed(store)
    page_file = tmp_path / "mail.html"
    page_file.write_text(opened(store, settings, project).html)
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert asked == [page_file.as_uri()]
    background = page.evaluate("getComputedStyle(document.querySelector('.sheet')).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(33, 35, 39)")
    page.close()

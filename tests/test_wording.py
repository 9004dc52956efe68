"""How numbers and dates are written for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor import wording
from monitor.contracts import WHOLE, Kind, Segment, Signal


def signal(kind: Kind, unit: str = "") -> Signal:
    return Signal("s", kind, "Signal", "A signal.", "quality", unit=unit)


@pytest.mark.parametrize(
    ("kind", "unit", "value", "text"),
    [
        (Kind.FLAG, "", 0.5111, "51.1%"),
        (Kind.FLAG, "", 0.0, "0%"),
        (Kind.FLAG, "", 1.0, "100%"),
        (Kind.FLAG, "", 0.0004, "0.04%"),
        (Kind.CATEGORY, "", 0.84, "84.0%"),
        (Kind.NUMBER, "characters", 638.2, "638 characters"),
        (Kind.NUMBER, "characters", 3.95, "3.95 characters"),
        (Kind.NUMBER, "tokens", 12345.0, "12,345 tokens"),
        (Kind.NUMBER, "", -0.0421, "−0.042"),
        (Kind.NUMBER, "USD", 0.00421, "$0.0042"),
        (Kind.NUMBER, "$", 12.5, "$12.50"),
        (Kind.NUMBER, "$", 1234.5, "$1,234"),
        (Kind.NUMBER, "s", 0.42, "420 ms"),
        (Kind.NUMBER, "s", 1.2, "1.20 s"),
        (Kind.NUMBER, "s", 125.0, "2 min 5 s"),
        (Kind.NUMBER, "s", 7300.0, "2 h 1 min"),
        (Kind.NUMBER, "", float("nan"), "–"),
        (Kind.NUMBER, "", None, "–"),
    ],
)
def test_values(kind: Kind, unit: str, value: float | None, text: str) -> None:
    assert wording.format_value(signal(kind, unit), value) == text


def test_changes_and_intervals_carry_the_unit() -> None:
    share, length = signal(Kind.FLAG), signal(Kind.NUMBER, "characters")
    assert wording.format_change(share, 0.84, 0.511) == "84.0% → 51.1%"
    assert wording.format_change(length, 638.3, 3.9, arrow="->", with_unit=True) == "638 -> 4 characters"
    assert wording.format_interval(share, 0.44, 0.58) == "95% interval 44.0% to 58.0%"
    assert wording.format_interval(share, None, 0.58) == ""
    assert wording.format_difference(share, 0.84, 0.511) == "−32.9 points"
    assert wording.format_difference(length, 638, 4) == "−99%"
    assert wording.format_difference(length, 100, 320) == "3.2 times as much"
    assert wording.format_difference(length, 0, 3) == "+3"
    assert wording.format_difference(length, None, 3) == ""


def test_dates() -> None:
    moment = datetime(2023, 10, 14, 8, 5, tzinfo=UTC)
    assert wording.day(moment) == "14 Oct 2023"
    assert wording.day(moment, moment + timedelta(days=30)) == "14 Oct"
    assert wording.day(moment, moment + timedelta(days=300)) == "14 Oct 2023"
    assert wording.moment_text(moment) == "14 Oct 2023, 08:05 UTC"
    start = datetime(2023, 10, 9, tzinfo=UTC)
    assert wording.period(start, start + timedelta(days=7)) == "9 to 15 Oct 2023"
    assert wording.period(start, start + timedelta(days=30)) == "9 Oct to 7 Nov 2023"
    assert wording.period(start, start + timedelta(days=1)) == "9 Oct 2023"
    assert wording.duration(timedelta(days=3, hours=4)) == "3 days"
    assert wording.duration(timedelta(minutes=61)) == "1 hour"
    assert wording.duration(timedelta(seconds=5)) == "1 minute"


def test_one_is_not_many() -> None:
    words = Signal("response_words", Kind.NUMBER, "Response words", "", "usage", unit="words")
    assert wording.format_change(words, 131, 1, with_unit=True) == "131 → 1 word"
    assert wording.format_value(words, 1.5) == "1.5 words"
    assert wording.bracketed("so") == " (so)"
    assert wording.bracketed("") == ""


def test_segments() -> None:
    assert wording.segment_text(WHOLE) == "all traffic"
    assert wording.segment_text(Segment("model_family+feature", "gpt-4 + prime")) == "gpt-4 + prime"
    assert wording.segment_text(Segment("language", "de")) == "language de"
    assert wording.segment_text(Segment("tag.plan", "free")) == "plan free"
    assert wording.dimension_text("model_family+feature") == "model family + feature"


def test_sparkline_and_counts() -> None:
    assert wording.sparkline([0.0, 0.5, None, 1.0]) == "▁▅·█"
    assert wording.sparkline([None]) == ""
    assert wording.plural(1, "call") == "1 call"
    assert wording.plural(2300, "call") == "2,300 calls"
    assert wording.shortened("a\n b" * 40, 10) == "a ba ba b…"
    assert [wording.listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"], list("abcdefg"))] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        "a, b, c and 4 more",
    ]

"""No text makes an enricher or the redaction slow: whatever repeats, time grows with the length of the text only."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from monitor.enrich import enrichers
from monitor.records import Message, Span
from monitor.redaction import KINDS, Redactor
from monitor.settings import Settings
from tests.conftest import NOW

LENGTH = 20_000
SECONDS = 0.6
"""CPU time for a text of that length in all places of a call."""
WHOLE = 200_000
WHOLE_SECONDS = 6.0

PIECES = [
    "a", " ", "\n", "\t", "1", "-", ".", "@", "=", ":", "/", "<", "[", "{", "(", '"', "'", "`", "#", "*", "|",
    "_", "!", "?", "é", "中", "あ", "🙂", "\u200b", "a ", "A ", "Aa ", "1 ", "1-", "1.", "a.", "a@", "a@b.", "a=",
    "a: ", "a\n", "\n \n", "- a\n", "1. a\n", "| - ", "|--|", "```", "```\n", "<!--", "<a style=",
    "display:none>", "http://", "https://a.b/", "key=", "password: ", "token = '", "sk-", "-sk-", "eyJ",
    "-eyJ", "-----BEGIN ", "AKIA", "Bearer ", "+49 ", "0", "00 ", "+1 (", "555-", "192.", "::", "1:", "DE12 ",
    "born 1", "12/", "Dr. A", "My name is A ", "John ", "St. ", "12 Main ", "I'm sorry ", "I cannot ", "but ",
    "but i can ", "ignore ", "ignore all previous ", "you are ", "no ", "not ", "very ", "good ", "bad! ",
    "kill all the ", "women are ", "you ", "i will not be ", "the the ", "in 20", "2025 ", "march ",
    "as of my ", "might ", "yes or ", "one word ", "at most ", "json ", "list of ", "table ", "twenty-",
    "one hundred and ", "U.S. ", "A. ", "x'x'", "a-b-", "a_b_", "(a ", "[a](", "SELECT a FROM ", "def a(",
    "@a\n", "// ", "if a", "a.a", "a(", "a[", "</a", "your answer ",
    "print ", "print '", "assistant: ", "\nuser: ", "[system ", "--- ", "![", "ai, ",
    "note to ", "send all messages ", "in your reply ", "<system ", "loool", "ha", "Apt. 1", "1 Aa Aa ",
    "Apt ", "Aweg 1 ", "\u202e", "\x00", "\ud800",
]  # fmt: skip


def texts(length: int) -> list[tuple[str, str]]:
    """Pieces said over and over, with an end that does not fit; and pieces in random order."""
    generator = random.Random(4)
    made = [(repr(piece), piece * (length // len(piece)) + "\u00a7") for piece in PIECES]
    for index in range(12):
        few = generator.sample(PIECES, 4)
        made.append((f"{index}: {few!r}", "".join(generator.choices(few, k=length // 3))[:length]))
    return made


def call(text: str) -> Span:
    return Span(
        trace_id="1" * 32,
        span_id="1" * 16,
        time=NOW,
        model="gpt-4",
        prompt=(Message("system", text), Message("user", text)),
        response=text,
        context=(text, text),
        reference=(text,),
    )


def slow_texts(work: Callable[[str], object], length: int, limit: float) -> dict[str, float]:
    """The texts that take longer than the limit, and how long."""
    work("Warm up with 3 words and +49 30 901820, please.")
    slow = {}
    for name, text in texts(length):
        started = time.process_time()
        work(text)
        taken = time.process_time() - started
        if taken > limit:
            slow[name] = round(taken, 2)
    return slow


WORK: dict[str, Callable[[str], object]] = {
    **{
        name: lambda text, enricher=enricher: enricher.compute([call(text)], Settings())  # type: ignore[misc]
        for name, enricher in enrichers().items()
    },
    "redaction": Redactor(Settings(redaction_kinds=KINDS)).mask,
}


@pytest.mark.parametrize("name", WORK)
def test_no_text_is_slow(name: str) -> None:
    assert slow_texts(WORK[name], LENGTH, SECONDS) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORK)
def test_no_text_of_the_greatest_length_is_slow(name: str) -> None:
    assert slow_texts(WORK[name], WHOLE, WHOLE_SECONDS) == {}

"""Complaints and their themes: which comments are complaints, groups, names, quotes, trends, and how stable all is."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import func, select

from monitor import tables
from monitor.contracts import JobContext
from monitor.feedback.clustering import NEVER_SEEN, NO_GROUP, Grouping, agreement, group, group_apart
from monitor.feedback.comments import measure_comments, sentiment_of
from monitor.feedback.complaints import Said, is_complaint, scales
from monitor.feedback.trends import trend
from monitor.queries.themes import theme_comments, themes
from monitor.settings import Settings
from monitor.store import Store, table_of
from monitor.tasks import themes as job
from tests import comments

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return comments.complaints()[:400]


@pytest.fixture(scope="module")
def grouped(texts: list[str]) -> Grouping:
    return group(texts, range(len(texts)))


def test_what_is_a_complaint() -> None:
    said = [Said("stars", float(value), False, "", None) for value in range(1, 6)]
    assert [is_complaint(one, scales(said)) for one in said] == [True, True, False, False, False]
    assert is_complaint(Said("thumb", 0.0, True, "", 0.9), {})
    assert not is_complaint(Said("thumb", 1.0, True, "", -0.9), {})
    assert is_complaint(Said("thumbs_down", 1.0, True, "", None), {})
    assert is_complaint(Said("verdict", None, False, "Bad", None), {})
    assert is_complaint(Said("note", None, False, "", -0.5), {})
    assert not is_complaint(Said("note", None, False, "", None), {})
    always = [Said("stars", 5.0, False, "", -0.9)] * 9
    assert is_complaint(always[0], scales(always)), "a rating that never differs says nothing; the words do"


def test_reshuffled_comments_make_the_same_groups(texts: list[str], grouped: Grouping) -> None:
    first = grouped
    assert 3 <= len(first.groups) <= 10
    order = list(range(len(texts)))
    random.Random(4).shuffle(order)
    second = group([texts[place] for place in order], range(len(texts)))
    back = np.empty(len(texts), dtype=np.int64)
    back[order] = second.labels
    assert agreement(np.array(first.labels), back) >= 0.99
    assert sorted(one.phrases for one in first.groups) == sorted(one.phrases for one in second.groups)


def test_a_tenth_more_comments_leave_the_groups_as_they_are(texts: list[str]) -> None:
    for seed in range(2):
        order = texts[:]
        random.Random(seed).shuffle(order)
        size = round(len(order) / 1.1)
        before = group(order[:size], range(size))
        labels = [*before.labels, *[NEVER_SEEN] * (len(order) - size)]
        after = group(order, range(len(order)), labels)
        assert agreement(np.array(before.labels), np.array(after.labels[:size])) >= 0.8
        placed = sum(label != NO_GROUP for label in after.labels[size:])
        assert placed >= 0.5 * (len(order) - size), "new comments find their groups"


def test_a_new_complaint_makes_a_group_of_its_own(texts: list[str], grouped: Grouping) -> None:
    before = grouped
    new = [f"The login page crashed again on my phone number {number}" for number in range(40)]
    after = group([*texts, *new], range(len(texts) + 40), [*before.labels, *[NEVER_SEEN] * 40])
    fresh = {after.labels[place] for place in range(len(texts), len(texts) + 40)}
    assert len(fresh) == 1
    (number,) = fresh
    assert number != NO_GROUP
    assert any(word in " ".join(after.groups[number].phrases) for word in ("login", "crashed", "phone"))


def test_each_group_has_quotes_that_are_its_own_and_a_name_that_several_people_use(
    texts: list[str], grouped: Grouping
) -> None:
    found = grouped
    for place, one in enumerate(found.groups):
        assert 1 <= len(one.typical) <= 3
        assert all(found.labels[index] == place for index in one.typical)
        first = one.phrases[0].split()[-1].rstrip("s")
        assert sum(first in text.lower() for text in texts) >= 5
    alone = group(texts[:100], [0] * 100)
    assert not alone.groups, "words of a single person are never a name"


def test_few_comments_make_no_groups() -> None:
    few = group(["The answer is wrong"] * 500 + ["It is slow"], range(501))
    assert few.groups == ()
    assert set(few.labels) == {NO_GROUP}


def test_the_other_process_finds_the_same(texts: list[str]) -> None:
    some = texts[:60]
    assert group_apart(some, range(60)) == group(some, range(60))


def test_trends() -> None:
    assert trend(30, 100, 5, 100, 6) == "growing"
    assert trend(30, 100, 0, 100, 6) == "new"
    assert trend(2, 100, 30, 100, 6) == "shrinking"
    assert trend(12, 100, 10, 100, 6) == "steady"
    assert trend(9, 10, 0, 100, 6) == "too_few"


def test_trends_of_nothing_are_rarely_found() -> None:
    dice = random.Random(3)
    found = 0
    for _ in range(300):
        recent = sum(dice.random() < 0.15 for _ in range(120))
        earlier = sum(dice.random() < 0.15 for _ in range(600))
        found += trend(recent, 120, earlier, 600, 6) != "steady"
    assert found <= 3, "1 % of searches over six themes, so a sixth of that for one theme"


def test_sentiment_of_comments_is_a_signal(store: Store, settings: Settings, project: int, now: datetime) -> None:
    from monitor.enrich import enrich_pending
    from monitor.profiles import refresh
    from monitor.queries.feedback import feedback_series

    assert sentiment_of("Das ist leider völlig falsch und hilft überhaupt nicht weiter, sehr schade.") is None
    comments.send(store, settings, [(1, "This is horrible and useless."), (4, "Great, thank you!")], now - DAY, now)
    assert measure_comments(store, now) == 2
    assert measure_comments(store, now) == 0
    enrich_pending(store, settings, now, limit=100)
    refresh(store, settings, now)
    series = {one.name: one for one in feedback_series(store, project, _day(), now - 2 * DAY, now + DAY)}
    assert series["comment_sentiment"].total.n == 2
    comments.send(store, settings, [(1, "I like it now.")], now - DAY, now)
    assert measure_comments(store, now) == 1, "a comment that was replaced is measured again"


def _day() -> object:
    from monitor.clock import BlockLength

    return BlockLength.DAY


def test_themes_are_stored_and_last(store: Store, settings: Settings, project: int, now: datetime) -> None:
    context = JobContext(store, settings, now)
    assert job.run(context)[0] == 0
    said = [(row["rating"], row["comment"]) for row in comments.rated()[:300]]
    comments.send(store, settings, said, now - 60 * DAY, now)
    assert job.run(context)[0] >= 3
    found = themes(store, project)
    assert found is not None
    assert found.complaints == sum(rating <= 2 for rating, _ in said)
    assert job.run(context) == (0, "0 themes"), "nothing new, nothing done"
    assert sum(theme.complaints for theme in found.themes) <= found.complaints
    for theme in found.themes:
        assert theme.name
        assert theme.quotes
        assert all(quote.comment and quote.trace_id for quote in theme.quotes)
        assert sum(theme.weeks) == theme.complaints == theme.recent + theme.earlier
        page = theme_comments(store, project, theme.id, limit=5)
        assert len(page.notes) == 5
        assert page.following
    new = [(1, f"It logged me out of the application again, version {number}") for number in range(36)]
    comments.send(store, settings, new, now - 5 * DAY, now, first=5_000)
    later = JobContext(store, settings, now + timedelta(hours=1))
    job.run(later)
    again = themes(store, project)
    assert again is not None
    assert {theme.id for theme in found.themes} <= {theme.id for theme in again.themes}, "themes keep their identity"
    fresh = [theme for theme in again.themes if theme.id not in {one.id for one in found.themes}]
    assert [theme.state for theme in fresh] == ["new"]
    assert "logged" in fresh[0].name or "application" in fresh[0].name
    assert any(part["value"] == "v2" for part in fresh[0].segments)


def test_what_is_erased_is_gone_from_the_themes(store: Store, settings: Settings, project: int, now: datetime) -> None:
    from monitor.erasing import Scope, erase

    said = [(row["rating"], row["comment"]) for row in comments.rated()[:300]]
    comments.send(store, settings, said, now - 30 * DAY, now)
    job.run(JobContext(store, settings, now))
    erase(store, project, Scope(before=now + DAY), b"key", now)
    left = themes(store, project)
    assert left is not None
    assert not [quote for theme in left.themes for quote in theme.quotes]
    job.run(JobContext(store, settings, now + DAY))
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(table_of(tables.Theme))).scalar_one() == 0

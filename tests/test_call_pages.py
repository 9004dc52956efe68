"""What the pages about calls say: explorer, usage, quality, safety, fairness, over data with known figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from dash import dcc, html
from dash.development.base_component import Component

from dashboards import texts
from dashboards.app import Context
from dashboards.pages import explorer, fairness, feedback, quality, safety, usage
from monitor import tables
from monitor.clock import to_microseconds
from monitor.identifiers import new_id
from monitor.records import HIDDEN, Message, Span
from monitor.rows import body_row, span_row
from monitor.settings import Settings
from monitor.store import Store
from tests.synthetic import DAYS, START, fill

END = START + timedelta(days=DAYS)
PAGES = {
    page.path: page for page in (explorer.PAGE, usage.PAGE, quality.PAGE, feedback.PAGE, safety.PAGE, fairness.PAGE)
}
GROUPS = "language,tag.plan"


def shown(store: Store, settings: Settings, path: str, search: str = "") -> Component:
    """The tree of a page for an address."""
    request = Context(store, settings).request(path, search, END)
    assert not request.problems
    tree = PAGES[path].layout(request)
    assert isinstance(tree, Component)
    return tree


def parts(tree: Any) -> Iterator[Component]:
    """Every component of a tree."""
    yield tree
    for part in tree._traverse():
        if isinstance(part, Component):
            yield part


def words(tree: Any) -> str:
    """All that a tree says, in order."""
    if tree is None:
        return ""
    if isinstance(tree, str | int | float):
        return f"{tree} "
    if isinstance(tree, list | tuple):
        return "".join(words(part) for part in tree)
    return words(getattr(tree, "children", None))


def hrefs(tree: Component) -> dict[str, str]:
    """The links by what they say."""
    return {words(part).strip(): part.href for part in parts(tree) if isinstance(part, dcc.Link)}


def put(store: Store, project: int, one: Span) -> None:
    """Stores one span."""
    identifier = new_id(one.time)
    body = body_row(project, identifier, one)
    with store.write() as connection:
        store.insert_encoded(connection, tables.Span, [span_row(project, identifier, one, 0)])
        store.insert_encoded(connection, tables.Body, [body] if body else [])


def judged(store: Store, project: int, signal: str, value: str, state: str, **fields: Any) -> None:
    """Stores a comparison of a language with the others."""
    day = to_microseconds(END - timedelta(days=1))
    row = {
        "project_id": project,
        "indicator": "fairness",
        "signal": signal,
        "dimension": "language",
        "value": value,
        "start": day,
        "end": to_microseconds(END),
        "window_start": day,
        "computed": day,
        "state": state,
        "reason": "As it is.",
        "n": 300,
        "effective_n": 200.0,
        "number": None,
        "baseline": None,
        "effect": None,
        "effect_low": None,
        "effect_high": None,
        "detail": {},
        **fields,
    }
    with store.write() as connection:
        store.insert(connection, tables.Verdict, [row])


# Texts


def test_texts_are_never_read_as_html_or_markdown(store: Store, settings: Settings) -> None:
    project = fill(store, 120, hostile=True)
    page = shown(store, settings, "/explorer")
    links = hrefs(page)
    opened = next(href for text, href in links.items() if text == "23:46:24" or "trace=" in href)
    call = shown(store, settings, "/explorer", opened.partition("?")[2])
    for tree in (page, call, *(shown(store, settings, path) for path in ("/quality", "/feedback", "/safety"))):
        for part in parts(tree):
            assert not isinstance(part, dcc.Markdown)
            assert not hasattr(part, "dangerously_allow_html")
            assert "javascript:" not in str(getattr(part, "href", ""))
    assert "<script>alert(2)</script>" in words(page)
    assert project


def test_direction_overrides_and_control_characters_are_made_visible() -> None:
    assert texts.visible("a\u202eb\x00c\nd\te") == "a⟨U+202E⟩b⟨U+0000⟩c\nd\te"


def test_masks_are_marked_and_other_brackets_are_not() -> None:
    written = texts.written("Mail [EMAIL] or [Yes] or [SECRET].")
    marks = [part for part in written if isinstance(part, html.Mark)]
    assert [part.children for part in marks] == ["[EMAIL]", "[SECRET]"]
    assert words(written).replace(" ", "") == "Mail[EMAIL]or[Yes]or[SECRET]."


def test_long_texts_are_cut_and_the_rest_is_there() -> None:
    written = texts.written("x" * 50_000)
    assert len(written[0]) == texts.SHOWN_CHARACTERS
    assert "30,000 more characters" in words(written)


def test_what_the_sender_hid_is_said_to_be_hidden() -> None:
    assert "hidden by the sender" in words(texts.written(HIDDEN))


def test_a_role_cannot_choose_its_style() -> None:
    item = texts.message(Message('user" onload="x', "hello"))
    assert item.className == "message message-other"


# Explorer


def test_the_list_says_what_it_is_narrowed_to_and_each_condition_can_go(store: Store, settings: Settings) -> None:
    fill(store, 120)
    page = shown(
        store, settings, "/explorer", "?signal=refusal;latency_s:1..&text=invoice&status=ok&segment=feature:search"
    )
    said = words(page)
    for condition in ("search", "Refusals: yes", "Latency at least 1.00 s", "contains “invoice”", "succeeded"):
        assert condition in said
    without = next(href for text, href in hrefs(page).items() if "Without Refusals" in text)
    assert "refusal" not in without
    assert "latency_s%3A1" in without
    assert "segment=feature%3Asearch" in without


def test_a_malformed_condition_is_said_and_the_page_stays(store: Store, settings: Settings) -> None:
    fill(store, 20)
    page = shown(store, settings, "/explorer", "?signal=:nothing")
    assert "is not a condition on a signal" in words(page)
    assert any(isinstance(part, html.Table) for part in parts(page))


def test_older_calls_follow(store: Store, settings: Settings) -> None:
    fill(store, 120)
    first = shown(store, settings, "/explorer")
    second = shown(store, settings, "/explorer", hrefs(first)["Older calls"].partition("?")[2])
    opened = [{href for href in hrefs(page).values() if "span=" in href} for page in (first, second)]
    assert len(opened[0] | opened[1]) >= len(opened[0]) + len(opened[1])
    assert "Newest" in hrefs(second)


@pytest.mark.parametrize("place", ["x", "-1", "9" * 19, "99999999999999999999", "1e5"])
def test_a_place_that_makes_no_sense_is_the_beginning_or_the_end(store: Store, settings: Settings, place: str) -> None:
    fill(store, 20)
    assert "Explorer" in words(shown(store, settings, "/explorer", f"?before={place}"))


def test_a_call_with_everything(store: Store, settings: Settings) -> None:
    project = fill(store, 20)
    put(
        store,
        project,
        Span(
            trace_id="t",
            span_id="s",
            time=END - timedelta(hours=1),
            model="gpt-9",
            prompt=(Message("system", "Be brief."), Message("assistant", parts='[{"tool": "search"}]')),
            response="Fine.",
            context=("A document.",),
            status="error",
            error="upstream timed out",
            masked={"email": 2},
            attributes={"app.secret_sauce": {"a": 1}},
            tags={"plan": "pro"},
        ),
    )
    said = words(shown(store, settings, "/explorer", "?trace=t&span=s"))
    for expected in (
        "It failed", "upstream timed out", "Be brief.", "Fine.", "A document.", "search", "e-mail address (2)",
        "app.secret_sauce", "plan", "not measured yet", "unknown",
    ):  # fmt: skip
        assert expected in said


def test_what_is_not_stored_is_said_so(store: Store, settings: Settings) -> None:
    fill(store, 20)
    assert "No such call" in words(shown(store, settings, "/explorer", "?trace=t&span=s"))
    assert "No such trace" in words(shown(store, settings, "/explorer", "?trace=t"))


# Usage, quality, safety


def test_an_unknown_price_is_unknown_and_never_free(store: Store, settings: Settings) -> None:
    fill(store, 120)
    page = shown(store, settings, "/usage", "?segment=model:gpt-3.5-turbo-0301")
    said = words(page)
    assert "unknown" in said
    assert "$0 " not in said
    assert "No call of the range has a known price" in said
    whole = words(shown(store, settings, "/usage"))
    assert "The price of 12 calls (10.0%) is unknown" in whole


def test_points_of_charts_lead_to_the_calls_of_their_day(store: Store, settings: Settings) -> None:
    fill(store, 120)
    page = shown(store, settings, "/usage", "?segment=feature:search")
    graphs = [part for part in parts(page) if isinstance(part, dcc.Graph)]
    assert len(graphs) >= 6
    for graph in graphs:
        for trace in graph.figure.data:
            links = list(trace.customdata)
            assert len(links) == len(trace.x)
            assert all(link.startswith("/explorer?") and "from=" in link and "segment=" in link for link in links)


def test_comments_lead_to_their_calls(store: Store, settings: Settings) -> None:
    fill(store, 300)
    page = shown(store, settings, "/feedback")
    assert "Thumb" in words(page)
    opened = hrefs(page)["Show the call"]
    assert "No such call" not in words(shown(store, settings, "/explorer", opened.partition("?")[2]))


def test_safety_says_what_was_masked(store: Store, settings: Settings) -> None:
    fill(store, 120)
    said = words(shown(store, settings, "/safety"))
    assert "E-mail address [EMAIL] 12 100%" in said
    assert "In 12 calls in the range." in said


@pytest.mark.parametrize("path", list(PAGES))
def test_pages_of_a_segment_without_calls_say_so(store: Store, settings: Settings, path: str) -> None:
    fill(store, 20)
    page = shown(store, settings, path, "?segment=feature:nothing")
    assert any(text in words(page) for text in ("No call", "No feedback", "Nothing", "compared"))
    json.dumps(page.to_plotly_json(), default=lambda part: part.to_plotly_json())


# Fairness


def test_three_verdicts_never_two(store: Store, settings: Settings) -> None:
    project = fill(store, 400)
    judged(
        store,
        project,
        "refusal",
        "pl",
        "bad",
        number=0.061,
        baseline=0.02,
        effect=0.041,
        effect_low=0.02,
        effect_high=0.06,
    )
    judged(
        store,
        project,
        "refusal",
        "de",
        "ok",
        number=0.02,
        baseline=0.021,
        effect=-0.001,
        effect_low=-0.01,
        effect_high=0.01,
    )
    judged(store, project, "refusal", "fr", "too_few", detail={"missing": 365})
    judged(store, project, "truncated", "fr", "too_few", detail={"missing": 12})
    judged(store, project, "refusal", "en", "bad", number=0.9, baseline=0.1, effect=0.8, effective_n=19.0)
    page = shown(store, settings.model_copy(update={"group_dimensions": ("language",)}), "/fairness")
    said = words(page)
    assert "Refusals for language pl: 6.1%, for all others 2.0%; that is +4.1 points" in said
    assert "(95% interval +2.0 points to +6.0 points), from 300 calls of 200 users." in said
    assert "No relevant gap" in said
    assert "Not enough data" in said
    assert "needs 365 more users" in said
    assert "Groups are never inferred" in said


def test_small_groups_show_no_figures(store: Store, settings: Settings) -> None:
    project = fill(store, 400)
    judged(store, project, "refusal", "en", "bad", number=0.913, baseline=0.1, effect=0.813, effective_n=19.0)
    said = words(shown(store, settings.model_copy(update={"group_dimensions": ("language",)}), "/fairness"))
    assert "91.3" not in said
    assert "fewer than 20 users" in said

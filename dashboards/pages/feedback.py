"""Feedback: are people satisfied, what do they complain about, which version or feature is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from dashboards import cards, family, notes
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import Kind, Page, Segment, Signal
from monitor.profile import merge
from monitor.queries.feedback import FeedbackSeries, comments, feedback_series
from monitor.queries.series import read_profiles
from monitor.queries.themes import ThemeRecord, Themes, concentration, theme_comments, themes, themes_of
from monitor.queries.usage import usage_by
from monitor.signals import COMMENT_SENTIMENT, CONTRADICTS, IMPLICIT, describe

_COMMENTS = 25
_MOST_CHARTS = 6
_VALUES = 6
_BREAKDOWNS = (("prompt_version", "Prompt version"), ("release", "Release"), ("model", "Model"), ("feature", "Feature"))
_COPIED = "copied"
_STATES = {
    "new": ("bad", "New"),
    "growing": ("moved", "Growing"),
    "shrinking": ("ok", "Shrinking"),
    "steady": ("plain", "Steady"),
    "too_few": ("too_few", "Too few to tell"),
}
# One person may well say a third of what a dozen say; more than that, of this much, is not the voice of many.
_MUCH_FEEDBACK = 30
_LARGE_SHARE = 0.25


def layout(request: Request) -> Any:
    """The page."""
    found = feedback_series(
        request.store, request.project_id, request.length, request.start, request.end, segment=request.segment
    )
    said = sorted((one for one in found if not _is_implicit(one)), key=lambda one: (-one.total.n, one.name))
    done = [one for one in found if _is_implicit(one)]
    return html.Div(
        [
            cards.heading(
                "Feedback", "Are people satisfied, what do they complain about, and which version is behind it."
            ),
            _warning(request),
            cards.section("Satisfaction", *_satisfaction(request, said)),
            _themes(request),
            _did(request, done),
            _comments(request),
        ]
    )


def _is_implicit(one: FeedbackSeries) -> bool:
    return one.name in (*IMPLICIT, CONTRADICTS, _COPIED)


def _signal(one: FeedbackSeries) -> Signal:
    return describe(one.signal, one.kind)


def _warning(request: Request) -> Any:
    """Where a single person gave much of the feedback."""
    found = concentration(request.store, request.project_id, request.start, request.end)
    if found.feedback < _MUCH_FEEDBACK or found.people < 2 or found.share < _LARGE_SHARE:
        return None
    return cards.card(
        cards.badge("moved", "One voice weighs much"),
        html.P(
            f"One person gave {wording.percent(found.share)} of the newest {wording.count(found.feedback)} pieces of "
            f"feedback of {wording.plural(found.people, 'person', 'people')}. Intervals and trends here count people, "
            "the figures themselves count answers: read some of the comments before you act."
        ),
    )


def _satisfaction(request: Request, said: Sequence[FeedbackSeries]) -> list[Any]:
    if not said:
        return [
            cards.nothing(
                f"No feedback on calls of {wording.segment_text(request.segment)} in this range. Thumbs, ratings and "
                "comments come in through POST /api/v1/feedback or monitor.log_feedback."
            )
        ]
    drawn = family.charts_of(request, [_signal(one) for one in said[:_MOST_CHARTS]])
    shown = next((one for one in said if one.kind in (Kind.FLAG, Kind.NUMBER) and one.name != COMMENT_SENTIMENT), None)
    tables = [] if shown is None else [_by(request, _signal(shown), *one) for one in _BREAKDOWNS]
    return [
        *drawn,
        html.Div([table for table in tables if table is not None], className="two-columns after-charts"),
        cards.note("Who gives feedback is not a fair sample of who asks. Intervals count people, not clicks."),
    ]


def _by(request: Request, signal: Signal, dimension: str, title: str) -> Any:
    """The feedback that most calls got, for each value of a dimension."""
    busiest = usage_by(
        request.store,
        request.project_id,
        request.length,
        request.start,
        request.end,
        dimension=dimension,
        within=request.segment,
    )
    segments = [part.segment for part in busiest[:_VALUES]]
    if len(segments) < 2:
        return None
    blocks = read_profiles(
        request.store,
        request.project_id,
        request.length,
        request.start,
        request.end,
        signals=[signal.name],
        segments=segments,
    )
    rows = []
    for segment in segments:
        total = merge((block.profile for block in blocks.get((segment, signal.name), [])), signal.kind)
        if not total.n:
            continue
        bounds = family.interval_of(total, signal.unit)
        interval = "" if bounds is None else wording.format_interval(signal, *bounds).removeprefix("95% interval ")
        name = cards.link(wording.shortened(segment.value, 40), request.link(segment=segment))
        rows.append([name, wording.format_value(signal, total.mean), interval, wording.count(total.n)])
    if not rows:
        return None
    caption = f"{signal.title} by {title.lower()}"
    return html.Div(
        [
            html.H3(caption, className="card-title"),
            cards.table([title, "Mean", "95% interval", "Calls"], rows, caption=caption, numeric=(1, 3)),
        ]
    )


def _themes(request: Request) -> Any:
    found = themes(request.store, request.project_id)
    title = "What people complain about"
    if found is None or not found.themes:
        read = 0 if found is None else found.complaints
        told = f" There {'is one' if read == 1 else f'are {read}'} so far." if read else ""
        return cards.section(
            title, cards.nothing(f"Themes are looked for in the comments of 13 weeks once 30 of them complain.{told}")
        )
    chosen = next((theme for theme in found.themes if str(theme.id) == request.parameter("theme")), None)
    lead = (
        f"{wording.plural(found.complaints, 'complaint')} among {wording.plural(found.comments, 'comment')} of all "
        f"traffic, {wording.period(found.start, found.made)}, grouped by their words."
    )
    if chosen is not None:
        return cards.section(title, _chosen(request, chosen), lead=lead)
    inside = sum(theme.complaints for theme in found.themes)
    return cards.section(
        title,
        html.Div([_theme(request, theme, found) for theme in found.themes], className="two-columns"),
        cards.note(
            f"{wording.percent(1 - inside / found.complaints)} of the complaints are in no theme. ",
            f"Looked for on {wording.moment_text(found.made)}; agreement of the groups with those of subsamples "
            f"{wording.number(found.stability)} (1 is the same). New and growing are told by a test on people, newest "
            "two weeks against the weeks before.",
        ),
        lead=lead,
    )


def _theme(request: Request, theme: ThemeRecord, found: Themes) -> html.Article:
    state, label = _STATES[theme.state]
    lately = f"{wording.count(theme.recent)} in the newest two weeks, {wording.count(theme.earlier)} in those before"
    facts = [
        (f"Mostly {wording.dimension_text(part['dimension'])}", _where(request, part)) for part in theme.segments[:2]
    ]
    quotes = [html.Li(notes.note_item(request, note)) for note in theme.quotes[:2]]
    return html.Article(
        [
            html.Div([html.H3(_titled(theme.name)), cards.badge(state, label)], className="verdict-head"),
            html.P(
                [
                    html.Span(wording.percent(theme.complaints / found.complaints), className="verdict-value"),
                    html.Span(
                        f" of complaints: {wording.count(theme.complaints)} by "
                        f"{wording.plural(theme.users, 'person', 'people')}",
                        className="dim",
                    ),
                ]
            ),
            cards.sparkline(theme.weeks),
            html.P(f"{lately}.", className="note"),
            cards.fact_list(facts) if facts else None,
            html.Ul(quotes, className="notes"),
            cards.ways([(f"All {wording.count(theme.complaints)} comments", request.link(theme=str(theme.id)))]),
        ],
        className="card verdict",
    )


def _where(request: Request, part: Any) -> Any:
    share, usual = wording.percent(part["share"]), wording.percent(part["usual"])
    text = f"{part['value']}: {share} of the theme, {usual} of complaints"
    return cards.link(
        wording.shortened(text, 90), request.link(segment=Segment(str(part["dimension"]), str(part["value"])))
    )


def _titled(name: str) -> str:
    return wording.shortened(name[:1].upper() + name[1:], 90)


def _chosen(request: Request, theme: ThemeRecord) -> html.Div:
    page = theme_comments(
        request.store,
        request.project_id,
        theme.id,
        before=notes.place_of(request.parameter("before")),
        limit=_COMMENTS,
    )
    links = [("All themes", request.link())]
    if page.following is not None:
        links.append(("Older comments", request.link(theme=str(theme.id), before=notes.place_text(page.following))))
    shown = notes.note_list(request, page.notes) if page.notes else cards.nothing("No comment of this theme is left.")
    return html.Div([html.H3(_titled(theme.name)), shown, cards.ways(links)])


def _did(request: Request, done: Sequence[FeedbackSeries]) -> Any:
    title = "What people do"
    drawn = family.charts_of(request, [_signal(one) for one in done])
    if not drawn:
        text = "Nothing in this range: conversations are followed where calls have a session or a user."
        return cards.section(title, cards.nothing(text))
    return cards.section(
        title, *drawn, lead="Signs that an answer was no good, from what users do next, whether or not they say so."
    )


def _comments(request: Request) -> Any:
    if request.parameter("theme"):
        return None
    name = request.parameter("feedback")
    page = comments(
        request.store,
        request.project_id,
        request.start,
        request.end,
        segment=request.segment,
        name=name,
        before=notes.place_of(request.parameter("before")),
        limit=_COMMENTS,
    )
    title = "Newest comments"
    if not page.notes:
        return cards.section(title, cards.nothing("Nobody wrote a comment in this range."))
    known = themes_of(request.store, request.project_id, page.notes)
    older = []
    if page.following is not None:
        address = request.link(before=notes.place_text(page.following), feedback=name)
        older.append(cards.ways([("Older comments", address)]))
    return cards.section(title, notes.note_list(request, page.notes, known), *older)


PAGE = Page("/feedback", "Feedback", "calls", 5, layout, section="Product")

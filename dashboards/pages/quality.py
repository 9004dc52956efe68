"""Quality and feedback: are people satisfied, what do they complain about, and what the answers themselves show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from dashboards import cards, family, texts
from dashboards.call_list import feedback_text
from dashboards.filters import Request
from dashboards.judges import judges_section
from monitor import wording
from monitor.contracts import Kind, Page, Signal
from monitor.queries.calls import FeedbackNote
from monitor.queries.feedback import CommentPage, FeedbackSeries, comments, feedback_series
from monitor.signals import describe

_MOST_CHARTS = 12
_COMMENTS = 25


def layout(request: Request) -> Any:
    """The page."""
    found = feedback_series(
        request.store, request.project_id, request.length, request.start, request.end, segment=request.segment
    )
    return html.Div(
        [
            cards.heading(
                "Quality and feedback", "What people and evaluators say, and what the answers themselves show."
            ),
            cards.section("What changed", family.judged(request, family.verdicts_of(request, ["quality"]), "quality")),
            cards.section("Feedback", *_feedback(request, found)),
            judges_section(request),
            _answers(request),
            _comments(request),
        ]
    )


def _feedback(request: Request, found: Sequence[FeedbackSeries]) -> list[Any]:
    if not found:
        return [
            cards.nothing(
                f"No feedback on calls of {wording.segment_text(request.segment)} in this range. Thumbs, ratings, "
                "categories and comments come in through POST /api/v1/feedback or monitor.log_feedback."
            )
        ]
    ordered = sorted(found, key=lambda one: (-one.total.n, one.name))
    signals = [describe(one.signal, one.kind) for one in ordered]
    drawn = family.charts_of(request, signals[:_MOST_CHARTS])
    return [*drawn, _summary(request, ordered, signals)]


def _summary(request: Request, found: Sequence[FeedbackSeries], signals: Sequence[Signal]) -> Any:
    before = {
        one.signal: one
        for one in feedback_series(
            request.store, request.project_id, request.length, *request.previous, segment=request.segment
        )
    }
    rows = []
    for one, signal in zip(found, signals, strict=True):
        bounds = family.interval_of(one.total)
        past = before.get(one.signal)
        moved = wording.MISSING if past is None else wording.format_difference(signal, past.total.mean, one.total.mean)
        if one.kind is Kind.CATEGORY:
            top = list(one.total.shares().items())[:3]
            value = ", ".join(f"{wording.shortened(name, 30)} {wording.percent(share)}" for name, share in top)
        else:
            value = wording.format_value(signal, one.total.mean)
        rows.append(
            [
                cards.link(signal.title, request.link("/explorer", signal=f"{signal.name}:..")),
                value,
                "" if bounds is None else wording.format_interval(signal, *bounds).removeprefix("95% interval "),
                wording.count(one.total.n),
                moved,
            ]
        )
    head = ["Feedback", "Mean or share", "95% interval", "Calls", "On the period before"]
    return html.Div(cards.table(head, rows, caption="Feedback by name", numeric=(3,)), className="after-charts")


def _answers(request: Request) -> Any:
    drawn = family.charts_of(request, family.signals_in("quality"))
    if not drawn:
        return cards.section("The answers themselves", cards.nothing("Nothing has been measured in this range yet."))
    return cards.section(
        "The answers themselves",
        *drawn,
        lead="Measured on every answer, whether or not anybody gave feedback.",
    )


def _comments(request: Request) -> Any:
    name = request.parameter("feedback")
    page = comments(
        request.store,
        request.project_id,
        request.start,
        request.end,
        segment=request.segment,
        name=name,
        before=_place(request.parameter("before")),
        limit=_COMMENTS,
    )
    if not page.notes:
        return cards.section("Comments", cards.nothing("Nobody wrote a comment in this range."))
    items = [html.Li(_comment(request, note)) for note in page.notes]
    return cards.section("Comments", cards.card(html.Ul(items, className="notes")), *_older(request, page, name))


def _comment(request: Request, note: FeedbackNote) -> list[Any]:
    said = " ".join(part for part in (note.name.replace("_", " "), feedback_text(note)) if part)
    link = None
    if note.trace_id:
        link = cards.link("Show the call", request.link("/explorer", trace=note.trace_id, span=note.span_id))
    elif note.session_id:
        link = cards.link("Show the session", request.link("/explorer", session=note.session_id))
    parts: list[Any] = [
        html.Div([cards.tag(said), html.Span(wording.moment_text(note.time), className="dim"), link], className="chips")
    ]
    if note.comment:
        parts.append(html.Blockquote(texts.written(note.comment), className="written"))
    if note.correction:
        parts.append(texts.document("Corrected answer", note.correction))
    return parts


def _older(request: Request, page: CommentPage, name: str) -> list[Any]:
    if page.following is None:
        return []
    place = f"{page.following[0]}-{page.following[1]}"
    return [cards.ways([("Older comments", request.link(before=place, feedback=name))])]


def _place(text: str) -> tuple[int, int] | None:
    moment, _, identifier = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (moment, identifier)):
        return None
    return int(moment), int(identifier)


PAGE = Page("/quality", "Quality and feedback", "quality", 4, layout)

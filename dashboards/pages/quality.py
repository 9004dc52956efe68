"""Quality: what evaluators, judges and the answers themselves show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from dashboards import cards, family
from dashboards.filters import Request
from dashboards.judges import judges_section
from monitor import wording
from monitor.contracts import Kind, Page, Signal
from monitor.queries.feedback import FeedbackSeries, feedback_series
from monitor.signals import describe


def layout(request: Request) -> Any:
    """The page."""
    found = feedback_series(
        request.store, request.project_id, request.length, request.start, request.end, segment=request.segment
    )
    return html.Div(
        [
            cards.heading("Quality", "What evaluators and judges say, and what the answers themselves show."),
            cards.section("What changed", family.judged(request, family.verdicts_of(request, ["quality"]), "quality")),
            cards.section("Feedback", *_feedback(request, found)),
            judges_section(request),
            _answers(request),
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
    more = ("Its course, complaints, comments and what people do", request.link("/feedback"))
    return [_summary(request, ordered, signals), cards.ways([more])]


def _summary(request: Request, found: Sequence[FeedbackSeries], signals: Sequence[Signal]) -> Any:
    before = {
        one.signal: one
        for one in feedback_series(
            request.store, request.project_id, request.length, *request.previous, segment=request.segment
        )
    }
    rows = []
    for one, signal in zip(found, signals, strict=True):
        bounds = family.interval_of(one.total, signal.unit)
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
    return cards.table(head, rows, caption="Feedback by name", numeric=(3,))


def _answers(request: Request) -> Any:
    drawn = family.charts_of(request, family.signals_in("quality"))
    if not drawn:
        return cards.section("The answers themselves", cards.nothing("Nothing has been measured in this range yet."))
    return cards.section(
        "The answers themselves",
        *drawn,
        lead="Measured on every answer, whether or not anybody gave feedback.",
    )


PAGE = Page("/quality", "Quality", "quality", 4, layout, section="Product")

"""Safety: personal data, secrets, attacks and toxic words, going in and coming out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dash import html

from dashboards import cards, family, texts
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import Block, Kind, Page, Segment, Signal
from monitor.queries.calls import CallRow, find_calls
from monitor.queries.conditions import CallFilter, SignalCondition
from monitor.queries.masked import LOOKED_AT, masked_lately

_EXAMPLES = 3


def layout(request: Request) -> Any:
    """The page."""
    signals = family.signals_in("safety")
    found = family.courses_of(request, [signal for signal in signals if signal.kind is Kind.FLAG])
    measured = family.charts_of(request, signals) or [cards.nothing("Nothing was measured in this range yet.")]
    return html.Div(
        [
            cards.heading("Safety", "Personal data, secrets, attacks and toxic words, going in and coming out."),
            cards.section("What changed", family.judged(request, family.verdicts_of(request, ["safety"]), "safety")),
            cards.section("Over time", *measured),
            _masked(request),
            _examples(request, signals, found),
            cards.note(
                "Found by patterns and word lists, without a model: they miss what is put politely and at times mark "
                "what is harmless. Read the calls before acting.",
            ),
            *_unclear(signals),
        ]
    )


def _unclear(signals: Sequence[Signal]) -> list[Any]:
    """When not to trust each signal, in its own words."""
    known = [(signal.title, signal.misleads) for signal in signals if signal.misleads]
    if not known:
        return []
    items = [html.Li([html.Strong(f"{title}: "), text]) for title, text in known]
    return [
        html.Details([html.Summary("When not to trust them"), html.Ul(items, className="plain-list")], className="note")
    ]


def _masked(request: Request) -> Any:
    masked = masked_lately(request.store, request.project_id, request.start, request.end, segment=request.segment)
    reach = (
        "in the range"
        if masked.complete
        else f"among the newest {wording.count(LOOKED_AT)}, since {wording.moment_text(masked.since)}"
    )
    lead = "Replaced by typed placeholders before anything was stored; the originals are nowhere in the store."
    if request.settings.redaction == "off" or request.project in request.settings.redaction_off_projects:
        return cards.section(
            "Masked", cards.nothing("Masking is switched off for this project: texts are stored as sent.")
        )
    if not masked.kinds:
        return cards.section("Masked", cards.nothing(f"Nothing had to be masked {reach}."), lead=lead)
    whole = sum(masked.kinds.values())
    rows = [
        [
            texts.MASKS.get(kind.upper(), kind).capitalize(),
            html.Mark(f"[{kind.upper()[:30]}]", className="mask"),
            wording.count(count),
            wording.percent(count / whole),
        ]
        for kind, count in masked.kinds.items()
    ]
    return cards.section(
        "Masked",
        cards.table(["What", "Placeholder", "Times", "Share"], rows, caption="What was masked", numeric=(2, 3)),
        cards.note(f"In {wording.plural(masked.calls, 'call')} {reach}."),
        lead=lead,
    )


def _examples(
    request: Request, signals: Sequence[Signal], found: Mapping[str, Mapping[Segment, Sequence[Block]]]
) -> Any:
    columns = []
    for signal in signals:
        if signal.kind is not Kind.FLAG:
            continue
        start = _newest_with(found.get(signal.name, {}).get(request.segment, ()))
        rows = _calls(request, signal, start) if start is not None else ()
        if rows:
            condition = f"{signal.name}:true"
            columns.append(
                cards.card(
                    html.H3(signal.title, className="card-title"),
                    html.Ul([_example(request, row) for row in rows], className="notes"),
                    cards.ways([("Show all", request.link("/explorer", signal=condition))]),
                )
            )
    if not columns:
        return None
    return cards.section("Newest examples", html.Div(columns, className="three-columns"))


def _newest_with(blocks: Sequence[Block]) -> datetime | None:
    """Start of the newest block in which the flag was set at all: profiles say so, no call is searched."""
    return max((block.start for block in blocks if block.profile.total > 0), default=None)


def _calls(request: Request, signal: Signal, start: datetime) -> tuple[CallRow, ...]:
    wanted = CallFilter(
        start=max(start, request.start),
        end=min(start + request.length.duration, request.end),
        segment=request.segment,
        signals=(SignalCondition(signal.name, value="true"),),
    )
    return find_calls(request.store, request.project_id, wanted, limit=_EXAMPLES).rows


def _example(request: Request, row: CallRow) -> Any:
    opened = request.link("/explorer", trace=row.trace_id, span=row.span_id)
    return html.Li(
        [
            html.Div(
                [cards.link(wording.moment_text(row.time), opened), html.Span(row.model, className="dim")],
                className="chips",
            ),
            html.Div(texts.written(row.prompt), className="preview-prompt"),
            html.Div(texts.written(row.response or "(no answer)"), className="preview-answer"),
        ]
    )


PAGE = Page("/safety", "Safety", "safety", 8, layout, section="Risk")

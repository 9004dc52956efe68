"""Senders: who sends, what was taken and what was not, and why; what nobody understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dash import html

from dashboards import cards
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import Page, Segment
from monitor.queries.options import segments
from monitor.queries.senders import (
    NEWEST_SPANS,
    RejectPage,
    SenderRow,
    nested_calls,
    read_rejects,
    read_senders,
    unmapped_names,
)

_REJECTS = 20
_NAME_LENGTH = 80
_SERVICE = "tag.service"
_MOST_DIALECTS = 4


def layout(request: Request) -> Any:
    """The page."""
    found = read_senders(request.store, request.project_id)
    return html.Div(
        [
            cards.heading(
                "Senders", "Who sends, what was taken, what was not and why. Nothing is dropped without a trace here."
            ),
            _sums(found.rows),
            _senders(request, found.rows, found.whole),
            _nested(request),
            _rejects(request, found.rows),
            _unmapped(found.rows),
        ]
    )


def _sums(rows: Sequence[SenderRow]) -> Any:
    if not rows:
        return None
    accepted, rejected, duplicates, lost = (
        sum(counts)
        for counts in zip(*((row.accepted, row.rejected, row.duplicates, row.lost) for row in rows), strict=True)
    )
    sent = accepted + rejected + lost
    return cards.number_row(
        cards.number_card(
            "Accepted", wording.count(accepted), symbol="check", detail="calls and feedback, stored once each"
        ),
        cards.number_card(
            "Rejected",
            wording.count(rejected),
            symbol="warning",
            detail=f"{wording.percent(rejected / sent)} of what was sent" if sent and rejected else "none",
        ),
        cards.number_card("Duplicates", wording.count(duplicates), symbol="calls", detail="sent again, stored once"),
        cards.number_card("Lost", wording.count(lost), symbol="bad", detail="before they were sent, as SDKs tell"),
    )


def _senders(request: Request, rows: Sequence[SenderRow], whole: int) -> Any:
    if not rows:
        return cards.section(
            "Since they were first seen",
            cards.nothing("Nobody has sent anything yet.", cards.link("How to send the first call", request.link("/"))),
        )
    services = {one.segment.value for one in segments(request.store, request.project_id, _SERVICE).get(_SERVICE, ())}
    table = cards.table(
        ["Sender", "Speaks", "Accepted", "Rejected", "Duplicates", "Lost", "Last seen", ""],
        [
            [
                html.Span(wording.shortened(row.name, _NAME_LENGTH), title=row.name),
                _dialects(row.dialects),
                wording.count(row.accepted),
                _rejected(request, row),
                wording.count(row.duplicates),
                wording.count(row.lost),
                wording.moment_text(row.last_seen),
                cards.link("Calls", request.link("/explorer", segment=Segment(_SERVICE, row.name)))
                if row.name in services
                else "",
            ]
            for row in rows
        ],
        caption="Senders",
        numeric=(2, 3, 4, 5),
    )
    shown = f"The {len(rows)} seen last, of {wording.count(whole)}." if whole > len(rows) else ""
    return cards.section(
        "Since they were first seen",
        table,
        cards.note(shown) if shown else None,
        lead="A sender is the service that the telemetry names, or the program that sent the request.",
    )


def _dialects(heard: Mapping[str, datetime]) -> Any:
    if not heard:
        return html.Span("not recorded", className="dim")
    names = sorted(heard, key=lambda name: (-heard[name].timestamp(), name))
    shown = [cards.tag(name) for name in names[:_MOST_DIALECTS]]
    told = ", ".join(f"{name}, last heard {wording.moment_text(heard[name])}" for name in names)
    return html.Span(shown, className="chips", title=told)


def _rejected(request: Request, row: SenderRow) -> Any:
    text = wording.count(row.rejected)
    return cards.link(text, request.link(sender=row.name)) if row.rejected else text


def _nested(request: Request) -> Any:
    found = nested_calls(request.store, request.project_id)
    if not found:
        return None
    return cards.section(
        "Calls inside calls",
        cards.table(
            ["Traced by", "Inside what was traced by", "Calls"],
            [[_library(pair.inner), _library(pair.outer), wording.count(pair.calls)] for pair in found],
            caption="Calls inside calls",
            numeric=(2,),
        ),
        lead=f"Among the newest {wording.count(NEWEST_SPANS)} spans. Where two libraries trace one call and both tell "
        "the provider's number of the response, it counts once; these do not, so it counts and costs twice: switch one "
        "of them off.",
    )


def _library(source: str) -> str:
    return wording.shortened(source.removeprefix("otlp "), _NAME_LENGTH) or "unknown"


def _rejects(request: Request, rows: Sequence[SenderRow]) -> Any:
    sender = request.parameter("sender")
    page = read_rejects(request.store, request.project_id, sender=sender, before=_before(request), limit=_REJECTS)
    lead = "The newest first, with the names and types of their fields; their text is not kept."
    if sender:
        lead = f"Those of {wording.shortened(sender, _NAME_LENGTH)} only. {lead}"
    return cards.section(
        "Rejected records",
        cards.table(
            ["Time", "Sender", "Reason", "Fields"],
            [
                [
                    wording.moment_text(row.time),
                    html.Span(wording.shortened(row.sender, _NAME_LENGTH), title=row.sender),
                    row.reason,
                    html.Span(row.shape, className="dim"),
                ]
                for row in page.rows
            ],
            caption="Rejected records",
            empty=_none_rejected(request, rows),
        ),
        cards.ways(_onward(request, page, sender)),
        lead=lead,
    )


def _none_rejected(request: Request, rows: Sequence[SenderRow]) -> str:
    if request.parameter("before") or request.parameter("sender"):
        return "There are none."
    return "Nothing had to be rejected." if rows else "Nothing was sent, so nothing was rejected."


def _before(request: Request) -> int | None:
    text = request.parameter("before")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _onward(request: Request, page: RejectPage, sender: str) -> list[tuple[str, str]]:
    links = []
    if page.more:
        links.append(("Older", request.link(before=str(page.rows[-1].id), sender=sender)))
    if request.parameter("before"):
        links.append(("Newest", request.link(sender=sender)))
    if sender:
        links.append(("Of all senders", request.link()))
    return links


def _unmapped(rows: Sequence[SenderRow]) -> Any:
    names = unmapped_names(rows)
    return cards.section(
        "Attributes that no dialect knows",
        cards.table(
            ["Attribute", "Spans", "Sent by"],
            [
                [
                    html.Code(wording.shortened(one.name, _NAME_LENGTH)),
                    wording.count(one.spans),
                    wording.listed(one.senders),
                ]
                for one in names
            ],
            caption="Attributes that no dialect knows",
            numeric=(1,),
            empty="Every attribute was understood.",
        ),
        lead="They are kept with their spans as they came, and count for nothing. Misspelt and new names show up here.",
    )


PAGE = Page("/senders", "Senders", "senders", 14, layout, section="This monitor")

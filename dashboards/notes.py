"""Comments as a list: what was said, when, the words, and the way to the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from dashboards import cards, texts
from dashboards.call_list import feedback_text
from dashboards.filters import Request
from monitor import wording
from monitor.queries.calls import FeedbackNote


def note_list(
    request: Request, notes: Sequence[FeedbackNote], themes: Mapping[int, tuple[int, str]] | None = None
) -> Any:
    """The comments; `themes` gives id and name of the theme of those that are in one."""
    known = themes or {}
    return cards.card(
        html.Ul([html.Li(note_item(request, note, known.get(note.id))) for note in notes], className="notes")
    )


def note_item(request: Request, note: FeedbackNote, theme: tuple[int, str] | None = None) -> list[Any]:
    """One comment."""
    said = " ".join(part for part in (note.name.replace("_", " "), feedback_text(note)) if part)
    link = None
    if note.trace_id:
        link = cards.link("Show the call", request.link("/explorer", trace=note.trace_id, span=note.span_id))
    elif note.session_id:
        link = cards.link("Show the session", request.link("/explorer", session=note.session_id))
    head: list[Any] = [cards.tag(said), html.Span(wording.moment_text(note.time), className="dim")]
    if theme is not None:
        head.append(
            cards.link(f"Theme: {wording.shortened(theme[1], 40)}", request.link("/feedback", theme=str(theme[0])))
        )
    parts: list[Any] = [html.Div([*head, link], className="chips")]
    if note.comment:
        parts.append(html.Blockquote(texts.written(note.comment), className="written"))
    if note.correction:
        parts.append(texts.document("Corrected answer", note.correction))
    return parts


def place_of(text: str) -> tuple[int, int] | None:
    """The place in a list of comments that an address names; None where it names none."""
    moment, _, identifier = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (moment, identifier)):
        return None
    return int(moment), int(identifier)


def place_text(place: tuple[int, int]) -> str:
    """A place as it stands in an address."""
    return f"{place[0]}-{place[1]}"

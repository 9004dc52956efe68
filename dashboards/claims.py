"""The claims of an answer that its context does not support, with the words that are nowhere in it marked."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboards import cards
from dashboards.texts import visible
from monitor.records import HIDDEN, Body
from monitor.text.form import form_of
from monitor.text.grounding import THRESHOLD, Claim, Source, claims, unsupported

_SHOWN = 20


def card_of(body: Body) -> Any:
    """A card with the unsupported claims; None where there is no context or every claim is supported."""
    given = [text for text in body.context if text.strip()]
    answer = body.response
    if not given or HIDDEN in (*given, answer) or not answer or form_of(answer) in ("code", "json"):
        return None
    found = claims(answer, Source(given, _question(body)))
    weak = [claim for claim in found if claim.support < THRESHOLD]
    if not weak:
        return None
    return cards.card(
        html.H2("Not supported by the context", className="card-title"),
        html.P(
            f"{len(weak)} of {len(found)} claims. Marked words are neither in the context nor in the question; this "
            "compares words, so other wording is marked too.",
            className="dim",
        ),
        html.Ul([html.Li(_marked(answer, claim), className="written") for claim in weak[:_SHOWN]], className="notes"),
    )


def _question(body: Body) -> str:
    asked = [message.content for message in body.prompt if message.role == "user" and message.content != HIDDEN]
    return asked[-1] if asked else ""


def _marked(answer: str, claim: Claim) -> list[Any]:
    parts: list[Any] = []
    place = claim.start
    for start, end in unsupported(answer, claim):
        if start > place:
            parts.append(visible(answer[place:start]))
        parts.append(html.Mark(visible(answer[start:end]), title="Not in the context", className="unsupported"))
        place = end
    parts.append(visible(answer[place : claim.end]))
    return parts

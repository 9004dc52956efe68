"""Texts that people and models wrote, as they are: never read as HTML or Markdown, masks made visible."""

from __future__ import annotations

import json
import re
from typing import Any

from dash import html

from dashboards import cards
from monitor.records import HIDDEN, Message

SHOWN_CHARACTERS = 20_000
"""Longer texts are cut on the page and the rest is a second click away."""
MASKS: dict[str, str] = {
    "EMAIL": "e-mail address",
    "PHONE": "telephone number",
    "CARD": "payment card number",
    "IBAN": "bank account number",
    "IP": "network address",
    "SSN": "social security number",
    "SECRET": "key or password",
    "NATIONAL_ID": "national identifier",
    "BIRTH_DATE": "date of birth",
    "ADDRESS": "postal address",
    "NAME": "name of a person",
    "AGE": "age",
    "URL": "web address",
}
# The three letters behind a kind tell the values of a trace apart.
_MASK = re.compile(rf"\[({'|'.join(MASKS)})(?:_[A-Z2-7]{{3}})?\]")
# Characters that change how what follows is drawn: control characters and the overrides of writing direction.
_UNSEEN = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\x80-\\x9f\\u202a-\\u202e\\u2066-\\u2069\\u200e\\u200f]")
_ROLES = {"system": "System", "developer": "Developer", "user": "User", "assistant": "Assistant", "tool": "Tool"}


def visible(text: str) -> str:
    """The text with characters that would hide or turn around others written as their code."""
    return _UNSEEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def written(text: str) -> list[Any]:
    """The text with its masks marked, cut where it is very long."""
    if text == HIDDEN:
        return [html.Em("hidden by the sender", className="dim")]
    shown = _marked(text[:SHOWN_CHARACTERS])
    if len(text) > SHOWN_CHARACTERS:
        rest = text[SHOWN_CHARACTERS:]
        shown.append(
            html.Details([html.Summary(f"{len(rest):,} more characters"), html.Div(_marked(rest), className="written")])
        )
    return shown


def _marked(text: str) -> list[Any]:
    parts: list[Any] = []
    place = 0
    text = visible(text)
    for match in _MASK.finditer(text):
        kind = MASKS[match[1]]
        if match.start() > place:
            parts.append(text[place : match.start()])
        parts.append(html.Mark(match[0], title=f"A {kind} stood here and was masked", className="mask"))
        place = match.end()
    parts.append(text[place:])
    return parts


def message(one: Message) -> Any:
    """One message of a conversation, under the name of who spoke."""
    known = one.role if one.role in _ROLES else "other"
    body: list[Any] = [html.Div(written(one.content), className="written")] if one.content else []
    if one.parts:
        body.append(_structure("Tool calls and other parts", one.parts))
    if not body:
        body.append(html.P("empty", className="dim"))
    return html.Li(
        [html.Span(_ROLES.get(one.role, one.role[:40] or "Unnamed"), className="message-role"), *body],
        className=f"message message-{known}",
    )


def conversation(messages: tuple[Message, ...], response: str, parts: str = "") -> Any:
    """The messages in order and the answer as the last of them."""
    items = [message(one) for one in messages]
    answer: list[Any] = [html.Span("Answer", className="message-role")]
    if response:
        answer.append(html.Div(written(response), className="written"))
    if parts:
        answer.append(_structure("Tool calls and other parts", parts))
    if not response and not parts:
        answer.append(html.P("No answer was recorded.", className="dim"))
    items.append(html.Li(answer, className="message message-answer"))
    return html.Ol(items, className="conversation")


def document(title: str, text: str) -> Any:
    """A document that was given along, or what was expected as the answer."""
    return html.Details([html.Summary(title), html.Div(written(text), className="written")], className="document")


def _structure(title: str, text: str) -> Any:
    try:
        pretty = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        pretty = text
    return html.Details(
        [html.Summary(title), html.Pre(html.Code(pretty[:SHOWN_CHARACTERS]), tabIndex=0)], className="document"
    )


def plain_value(value: Any) -> str:
    """A value of a tag or attribute in one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 2000 else text[:1999] + "…"


def chips(names: list[tuple[str, str]]) -> Any:
    """Small labels beside each other: `(text, address)`, an empty address for one that leads nowhere."""
    return html.Span([cards.link(text, href) if href else cards.tag(text) for text, href in names], className="chips")

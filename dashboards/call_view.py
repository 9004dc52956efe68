"""One call whole: the conversation, what was measured and what that means, tokens and cost, what was said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html

from dashboards import cards, claims, texts
from dashboards.call_list import asked, feedback_text, here, signal_text, title_of
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import Kind
from monitor.errors import NotFound
from monitor.queries.calls import CallRow, FeedbackNote, neighbours
from monitor.queries.traces import CallDetail, buckets, call_of
from monitor.signals import registry

_SHOWN_ELSEWHERE = ("calls", "error", "latency_s", "time_to_first_token_s", "input_tokens", "output_tokens")
_COST_SOURCES = {
    "sender": "as stated by the sender",
    "catalogue": "from the price catalogue",
    "override": "from your own prices",
    "none": "no price is known for this model",
}
_RULES = {
    "inclusive": "The sender's input count included cached tokens; they were taken apart.",
    "exclusive": "The sender counted cached tokens beside the input; they were added.",
}


def layout(request: Request) -> Any:
    """The call that the address names, or that it is not stored."""
    trace, span = request.parameter("trace"), request.parameter("span")
    try:
        detail = call_of(request.store, request.project_id, trace, span)
    except NotFound:
        return html.Div(
            [
                cards.heading("No such call"),
                cards.nothing(
                    f"This project has no span {span[:40]} in trace {trace[:40]}.",
                    cards.link("To the list", here(request)),
                ),
            ]
        )
    row = detail.row
    what = "Call" if detail.kind == "llm" else f"{detail.kind.capitalize()} span"
    lead = ", ".join(part for part in (wording.moment_text(row.time), row.name[:80], row.model, row.feature) if part)
    return html.Div(
        [
            _around(request, detail),
            cards.heading(what, lead, _badges(detail)),
            html.Div(
                [
                    html.Div(
                        [_error(detail), _said(detail), claims.card_of(detail.body), _given(detail)],
                        className="stack call-texts",
                    ),
                    html.Div(
                        [_facts(request, detail), _cost(detail), _feedback(detail), _rest(detail)],
                        className="stack",
                    ),
                ],
                className="call",
            ),
            _signals(detail),
        ]
    )


def _around(request: Request, detail: CallDetail) -> Any:
    wanted, _ = asked(request)
    newer = older = None
    if detail.kind == "llm":
        newer, older = neighbours(request.store, request.project_id, wanted, detail.row.id)
    return html.Nav(
        [
            cards.link("List", here(request)),
            *(
                cards.link(text, here(request, trace=row.trace_id, span=row.span_id))
                for text, row in (("← Newer", newer), ("Older →", older))
                if row is not None
            ),
            html.Span(className="spacer"),
            cards.link("Whole trace", here(request, trace=detail.row.trace_id)),
        ],
        className="around",
        **cards.aria(label="Neighbours"),
    )


def _badges(detail: CallDetail) -> Any:
    found: list[Any] = [
        cards.badge("bad", "failed") if detail.row.status == "error" else cards.badge("ok", "succeeded")
    ]
    if detail.row.finish_reason:
        found.append(cards.tag(f"finished: {detail.row.finish_reason[:40]}"))
    if not detail.enriched and detail.kind == "llm":
        found.append(cards.tag("not measured yet"))
    return html.Div(found, className="chips")


def _error(detail: CallDetail) -> Any:
    if detail.row.status != "error" and not detail.body.error:
        return None
    return html.Div(
        [
            html.H2("It failed"),
            html.Div(texts.written(detail.body.error or "The sender gave no reason."), className="written"),
        ],
        className="card call-error",
    )


def _said(detail: CallDetail) -> Any:
    body = detail.body
    if detail.kind != "llm" and not body.prompt and not body.response:
        return cards.nothing("This span carries no texts.")
    children: list[Any] = [
        html.H2("Conversation", className="card-title"),
        texts.conversation(body.prompt, body.response, body.response_parts),
    ]
    if body.truncated:
        children.append(html.P(f"Cut because of its length: {', '.join(body.truncated)}.", className="dim"))
    if detail.row.masked:
        masks = ", ".join(
            f"{texts.MASKS.get(kind.upper(), kind)} ({wording.count(count)})"
            for kind, count in sorted(detail.row.masked.items())
        )
        children.append(html.P(["Masked before it was stored: ", masks, "."], className="dim"))
    return cards.card(*children)


def _given(detail: CallDetail) -> Any:
    body = detail.body
    documents = [texts.document(f"Document {place}", text) for place, text in enumerate(body.context, 1)]
    documents += [texts.document(f"Expected answer {place}", text) for place, text in enumerate(body.reference, 1)]
    if not documents:
        return None
    return cards.card(html.H2("Context and reference", className="card-title"), *documents)


def _facts(request: Request, detail: CallDetail) -> Any:
    row = detail.row
    first = detail.time_to_first_token_s
    facts: list[tuple[str, Any]] = [
        ("Latency", "" if row.latency_s is None else wording.seconds(row.latency_s)),
        ("First token after", "" if first is None else wording.seconds(first)),
        ("Model", row.model),
        ("Asked for", detail.requested_model if detail.requested_model != row.model else ""),
        ("Provider", row.provider),
        ("Feature", row.feature),
        ("Environment", row.environment),
        ("Release", row.release),
        ("Prompt version", row.prompt_version),
        ("Service tier", detail.service_tier),
        ("Session", cards.link(row.session_id[:60], here(request, session=row.session_id)) if row.session_id else ""),
        ("User (pseudonym)", cards.link(row.user[:40], here(request, user=row.user)) if row.user else ""),
        ("Trace", html.Code(row.trace_id)),
        ("Span", html.Code(row.span_id)),
        ("Received", wording.moment_text(detail.received)),
        ("Reported through", detail.source),
    ]
    return cards.card(html.H2("Facts"), cards.fact_list(facts))


def _cost(detail: CallDetail) -> Any:
    row = detail.row
    counts = buckets(detail.tokens)
    if not counts and row.cost_usd is None and detail.kind != "llm":
        return None
    source = str(row.signals.get("cost_source", ""))
    facts: list[tuple[str, Any]] = [
        ("Cost", "unknown" if row.cost_usd is None else wording.money(row.cost_usd)),
        ("Where from", _COST_SOURCES.get(source, "")),
        ("Stated by the sender", "" if detail.sender_cost_usd is None else wording.money(detail.sender_cost_usd)),
        *((f"{name.capitalize()} tokens", wording.count(count)) for name, count in counts.items()),
    ]
    rule = _RULES.get(detail.tokens.rule)
    return cards.card(
        html.H2("Tokens and cost"), cards.fact_list(facts), html.P(rule, className="dim after") if rule else None
    )


def _feedback(detail: CallDetail) -> Any:
    if not detail.feedback:
        return None
    return cards.card(
        html.H2("Feedback", className="card-title"),
        html.Ul([_note(note) for note in detail.feedback], className="notes"),
    )


def _note(note: FeedbackNote) -> Any:
    about = "on the call" if note.span_id else "on the trace" if note.trace_id else "on the session"
    by = {"human": "a person", "llm": "a model", "code": "a program", "implicit": "what the user did"}.get(
        note.annotator, note.annotator
    )
    body: list[Any] = [
        html.Div([html.Strong(note.name), " ", feedback_text(note)]),
        html.Div(f"{about}, by {by}, {wording.moment_text(note.time)}", className="dim"),
    ]
    if note.comment:
        body.append(html.Blockquote(texts.written(note.comment), className="written"))
    if note.correction:
        body.append(texts.document("Corrected answer", note.correction))
    return html.Li(body)


def _signals(detail: CallDetail) -> Any:
    known = registry()
    order = {name: place for place, name in enumerate(known)}
    names = sorted(detail.row.signals, key=lambda name: (order.get(name, len(order)), name))
    entries = []
    for name in names:
        if name in _SHOWN_ELSEWHERE:
            continue
        signal = known.get(name)
        told: list[Any] = [html.Div(_value(name, detail.row), className="measured")]
        if signal is not None:
            told.append(html.Div(signal.description, className="dim meaning"))
        entries.append(html.Div([html.Dt(title_of(name)), html.Dd(told)]))
    if not entries:
        return None
    return cards.section(
        "Signals",
        cards.card(html.Dl(entries, className="signals")),
        lead="What was measured on this call, and what each of it means.",
    )


def _value(name: str, row: CallRow) -> Any:
    value = row.signals[name]
    signal = registry().get(name)
    text = signal_text(name, value)
    if signal is not None and signal.kind is Kind.FLAG and signal.good is not None and value is (signal.good == "down"):
        return cards.badge("moved", text)
    return text


def _rest(detail: CallDetail) -> Any:
    parts: list[Any] = []
    for title, values in (("Tags", detail.row.tags), ("Further attributes", detail.body.attributes)):
        if values:
            parts.append(
                html.Details([html.Summary(f"{title} ({len(values)})"), _mapping(values)], className="document")
            )
    return cards.card(*parts) if parts else None


def _mapping(values: Mapping[str, Any]) -> Any:
    return cards.fact_list([(str(name)[:200], texts.plain_value(value)) for name, value in sorted(values.items())])

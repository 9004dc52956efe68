"""One trace whole: the tree of its spans, a page at a time however many there are."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from dashboards import cards
from dashboards.call_list import feedback_text, here
from dashboards.filters import Request
from monitor import wording
from monitor.errors import NotFound
from monitor.queries.traces import TRACE_CAP, TRACE_PAGE, SpanNode, Trace, trace_of

_MAX_INDENT = 12


def layout(request: Request) -> Any:
    """The trace that the address names, or that it is not stored."""
    trace_id = request.parameter("trace")
    text = request.parameter("offset")
    offset = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
    try:
        trace = trace_of(request.store, request.project_id, trace_id, offset=offset)
    except NotFound:
        return html.Div(
            [
                cards.heading("No such trace"),
                cards.nothing(f"This project has no trace {trace_id[:40]}.", cards.link("To the list", here(request))),
            ]
        )
    lead = f"{wording.moment_text(trace.start)}, {wording.plural(trace.total, 'span')}"
    return html.Div(
        [
            html.Nav([cards.link("List", here(request))], className="around", **cards.aria(label="Back")),
            cards.heading("Trace", lead, html.Code(trace.trace_id[:80])),
            html.P(
                f"The trace is larger than {wording.count(TRACE_CAP)} spans; the rest is not laid out.",
                className="notice",
            )
            if trace.capped
            else None,
            _tree(request, trace),
            _paging(request, trace),
            _feedback(request, trace),
        ]
    )


def _tree(request: Request, trace: Trace) -> Any:
    rows = [
        [
            _name(request, trace, node),
            node.kind,
            node.model or wording.MISSING,
            f"+{wording.seconds(max((node.time - trace.start).total_seconds(), 0.0))}",
            wording.MISSING if node.latency_s is None else wording.seconds(node.latency_s),
            _tokens(node),
        ]
        for node in trace.nodes
    ]
    head = ["Span", "Kind", "Model", "Start", "Latency", "Tokens"]
    return cards.table(head, rows, caption="Spans of the trace, as a tree", numeric=[3, 4, 5], empty="No more spans.")


def _name(request: Request, trace: Trace, node: SpanNode) -> Any:
    depth = min(node.depth, _MAX_INDENT)
    opened = here(request, trace=trace.trace_id, span=node.span_id)
    label: list[Any] = [dcc.Link(node.name or node.kind, href=opened, className="link link-strong")]
    if node.status == "error":
        label.append(cards.badge("bad", "failed"))
    if node.children:
        label.append(html.Span(f"{wording.plural(node.children, 'child', 'children')}", className="dim"))
    if node.depth > _MAX_INDENT:
        label.append(html.Span(f"level {node.depth + 1}", className="dim"))
    if node.orphan:
        label.append(html.Span("its parent was not received", className="dim"))
    return html.Div(label, className="chips tree", style={"paddingLeft": f"{depth * 18}px"})


def _tokens(node: SpanNode) -> str:
    if node.input_tokens is None and node.output_tokens is None:
        return wording.MISSING
    return " + ".join("?" if part is None else wording.count(part) for part in (node.input_tokens, node.output_tokens))


def _paging(request: Request, trace: Trace) -> Any:
    if trace.total <= TRACE_PAGE and not trace.offset:
        return None
    last = min(trace.offset + len(trace.nodes), trace.total)
    links = []
    if trace.offset:
        earlier = max(trace.offset - TRACE_PAGE, 0)
        links.append(("← Earlier spans", here(request, trace=trace.trace_id, offset=str(earlier) if earlier else "")))
    if last < trace.total:
        links.append(("Later spans →", here(request, trace=trace.trace_id, offset=str(last))))
    return html.Nav(
        [
            html.P(
                f"Spans {wording.count(trace.offset + 1)} to {wording.count(last)} of {wording.count(trace.total)}, "
                "in the order of the tree.",
                className="dim",
            ),
            cards.ways(links),
        ],
        className="onward",
        **cards.aria(label="More spans"),
    )


def _feedback(request: Request, trace: Trace) -> Any:
    if not trace.feedback:
        return None
    rows = [
        [
            wording.moment_text(note.time),
            note.name,
            feedback_text(note),
            note.comment or "",
            cards.link("its span", here(request, trace=trace.trace_id, span=note.span_id))
            if note.span_id
            else "the whole trace",
        ]
        for note in trace.feedback
    ]
    return cards.section(
        "Feedback", cards.table(["Time", "Name", "Value", "Comment", "About"], rows, caption="Feedback on the trace")
    )

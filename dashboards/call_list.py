"""The list of calls: its search form, what it is narrowed to, the table, and the way to older calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from dashboards import cards, texts
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import WHOLE, Kind, Segment, Signal
from monitor.errors import InputError
from monitor.queries.calls import PAGE, SCAN_TEXT, CallPage, CallRow, FeedbackNote, find_calls
from monitor.queries.conditions import CallFilter, SignalCondition, parse_conditions
from monitor.queries.feedback import feedback_names
from monitor.signals import FEEDBACK_PREFIX, registry

_STATUS = [{"value": "ok", "label": "Succeeded"}, {"value": "error", "label": "Failed"}]
_MARKS = {
    "refusal": "refusal",
    "truncated": "cut off",
    "empty_response": "empty answer",
    "toxic": "toxic answer",
    "prompt_toxic": "toxic prompt",
    "prompt_injection": "injection",
    "context_injection": "injection in a document",
    "personal_data": "personal data",
    "secret": "secret",
}


def asked(request: Request) -> tuple[CallFilter, str]:
    """The filter of the address, and what was wrong with it."""
    problem = ""
    conditions: tuple[SignalCondition, ...] = ()
    try:
        conditions = tuple(condition.resolved() for condition in parse_conditions(request.parameter("signal")))
    except InputError as error:
        problem = str(error)
    status = request.parameter("status")
    return (
        CallFilter(
            start=request.start,
            end=request.end,
            segment=request.segment,
            signals=conditions,
            status="error" if status == "error" else "ok" if status == "ok" else "",
            session=request.parameter("session"),
            user=request.parameter("user"),
            text=request.parameter("text"),
        ),
        problem,
    )


def here(request: Request, **changes: str) -> str:
    """Address of the list with the same search, except for what is given; an empty text removes."""
    return _link(request, None, {**_kept(request), **changes})


def _kept(request: Request) -> dict[str, str]:
    return {name: request.parameter(name) for name in ("text", "signal", "status", "session", "user")}


def _link(request: Request, segment: Segment | None, own: Mapping[str, Any]) -> str:
    return request.link("/explorer", segment=segment, **own)


def layout(request: Request) -> Any:
    """The list."""
    wanted, problem = asked(request)
    before = _whole_number(request.parameter("before"))
    page = find_calls(request.store, request.project_id, wanted, before=before, limit=PAGE)
    return html.Div(
        [
            cards.heading("Explorer", "The calls themselves: search them, narrow them down, open one."),
            html.P(problem, className="notice", role="status") if problem else None,
            _form(request),
            _narrowed(request, wanted),
            _table(request, page, wanted) if page.rows else _nothing(request, page, wanted),
            _onward(request, page, wanted, before),
        ]
    )


def _whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 1 << 63 else None


def _form(request: Request) -> Any:
    groups: dict[str, list[dict[str, str]]] = {}
    for signal in registry().values():
        if signal.kind is not Kind.VECTOR and signal.name != "calls":
            groups.setdefault(signal.family.capitalize(), []).append({"value": signal.name, "label": signal.title})
    said = feedback_names(request.store, request.project_id)
    if said:
        groups["Feedback"] = [
            {"value": FEEDBACK_PREFIX + name, "label": wording.shortened(name.replace("_", " "), 60)} for name in said
        ]
    data = [{"group": name, "items": _by_label(items)} for name, items in groups.items()]
    return html.Div(
        [
            dmc.TextInput(
                id="explorer-text",
                label="Text",
                placeholder="in prompt, answer, context",
                value=request.parameter("text"),
                className="explorer-text",
                size="xs",
            ),
            dmc.Select(
                id="explorer-signal",
                label="Signal",
                data=data,
                placeholder="any",
                searchable=True,
                clearable=True,
                size="xs",
                nothingFoundMessage="No such signal",
            ),
            dmc.TextInput(
                id="explorer-value",
                label="is",
                placeholder="true, json, 2..5",
                value="",
                className="explorer-value",
                size="xs",
            ),
            dmc.Select(
                id="explorer-status",
                label="Outcome",
                data=_STATUS,
                placeholder="any",
                clearable=True,
                value=request.parameter("status") or None,
                className="explorer-value",
                size="xs",
            ),
            dmc.Button("Search", id="explorer-search", size="xs", variant="light"),
        ],
        className="explorer-form",
        role="search",
    )


def _by_label(items: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(items, key=lambda item: item["label"])


def _narrowed(request: Request, wanted: CallFilter) -> Any:
    """The conditions in force, each with a way to drop it."""
    found: list[tuple[str, str]] = []
    if request.segment != WHOLE:
        found.append((wording.segment_text(request.segment), _without_segment(request)))
    for index, condition in enumerate(wanted.signals):
        rest = ";".join(str(other) for place, other in enumerate(wanted.signals) if place != index)
        found.append((condition_text(condition), here(request, signal=rest)))
    if wanted.text:
        found.append((f"contains “{wording.shortened(wanted.text, 40)}”", here(request, text="")))
    if wanted.status:
        found.append(("failed" if wanted.status == "error" else "succeeded", here(request, status="")))
    if wanted.session:
        found.append((f"session {wording.shortened(wanted.session, 24)}", here(request, session="")))
    if wanted.user:
        found.append((f"user {wanted.user[:16]}", here(request, user="")))
    if not found:
        return None
    return html.Ul(
        [
            html.Li(
                [
                    html.Span(text),
                    dcc.Link([html.Span("×", **cards.aria(hidden="true")), _unseen(f"Without {text}")], href),
                ],
                className="condition",
            )
            for text, href in found
        ],
        className="conditions",
        **cards.aria(label="Narrowed to"),
    )


def _unseen(text: str) -> Any:
    return html.Span(text, className="sr-only")


def _without_segment(request: Request) -> str:
    return _link(request, WHOLE, _kept(request))


def condition_text(condition: SignalCondition) -> str:
    """A condition in words: "refusal", "not refusal", "latency at least 2.00 s", "format json"."""
    signal = registry().get(condition.name)
    title = signal.title if signal else condition.name.removeprefix(FEEDBACK_PREFIX).replace("_", " ").capitalize()
    if condition.measured:
        return f"{title} measured"
    if condition.value is not None:
        return f"{title}: {({'true': 'yes', 'false': 'no'}).get(condition.value, condition.value)}"
    low, high = (_bound(signal, bound) for bound in (condition.low, condition.high))
    if low and high:
        return f"{title} {low} to {high}"
    return f"{title} at least {low}" if low else f"{title} at most {high}"


def _bound(signal: Signal | None, bound: float | None) -> str:
    if bound is None:
        return ""
    return wording.format_value(signal, bound) if signal and signal.kind is Kind.NUMBER else wording.number(bound)


def _table(request: Request, page: CallPage, wanted: CallFilter) -> Any:
    shown = [
        condition.name
        for condition in wanted.signals
        if not condition.name.startswith(FEEDBACK_PREFIX)
        and condition.name not in _MARKS
        and condition.name not in _FIXED
    ]
    rows = [_row(request, row, shown) for row in page.rows]
    extra = [title_of(name) for name in shown]
    head = ["Time", "Prompt and answer", "Model", *extra, "Latency", "Tokens", "Cost"]
    return html.Div(
        cards.table(head, rows, caption="Calls, newest first", numeric=range(3, len(head))), className="calls"
    )


_FIXED = ("calls", "error", "latency_s", "input_tokens", "output_tokens", "cost_usd")


def _row(request: Request, row: CallRow, shown: list[str]) -> list[Any]:
    opened = here(request, trace=row.trace_id, span=row.span_id)
    prompt = row.prompt or "(no prompt)"
    answer = row.response or ("(failed)" if row.status == "error" else "(no answer)")
    return [
        html.Div(
            [
                cards.link(f"{row.time:%H:%M:%S}", opened, strong=True),
                html.Div(f"{wording.day(row.time, request.now)}, UTC", className="dim nowrap"),
            ],
            className="nowrap",
        ),
        html.Div(
            [
                html.Div(texts.visible(prompt), className="preview-prompt"),
                html.Div(texts.visible(answer), className="preview-answer"),
                _marks(row),
            ],
            className="preview",
        ),
        html.Div([html.Div(row.model or wording.MISSING), html.Div(row.feature, className="dim")], className="nowrap"),
        *(signal_text(name, row.signals.get(name)) for name in shown),
        wording.MISSING if row.latency_s is None else wording.seconds(row.latency_s),
        _tokens(row),
        "unknown" if row.cost_usd is None else wording.money(row.cost_usd),
    ]


def _marks(row: CallRow) -> Any:
    marks: list[Any] = [cards.badge("bad", "failed")] if row.status == "error" else []
    marks += [cards.badge("moved", text) for name, text in _MARKS.items() if row.signals.get(name) is True]
    marks += [cards.tag(f"{note.name.replace('_', ' ')} {feedback_text(note)}".strip()) for note in row.feedback[:4]]
    return html.Div(marks, className="marks") if marks else None


def feedback_text(note: FeedbackNote) -> str:
    """What a feedback says, in a word."""
    if note.is_flag and note.value is not None:
        return "yes" if note.value >= 0.5 else "no"
    if note.value is not None:
        return wording.number(note.value)
    return note.label or ("comment" if note.comment else "correction" if note.correction else "")


def title_of(name: str) -> str:
    """The title of a signal."""
    signal = registry().get(name)
    return signal.title if signal else name.replace("_", " ").capitalize()


def signal_text(name: str, value: Any) -> str:
    """The value of a signal of one call: flags are yes or no, categories themselves."""
    if value is None:
        return wording.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        signal = registry().get(name)
        return wording.format_value(signal, value) if signal and signal.kind is Kind.NUMBER else wording.number(value)
    return wording.shortened(texts.plain_value(value), 60)


def _tokens(row: CallRow) -> str:
    if row.input_tokens is None and row.output_tokens is None:
        return wording.MISSING
    return " + ".join("?" if part is None else wording.count(part) for part in (row.input_tokens, row.output_tokens))


def _nothing(request: Request, page: CallPage, wanted: CallFilter) -> Any:
    if page.searched_back_to is not None:
        return cards.nothing(f"No match among the newest {wording.count(page.examined)} calls looked at.")
    if request.parameter("before"):
        return cards.nothing("No older calls match.", cards.link("Back to the newest", here(request)))
    narrowed = replace(wanted, start=None, end=None) != CallFilter()
    everything = cards.link("Show all calls of the range", request.link("/explorer", segment=WHOLE))
    return cards.nothing(
        f"No calls from {wording.period(request.start, request.end)}{' match' if narrowed else ''}.",
        *([everything] if narrowed else []),
    )


def _onward(request: Request, page: CallPage, wanted: CallFilter, before: int | None) -> Any:
    said: list[Any] = []
    if page.searched_back_to is not None:
        limit = f" One search reads at most {wording.count(SCAN_TEXT)} texts." if wanted.text else ""
        said.append(
            html.P(
                f"Looked through {wording.plural(page.examined, 'call')}, back to "
                f"{wording.moment_text(page.searched_back_to)}; older ones may match too.{limit}",
                className="dim",
            )
        )
    links = [("Newest", here(request))] if before is not None else []
    if page.following is not None:
        text = "Search further back" if page.searched_back_to is not None else "Older calls"
        links.append((text, here(request, before=str(page.following))))
    if links:
        said.append(cards.ways(links))
    return html.Nav(said, className="onward", **cards.aria(label="More calls")) if said else None

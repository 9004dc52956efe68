"""The building blocks of pages: cards, tables, badges, links. They lay out texts that are already written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dash import dcc, html

from monitor import wording
from monitor.contracts import State

STATES: dict[str, tuple[str, str]] = {
    "bad": ("Bad", "bad"),
    "moved": ("Moved", "warning"),
    "ok": ("Healthy", "check"),
    "too_few": ("Too few calls", "clock"),
    "no_data": ("No data", "empty"),
}
# Longer numbers are written smaller, so that they stay on one line.
_LONG_NUMBER = 8
_SPARK_WIDTH, _SPARK_HEIGHT = 120, 28


def aria(**values: str) -> dict[str, Any]:
    """Attributes for assistive technology: `aria(label="Filter")` is `aria-label`."""
    return {f"aria-{name}": value for name, value in values.items()}


def icon(name: str) -> html.Span:
    """A decorative icon in the colour of the text; the names are in assets/icons.css."""
    return html.Span(className=f"icon icon-{name}", **aria(hidden="true"))


def badge(state: State | str, text: str = "") -> html.Span:
    """The state of a verdict, told by word, icon and colour."""
    label, symbol = STATES.get(state, (state.replace("_", " ").capitalize(), "page"))
    kind = state if state in STATES else "plain"
    return html.Span([icon(symbol), text or label], className=f"badge badge-{kind}")


def tag(text: str) -> html.Span:
    """A small neutral label."""
    return html.Span(text, className="badge badge-plain")


def link(text: str, href: str, *, strong: bool = False) -> dcc.Link:
    """A link inside the dashboard."""
    return dcc.Link(text, href=href, className="link link-strong" if strong else "link")


def heading(title: str, lead: str = "", *extra: Any) -> html.Header:
    """The head of a page: its title and one sentence on what it answers."""
    return html.Header(
        [html.Div([html.H1(title), html.P(lead, className="lead") if lead else None]), *extra], className="page-head"
    )


def section(title: str, *children: Any, lead: str = "") -> html.Section:
    """A part of a page under its own heading."""
    head: list[Any] = [html.H2(title)]
    if lead:
        head.append(html.P(lead, className="lead"))
    return html.Section([html.Div(head, className="section-head"), *children], className="section")


def card(*children: Any, className: str = "") -> html.Div:  # noqa: N803 - Dash's own name
    """A bordered box."""
    return html.Div(list(children), className=f"card {className}".strip())


def note(*children: Any) -> html.P:
    """A quiet remark, such as what people should know of the data."""
    return html.P(list(children), className="note")


def nothing(text: str, *more: Any) -> html.Div:
    """What stands where a part of a page has nothing to show: says so, and why."""
    return html.Div([icon("empty"), html.P(text), *more], className="nothing")


@dataclass(frozen=True)
class Change:
    """How a number differs from the period before: `good` None where neither direction is better."""

    text: str
    good: bool | None = None


def number_card(
    label: str,
    value: str,
    *,
    symbol: str = "",
    change: Change | None = None,
    detail: str = "",
    href: str = "",
    spark: Sequence[float | None] = (),
) -> html.Div:
    """One number with its change against the period before, a small course, and where to look closer."""
    title: Any = (
        dcc.Link(label, href=href, className="number-label") if href else html.Span(label, className="number-label")
    )
    children: list[Any] = [
        html.Div([icon(symbol) if symbol else None, title], className="number-head"),
        html.Div(value, className="number-value number-long" if len(value) > _LONG_NUMBER else "number-value"),
    ]
    if change is not None:
        mood = {True: "good", False: "worse", None: "plain"}[change.good]
        children.append(html.Div(change.text, className=f"number-change change-{mood}"))
    if detail:
        children.append(html.Div(detail, className="number-detail"))
    if any(value is not None for value in spark):
        children.append(sparkline(spark))
    return html.Div(children, className="card number-card")


def number_row(*children: Any) -> html.Div:
    """Number cards beside each other, as many as fit."""
    return html.Div(list(children), className="number-row")


def verdict_card(
    title: str,
    state: State | str,
    headline: str,
    *,
    interval: str = "",
    reason: str = "",
    facts: Sequence[tuple[str, Any]] = (),
    links: Sequence[tuple[str, str]] = (),
) -> html.Article:
    """What an indicator found: the change, its interval, the reason in words, and the ways on."""
    return html.Article(
        [
            html.Div([html.H3(title), badge(state)], className="verdict-head"),
            html.P([html.Span(headline, className="verdict-value"), html.Span(interval, className="dim")]),
            html.P(reason, className="verdict-reason") if reason else None,
            fact_list(facts) if facts else None,
            ways(links) if links else None,
        ],
        className=f"card verdict verdict-{state}",
    )


def fact_list(facts: Sequence[tuple[str, Any]]) -> html.Dl:
    """Names and values below each other."""
    return html.Dl(
        [html.Div([html.Dt(name), html.Dd(value)]) for name, value in facts if value not in ("", None)],
        className="facts",
    )


def ways(links: Sequence[tuple[str, str]]) -> html.Div:
    """Links beside each other: where to go from here."""
    return html.Div([link(text, href, strong=True) for text, href in links if href], className="ways")


def table(
    head: Sequence[Any],
    rows: Sequence[Sequence[Any]],
    *,
    caption: str,
    numeric: Sequence[int] = (),
    empty: str = "Nothing to show.",
    row_states: Sequence[str] = (),
) -> html.Div:
    """A table; on a phone each row of one with more than three columns is a card whose cells say their column's name.

    `numeric` are the columns that align right. Columns without a word in any row are left out.
    """
    if not rows:
        return nothing(empty)
    said = [place for place in range(len(head)) if any(row[place] not in ("", None) for row in rows)]
    labels: list[dict[str, Any]] = [{"data-label": _words_of(name)} for name in head]
    body = [
        html.Tr(
            [html.Td(row[place], className=_class_of(row[place], place in numeric), **labels[place]) for place in said],
            className=f"row-{row_states[index]}" if index < len(row_states) else "",
        )
        for index, row in enumerate(rows)
    ]
    columns = [html.Th(head[place], scope="col", className="numeric" if place in numeric else "") for place in said]
    return html.Div(
        html.Table(
            [html.Caption(caption, className="sr-only"), html.Thead(html.Tr(columns)), html.Tbody(body)],
            className="many-columns" if len(said) > 3 else "",
        ),
        className="table-box",
        tabIndex=0,
        role="region",
        **aria(label=caption),
    )


def _class_of(cell: Any, numeric: bool) -> str:
    """Numbers stand right; what is missing has no place on a phone."""
    return " ".join(filter(None, ("numeric" if numeric else "", "missing" if cell == wording.MISSING else "")))


def _words_of(part: Any) -> str:
    """The words of a column's head, without the mark of its sorting."""
    inner = getattr(part, "children", part)
    return inner.removesuffix(" ↓") if isinstance(inner, str) else ""


def sparkline(values: Sequence[float | None]) -> html.Div:
    """A small course in the colour of the text, for decoration: the numbers stand elsewhere."""
    present = [value for value in values if value is not None]
    low, high = min(present), max(present)
    span = (high - low) or 1.0
    step = _SPARK_WIDTH / max(len(values) - 1, 1)
    path, pen = [], "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        y = _SPARK_HEIGHT - 3 - (value - low) / span * (_SPARK_HEIGHT - 6)
        path.append(f"{pen}{index * step:.1f} {y:.1f}")
        pen = "L"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SPARK_WIDTH} {_SPARK_HEIGHT}" '
        f'preserveAspectRatio="none"><path d="{"".join(path)}" fill="none" stroke="#000" stroke-width="1.6" '
        'stroke-linejoin="round" vector-effect="non-scaling-stroke"/></svg>'
    )
    mask = f'url("data:image/svg+xml,{quote(svg)}")'
    return html.Div(className="spark", style={"maskImage": mask, "WebkitMaskImage": mask}, **aria(hidden="true"))

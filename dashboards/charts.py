"""Charts: figure builders over plain records, and the one helper every graph goes through.

Builders take numbers that are already computed and texts that are already written; they know nothing of the store.
Colours that carry meaning are fixed and readable on light and dark; everything else comes from the template of the
colour scheme, which is put in when a page is sent (`dress`) and exchanged in the browser when the scheme changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from dashboards.bins import Bars
from dashboards.cards import aria
from monitor.contracts import Kind, Signal

# No chart is ever sent anywhere: the cloud button and its address are off.
CONFIG: dict[str, Any] = {
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "displaylogo": False,
    "displayModeBar": False,
    "responsive": True,
    "showTips": False,
}
BEFORE = "#8b93a1"
AFTER = "#4c6ef5"
BAD = "#e8590c"
_BAND = "rgba(134,142,150,0.16)"
_FADED = "rgba(76,110,245,0.14)"
_OUTLYING = 20.0
"""How many times the median the largest value is before lines are drawn by powers of ten."""


_DATES = [
    {"dtickrange": [None, 1000], "value": "%H:%M:%S\n%-d %b UTC"},
    {"dtickrange": [1000, 86_399_999], "value": "%H:%M\n%-d %b UTC"},
    {"dtickrange": [86_400_000, "M1"], "value": "%-d %b\n%Y"},
    {"dtickrange": ["M1", "M12"], "value": "%b\n%Y"},
    {"dtickrange": ["M12", None], "value": "%Y"},
]
"""Dates on axes as they are written elsewhere: the day before the month; the line below only where it changes."""


def _template(text: str, grid: str, hover: str, border: str, colours: Sequence[str]) -> dict[str, Any]:
    axis = {
        "gridcolor": grid,
        "linecolor": grid,
        "zerolinecolor": grid,
        "tickcolor": grid,
        "automargin": True,
        "title": {"standoff": 8},
    }
    return {
        "layout": {
            "font": {
                "family": "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif",
                "size": 12,
                "color": text,
            },
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(colours),
            "xaxis": {**axis, "showgrid": False},
            "yaxis": {**axis, "zeroline": False},
            "hoverlabel": {"bgcolor": hover, "bordercolor": border, "font": {"color": text}, "align": "left"},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
            "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        }
    }


TEMPLATES: dict[str, dict[str, Any]] = {
    "light": _template(
        "#495057",
        "#e9ecef",
        "#ffffff",
        "#ced4da",
        ("#4263eb", "#099268", "#e67700", "#c2255c", "#7048e8", "#0c8599", "#5c940d", "#868e96"),
    ),
    "dark": _template(
        "#c1c7d0",
        "#2b3038",
        "#22262d",
        "#3b414b",
        ("#748ffc", "#38d9a9", "#ffc078", "#f783ac", "#b197fc", "#3bc9db", "#a9e34b", "#adb5bd"),
    ),
}


@dataclass(frozen=True)
class Series:
    """One line or one colour of bars. `links` are addresses of the calls behind the points, `texts` what they say."""

    name: str
    times: Sequence[datetime]
    values: Sequence[float | None]
    texts: Sequence[str] = ()
    links: Sequence[str] = ()
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


@dataclass(frozen=True)
class Mark:
    """A moment worth a vertical line, such as a change point."""

    time: datetime
    text: str


def lines(
    series: Sequence[Series],
    signal: Signal | None = None,
    *,
    band: tuple[datetime, datetime, float, float] | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """Lines over time; `band` is a level from one moment to another, such as the baseline with its range.

    Points with `low` and `high` get a shaded interval.
    """
    figure = go.Figure()
    if band is not None:
        start, end, low, high = band
        figure.add_shape(
            type="rect", x0=start, x1=end, y0=low, y1=high, fillcolor=_BAND, line={"width": 0}, layer="below"
        )
    for index, one in enumerate(series):
        if one.low and one.high:
            figure.add_trace(_interval(one))
        figure.add_trace(
            go.Scatter(
                x=list(one.times),
                y=list(one.values),
                name=_cut(one.name),
                mode="lines+markers" if len(one.times) <= 120 else "lines",
                line={
                    "width": 2,
                    "dash": "dot" if index == 1 else "solid",
                    "color": AFTER if index == 0 and one.low else None,
                },
                marker={"size": 5},
                connectgaps=False,
                **_spoken(one),
            )
        )
    for mark in marks:
        figure.add_vline(x=mark.time, line={"width": 1.5, "dash": "dash", "color": BAD})
        figure.add_annotation(
            x=mark.time,
            y=1,
            yref="paper",
            text=mark.text,
            showarrow=False,
            xanchor="right",
            yanchor="top",
            xshift=-6,
            font={"size": 11, "color": BAD},
        )
    figure.update_layout(showlegend=len(series) > 1, hovermode="closest")
    _axis(figure, signal)
    return figure


def spread_out(figure: go.Figure) -> go.Figure:
    """The same lines on an axis by powers of ten where the largest value would flatten all others."""
    values = [value for trace in figure.data for value in trace.y or () if value is not None]
    usual = [value for value in values if value > 0]
    if len(usual) == len(values) and usual and max(usual) > _OUTLYING * sorted(usual)[len(usual) // 2]:
        figure.update_yaxes(type="log", dtick=1, nticks=None)
    return figure


def stacked(series: Sequence[Series], signal: Signal | None = None) -> go.Figure:
    """Bars over time, one colour a series, on top of each other."""
    figure = go.Figure(
        [go.Bar(x=list(one.times), y=list(one.values), name=_cut(one.name), **_spoken(one)) for one in series]
    )
    figure.update_layout(barmode="stack", bargap=0.25, showlegend=len(series) > 1)
    figure.update_traces(marker={"line": {"width": 0}})
    _axis(figure, signal)
    return figure


def before_after(
    bars: Bars, *, links: tuple[str, str] = ("", ""), names: tuple[str, str] = ("before", "after"), axis_title: str = ""
) -> go.Figure:
    """Two distributions side by side, as shares of their own calls."""
    figure = go.Figure()
    labels = [_cut(label, 28) for label in bars.labels]
    for name, shares, colour, link in zip(names, (bars.before, bars.after), (BEFORE, AFTER), links, strict=True):
        figure.add_trace(
            go.Bar(
                x=labels,
                y=list(shares),
                name=name,
                marker={"color": colour, "line": {"width": 0}},
                customdata=[link] * len(labels) if link else None,
                hovertemplate=f"{_plain(name)}: %{{y:.1%}} of the calls at %{{x}}<extra></extra>",
            )
        )
    figure.update_layout(barmode="group", bargap=0.2, bargroupgap=0.05, showlegend=True)
    figure.update_xaxes(type="category", title={"text": axis_title} if axis_title else None)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", nticks=5)
    return figure


def graph(
    figure: go.Figure,
    *,
    name: str,
    title: str,
    summary: str,
    link: str = "",
    link_text: str = "Show calls",
    height: int = 240,
) -> html.Figure:
    """A chart as it stands on a page: a heading, the drawing, a summary for who cannot see it, a link to the calls.

    `name` is unique on the page. A click on a point follows the address in its `customdata`.
    """
    figure.update_layout(height=height, dragmode=False)
    head: list[Any] = [html.Span(title, className="chart-title")]
    if link:
        head.append(dcc.Link(link_text, href=link, className="chart-link"))
    return html.Figure(
        [
            html.Figcaption([html.Div(head, className="chart-head"), html.P(summary, className="sr-only")]),
            html.Div(
                dcc.Graph(
                    id={"type": "chart", "name": name},
                    figure=figure,
                    config=CONFIG,  # type: ignore[arg-type]
                    responsive=True,
                    style={"height": f"{height}px"},
                ),
                className="chart-body",
                style={"minHeight": f"{height}px"},
                **aria(hidden="true"),
            ),
        ],
        className="chart",
    )


def dress(tree: Any, theme: str) -> Any:
    """Gives every chart of a component tree the template of the colour scheme (`light` or `dark`)."""
    template = TEMPLATES.get(theme, TEMPLATES["light"])
    if isinstance(tree, Component):
        for component in (tree, *tree._traverse()):  # type: ignore[no-untyped-call]
            figure = getattr(component, "figure", None)
            if isinstance(figure, go.Figure):
                figure.update_layout(template=template)
    return tree


def _interval(one: Series) -> go.Scatter:
    """The area between low and high, one for each run of points that have both."""
    times: list[datetime | None] = []
    values: list[float | None] = []
    for known, run in groupby(zip(one.times, one.low, one.high, strict=True), key=lambda point: point[1] is not None):
        points = list(run)
        if known and len(points) > 1:
            times += [*(point[0] for point in points), *(point[0] for point in reversed(points)), None]
            values += [*(point[2] for point in points), *(point[1] for point in reversed(points)), None]
    return go.Scatter(
        x=times,
        y=values,
        fill="toself",
        fillcolor=_FADED,
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        name="",
    )


def _spoken(one: Series) -> dict[str, Any]:
    """Hover text and the address behind each point."""
    spoken: dict[str, Any] = {"customdata": list(one.links) or None}
    if one.texts:
        spoken["hovertext"] = [_plain(text) for text in one.texts]
        spoken["hovertemplate"] = "%{hovertext}<extra></extra>"
    return spoken


def _axis(figure: go.Figure, signal: Signal | None) -> None:
    options: dict[str, Any] = {"rangemode": "tozero", "nticks": 6}
    if signal is not None:
        unit = signal.unit.lower()
        if signal.kind in (Kind.FLAG, Kind.CATEGORY):
            options["tickformat"] = ".0%"
        elif unit in ("$", "usd"):
            options.update(tickprefix="$", tickformat=",.6~f")
        elif unit in ("s", "seconds"):
            options.update(ticksuffix=" s")
        else:
            options["tickformat"] = "~s" if signal.good is None and signal.unit else ""
        if signal.name.endswith("sentiment"):
            options["rangemode"] = "normal"
    figure.update_layout(yaxis=options, xaxis={"tickformatstops": _DATES})


def _plain(text: str) -> str:
    """Text that plotly shows as it is: it reads a little HTML otherwise."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, length: int = 36) -> str:
    line = " ".join(text.split())
    return _plain(line if len(line) <= length else line[: length - 1] + "…")

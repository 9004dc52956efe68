"""Compare: two variants on every signal (A/B), or one range of time with another."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Input, Output, State, dcc, html

from dashboards import cards, ranges, variants
from dashboards.filters import Request
from monitor.contracts import Page

_WAYS = {"variants": "Two variants (A/B)", "ranges": "Two ranges of time"}


def layout(request: Request) -> Any:
    """The page."""
    way = "ranges" if request.parameter("what") == "ranges" else "variants"
    tabs = html.Div(
        [
            dcc.Link(label, href=request.link(what=name), className="chip is-active" if name == way else "chip")
            for name, label in _WAYS.items()
        ],
        className="chips",
    )
    lead = (
        "Which prompt version, model or release does better, and is it sure yet? Users count once."
        if way == "variants"
        else "What differs between two stretches of time, signal by signal?"
    )
    shown = ranges.layout(request) if way == "ranges" else variants.layout(request)
    return html.Div([cards.heading("Compare", lead), tabs, *shown])


def callbacks(app: Any, _context: Any) -> None:
    """The forms write the address, in the browser (assets/compare.js); the page follows."""

    def client(name: str, *arguments: Any) -> None:
        app.clientside_callback(
            ClientsideFunction("compare", name),
            Output("location", "search", allow_duplicate=True),
            *arguments,
            State("location", "search"),
            prevent_initial_call=True,
        )

    client("dimension", Input("compare-by", "value"))
    client("variants", Input("compare-go", "n_clicks"), *(State(f"compare-{part}", "value") for part in _FORM))
    client("ranges", Input("compare-ranges", "n_clicks"), State("compare-from", "value"), State("compare-to", "value"))


_FORM = ("by", "first", "second")

PAGE = Page("/compare", "Compare", "compare", 11, layout, callbacks, section="Look closer")

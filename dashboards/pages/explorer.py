"""Explorer: search the calls, open one, or its whole trace."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Input, Output, State

from dashboards import call_list, call_view, trace_view
from dashboards.filters import Request
from monitor.contracts import Page


def layout(request: Request) -> Any:
    """A call where the address names one, a trace where it names that only, else the list."""
    if request.parameter("trace"):
        return (call_view if request.parameter("span") else trace_view).layout(request)
    return call_list.layout(request)


def callbacks(app: Any, _context: Any) -> None:
    """The search form writes the address, in the browser (assets/explorer.js); the page follows."""
    app.clientside_callback(
        ClientsideFunction("explorer", "search"),
        Output("location", "search", allow_duplicate=True),
        Input("explorer-search", "n_clicks"),
        Input("explorer-text", "n_submit"),
        Input("explorer-value", "n_submit"),
        State("explorer-signal", "value"),
        State("explorer-status", "value"),
        State("location", "search"),
        prevent_initial_call=True,
    )


PAGE = Page("/explorer", "Explorer", "explorer", 10, layout, callbacks, section="Look closer")

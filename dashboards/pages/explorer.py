"""Explorer: search the calls, open one, or its whole trace."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, State, no_update

from dashboards import call_list, call_view, trace_view
from dashboards.filters import Request
from monitor.contracts import Page


def layout(request: Request) -> Any:
    """A call where the address names one, a trace where it names that only, else the list."""
    if request.parameter("trace"):
        return (call_view if request.parameter("span") else trace_view).layout(request)
    return call_list.layout(request)


def callbacks(app: Any, context: Any) -> None:
    """The search form writes the address; the page follows."""

    def field(name: str, what: str = "value") -> tuple[dict[str, str], str]:
        return {"type": "explorer", "name": name}, what

    @app.callback(  # type: ignore[untyped-decorator]
        Output("location", "search", allow_duplicate=True),
        Input("explorer-search", "n_clicks"),
        Input(*field("text", "n_submit")),
        Input(*field("value", "n_submit")),
        *(State(*field(name)) for name in call_list.FORM),
        State("ask", "data"),
        prevent_initial_call=True,
    )
    def search(clicks: int | None, text_submits: int | None, value_submits: int | None, *given: Any) -> Any:
        if not (clicks or text_submits or value_submits):
            return no_update
        *form, ask = given
        values = dict(zip(call_list.FORM, (str(part or "") for part in form), strict=True))
        return call_list.searched(context.asked(ask), values)


PAGE = Page("/explorer", "Explorer", "explorer", 8, layout, callbacks)

"""The dashboard: one Dash application on the Flask server it is given.

Pages are found by themselves (`monitor.contracts.collect`); one callback asks the page that the address names for its
component tree. Callbacks are registered on the application, never globally, so that several can live in one process.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import flask
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, html

import dashboards.pages
from dashboards import charts, empty, shell
from dashboards.cards import aria, icon
from dashboards.filters import CUSTOM, PRESETS, Request, check, parse
from monitor import clock, wording
from monitor.contracts import Page, collect
from monitor.errors import describe
from monitor.identifiers import project_id
from monitor.links import is_wide, segment_parameter
from monitor.queries import options
from monitor.settings import Settings
from monitor.store import Store

_log = logging.getLogger(__name__)

_WITHOUT_CALLS = frozenset(("/alerts", "/senders"))
"""Pages that have something to say of a project without calls."""


@dataclass(frozen=True)
class Context:
    """What the callbacks of a page get: where to read, and how to understand an address."""

    store: Store
    settings: Settings

    def request(self, path: str, search: str, now: datetime | None = None) -> Request:
        """The request of an address; `now` is the present unless given."""
        moment = now or clock.now()
        names = [project.name for project in options.projects(self.store)]
        given, project, problems = parse(search, names, self.settings.project)
        identifier = project_id(project)
        latest = options.latest(self.store, identifier) if project in names else None
        asked = check(given, project, latest, moment, problems)
        return Request(
            store=self.store,
            settings=self.settings,
            path=path,
            project=project,
            project_id=identifier,
            start=asked.start,
            end=asked.end,
            now=moment,
            range=asked.range,
            segment=asked.segment,
            compare=asked.compare,
            parameters=asked.parameters,
            problems=asked.problems,
            latest=latest,
        )

    def asked(self, ask: Mapping[str, str]) -> Request:
        """The request of the `ask` store of the frame: what callbacks of pages take as `State("ask", "data")`."""
        return self.request(ask["path"], ask["search"])


def create_app(settings: Settings, store: Store, server: flask.Flask) -> Dash:
    """The dashboard on a Flask server. It opens no port and contacts nobody."""
    pages = collect(dashboards.pages, Page)
    app = Dash(
        "dashboards",
        server=server,  # type: ignore[arg-type]
        pages_folder="",
        use_pages=False,
        serve_locally=True,
        suppress_callback_exceptions=True,
        title=shell.PRODUCT,
        update_title="",
        index_string=shell.INDEX,
        compress=False,
        add_log_handler=False,
    )
    context = Context(store, settings)
    app.layout = shell.layout(pages.values(), with_logout=is_wide(settings))
    _client_callbacks(app)
    _page_callback(app, context, pages)
    for page in pages.values():
        if page.callbacks is not None:
            page.callbacks(app, context)
    return app


def render(page: Page | None, request: Request) -> Any:
    """The component tree of a page for a request, or what stands in for it: unknown, no data yet, failed."""
    if page is None:
        return shell.not_found(request.path)
    if request.latest is None and page.path not in _WITHOUT_CALLS:
        return empty.first_call(request)
    try:
        tree = page.layout(request)
    except Exception as error:
        identifier = secrets.token_hex(4)
        _log.error("page %s failed, id %s: %s", page.path, identifier, describe(error))
        return shell.failed(identifier)
    known = options.project(request.store, request.project)
    source = [html.P(known.note, className="note")] if known and known.note and page.path != "/" else []
    notices = [html.P(problem, className="notice", role="status") for problem in request.problems]
    return html.Div([*notices, tree, *source], className="page")


def _page_callback(app: Dash, context: Context, pages: Mapping[str, Page]) -> None:
    @app.callback(
        Output("page", "children"),
        Output("state", "data"),
        Output("freshness", "children"),
        Input("ask", "data"),
        prevent_initial_call=True,
    )
    def show(ask: Mapping[str, str]) -> tuple[Any, Any, Any]:
        page = pages.get(ask["path"].rstrip("/") or "/")
        try:
            request = context.asked(ask)
            state = _state(request, page)
        except Exception as error:
            identifier = secrets.token_hex(4)
            _log.error("the store could not be read, id %s: %s", identifier, describe(error))
            return shell.failed(identifier), None, ""
        tree = charts.dress(render(page, request), ask.get("theme", "light"))
        return tree, state, _freshness(request)


def _state(request: Request, page: Page | None) -> dict[str, Any]:
    """What the controls of the filter bar show."""
    names = [project.name for project in options.projects(request.store)] or [request.project]
    groups: list[dict[str, Any]] = [
        {
            "group": wording.dimension_text(dimension).capitalize(),
            "items": [{"value": segment_parameter(option.segment), "label": option.segment.value} for option in found],
        }
        for dimension, found in options.segments(request.store, request.project_id).items()
    ]
    chosen = [segment for segment in (request.segment, request.compare) if segment is not None and segment.dimension]
    known = {item["value"] for group in groups for item in group["items"]}
    missing = {segment_parameter(segment): segment for segment in chosen if segment_parameter(segment) not in known}
    if missing:
        items = [{"value": value, "label": str(segment)} for value, segment in missing.items()]
        groups.insert(0, {"group": "Not seen", "items": items})
    ranges = {**PRESETS, CUSTOM: "Custom days"}
    if request.range not in ranges:
        ranges = {request.range: request.range, **ranges}
    return {
        "project": request.project,
        "projects": sorted({*names, request.project}),
        "range": request.range,
        "ranges": [{"value": value, "label": label} for value, label in ranges.items()],
        "from": request.start.strftime("%Y-%m-%d"),
        "to": (request.end - timedelta(microseconds=1)).strftime("%Y-%m-%d"),
        "segment": segment_parameter(request.segment) or None,
        "compare": segment_parameter(request.compare) if request.compare else None,
        "segments": groups,
        "title": f"{page.title if page else 'Not found'} · {shell.PRODUCT}",
    }


def _freshness(request: Request) -> Any:
    fresh = options.freshness(request.store, request.project_id)
    if fresh.newest_call is None:
        return [icon("empty"), html.Span("No data yet")]
    lag = "up to date"
    if fresh.pending:
        waiting = wording.plural(fresh.pending, "call")
        lag = f"{'at least ' if fresh.pending_is_capped else ''}{waiting} waiting"
        if fresh.pending_since is not None:
            lag += f" for {wording.duration(request.now - fresh.pending_since)}"
    return [
        html.Span(className=f"dot {'dot-moved' if fresh.pending else 'dot-ok'}", **aria(hidden="true")),
        html.Span(f"Data to {wording.moment_text(fresh.newest_call)}, {lag}"),
    ]


def _client_callbacks(app: Dash) -> None:
    def client(name: str, *arguments: Any, **options: Any) -> None:
        app.clientside_callback(ClientsideFunction("shell", name), *arguments, **options)  # type: ignore[no-untyped-call]

    nav = {"type": "nav", "path": ALL}
    graphs = {"type": "chart", "name": ALL}
    client("ask", Output("ask", "data"), Input("location", "pathname"), Input("location", "search"))
    client("navigation", Output(nav, "href"), Output(nav, "className"), Input("ask", "data"), State(nav, "id"))
    client("show", Output("filter-days", "className"), Input("state", "data"))
    controls = ("project", "range", "from", "to", "segment", "compare")
    client(
        "choose",
        Output("location", "search"),
        *(Input(f"filter-{name}", "value") for name in controls),
        State("state", "data"),
        State("location", "search"),
        prevent_initial_call=True,
    )
    client("menu", Output("shell", "navbar"), Input("burger", "opened"), State("shell", "navbar"))
    client(
        "paint",
        Output(graphs, "figure"),
        Input("theme-switch", "computedColorScheme"),
        State(graphs, "figure"),
        State("templates", "data"),
        prevent_initial_call=True,
    )
    client("follow", Output("location", "hash"), Input(graphs, "clickData"), prevent_initial_call=True)

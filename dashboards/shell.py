"""The frame around every page: header, navigation, filter bar, and the states loading, empty and error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from dashboards import charts
from dashboards.cards import aria, icon
from dashboards.filters import CUSTOM, PRESETS
from monitor.contracts import Page

PRODUCT = "LLMOps monitor"
THEME = {
    "primaryColor": "indigo",
    "primaryShade": {"light": 8, "dark": 8},
    "fontFamily": "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
    "fontFamilyMonospace": "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
    "defaultRadius": "md",
    "focusRing": "auto",
}
NAVBAR = {"width": 224, "breakpoint": "sm", "collapsed": {"mobile": True, "desktop": False}}

# Sets the colour scheme before anything is painted, so that a dark page does not flash white.
INDEX = """<!DOCTYPE html>
<html lang="en">
    <head>
        {%metas%}
        <title>{%title%}</title>
        {%favicon%}
        {%css%}
        <script>
            (function () {
                var chosen = localStorage.getItem("mantine-color-scheme-value");
                var wanted = matchMedia("(prefers-color-scheme: dark)").matches;
                var dark = chosen === "dark" || (chosen !== "light" && wanted);
                document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
            })();
        </script>
    </head>
    <body>
        {%app_entry%}
        <footer>
            {%config%}
            {%scripts%}
            {%renderer%}
        </footer>
    </body>
</html>"""


def layout(pages: Iterable[Page], *, with_logout: bool = False) -> Any:
    """The component tree of the frame; pages fill `page`. Where people log in they can log out again."""
    return dmc.MantineProvider(
        [
            html.A("Skip to content", href="#content", className="skip-link"),
            dcc.Location(id="location", refresh="callback-nav"),
            dcc.Store(id="ask"),
            dcc.Store(id="state"),
            dcc.Store(id="templates", data=charts.TEMPLATES),
            dmc.AppShell(
                [
                    _header(),
                    dmc.AppShellNavbar(
                        [_navigation(pages), *([_logout()] if with_logout else [])], id="navbar", **aria(label="Pages")
                    ),
                    dmc.AppShellMain([_filter_bar(), _main()], id="main"),
                ],
                id="shell",
                header={"height": 56},
                navbar=NAVBAR,
                padding=0,
            ),
        ],
        defaultColorScheme="auto",
        theme=THEME,
    )


def loading() -> html.Div:
    """What stands where a page will be."""
    return html.Div(
        [
            html.P("Loading…", className="sr-only", role="status"),
            html.Div([html.Div(className="skeleton") for _ in range(6)], className="number-row"),
            html.Div(className="skeleton skeleton-tall"),
        ],
        className="page",
    )


def failed(identifier: str) -> html.Div:
    """What a page that raised shows: what to do, and the id under which the log has the details."""
    return html.Div(
        html.Div(
            [
                html.H1("This page could not be built", className="state-title"),
                html.P(
                    "Nothing is lost: the calls are stored and the other pages work. Try again, or narrow the filter."
                ),
                html.P(["The log has the details under the id ", html.Code(identifier), "."]),
                html.A("Try again", href="", className="button"),
            ],
            className="state state-error",
            role="alert",
        ),
        className="page",
    )


def not_found(path: str) -> html.Div:
    """What an unknown address shows."""
    return html.Div(
        html.Div(
            [
                html.H1("There is no such page", className="state-title"),
                html.P(["Nothing is at ", html.Code(path[:120]), "."]),
                dcc.Link("To the overview", href="/", className="button"),
            ],
            className="state",
        ),
        className="page",
    )


def _header() -> Any:
    return dmc.AppShellHeader(
        html.Div(
            [
                dmc.Burger(id="burger", opened=False, size="sm", hiddenFrom="sm", **aria(label="Menu")),
                dcc.Link(
                    [html.Span(className="brand-mark", **aria(hidden="true")), PRODUCT], href="/", className="brand"
                ),
                dmc.Select(
                    id="filter-project",
                    className="filter-project",
                    size="xs",
                    allowDeselect=False,
                    searchable=True,
                    nothingFoundMessage="No such project",
                    leftSection=None,
                    **aria(label="Project"),
                ),
                html.Div(className="spacer"),
                html.Div(id="freshness", className="freshness", role="status"),
                dmc.ColorSchemeToggle(
                    lightIcon=icon("sun"),
                    darkIcon=icon("moon"),
                    id="theme-switch",
                    variant="subtle",
                    color="gray",
                    size="lg",
                    **aria(label="Switch between light and dark"),
                ),
            ],
            className="header",
        ),
    )


def _navigation(pages: Iterable[Page]) -> html.Div:
    """The pages by section; sections are in the order of their first pages."""
    sections: dict[str, list[Page]] = {}
    for page in sorted(pages, key=lambda page: (page.order, page.path)):
        sections.setdefault(page.section, []).append(page)
    return html.Div(
        [
            html.Div([html.P(section, className="nav-heading"), html.Ul([_entry(page) for page in found])])
            for section, found in sections.items()
        ],
        className="nav",
    )


def _entry(page: Page) -> html.Li:
    return html.Li(
        dcc.Link(
            [icon(page.icon), html.Span(page.title)],
            id={"type": "nav", "path": page.path},
            href=page.path,
            className="nav-link",
        )
    )


def _logout() -> html.Form:
    return html.Form(
        html.Button("Log out", type="submit", className="nav-link nav-button"),
        action="/logout",
        method="post",
        className="nav",
    )


def _filter_bar() -> html.Div:
    return html.Div(
        [
            dmc.Select(
                id="filter-range",
                size="xs",
                data=[{"value": value, "label": label} for value, label in [*PRESETS.items(), (CUSTOM, "Custom days")]],
                allowDeselect=False,
                leftSection=icon("clock"),
                className="filter-range",
                **aria(label="Time range"),
            ),
            html.Div(
                [
                    dmc.DateInput(id="filter-from", size="xs", valueFormat="D MMM YYYY", **aria(label="First day")),
                    html.Span("to", className="dim"),
                    dmc.DateInput(id="filter-to", size="xs", valueFormat="D MMM YYYY", **aria(label="Last day")),
                ],
                id="filter-days",
                className="filter-days is-hidden",
            ),
            _segment_select("filter-segment", "All traffic", "Segment", "filter"),
            _segment_select("filter-compare", "Compare with…", "Compare with segment", None),
        ],
        className="filter-bar",
        role="search",
        **aria(label="Filter"),
    )


def _segment_select(identifier: str, placeholder: str, label: str, icon_name: str | None) -> Any:
    return dmc.Select(
        id=identifier,
        size="xs",
        placeholder=placeholder,
        searchable=True,
        clearable=True,
        limit=300,
        maxDropdownHeight=360,
        nothingFoundMessage="No such segment",
        leftSection=icon(icon_name) if icon_name else None,
        className="filter-segment",
        clearButtonProps={"aria-label": f"Clear: {label}"},
        **aria(label=label),
    )


def _main() -> html.Div:
    return html.Div(
        dcc.Loading(
            html.Div(loading(), id="page"),
            delay_show=300,
            overlay_style={"visibility": "visible", "opacity": 0.45},
            custom_spinner=html.Div(className="spinner", role="status", **aria(label="Loading")),
        ),
        id="content",
        tabIndex=-1,
    )

"""Every page, found by itself: it renders for no data, little, much and hostile data, and leads nowhere outside."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import flask
import pytest
from dash import dcc, html
from dash._utils import to_json
from dash.development.base_component import Component

import dashboards.pages
from dashboards import app, bins, charts, shell
from dashboards.app import Context, create_app, render
from monitor import tables
from monitor.contracts import WHOLE, Kind, Page, collect
from monitor.profile import Profile
from monitor.queries import alerts
from monitor.settings import Settings
from monitor.store import Store, table_of
from tests import seeding
from tests.conftest import NOW

PAGES = collect(dashboards.pages, Page)
SEARCHES = (
    "",
    "?range=1d",
    "?range=182d&compare=model_family:gpt-4",
    "?segment=feature:prime",
    "?segment=nothing:there&compare=nothing:here",
    "?segment=model_family%2Bfeature:gpt-4+%2B+prime",
    "?from=2026-03-01&to=2026-03-02",
    "?from=1999-01-01&to=1999-02-01",
    "?incident=1&signal=response_characters&stream=all+traffic&indicator=drift&sort=calls&state=all",
    "?incident=x&signal=format&stream=feature:prime&sort=%3Cb%3E&state=%27",
    "?signal=response_meaning&stream=all+traffic&trace=1&span=2&text=%25_%27%22",
    "?signal=%3Cscript%3E&stream=a:b&trace=%F0%9F%92%A5&page=-1&before=x&call=99999999999999999999999",
)


def everything(tree: Any) -> Iterator[Component]:
    """All components of a tree."""
    if isinstance(tree, Component):
        yield tree
        yield from tree._traverse()


def texts(tree: Any) -> str:
    """All texts and addresses that a tree holds, as the browser gets them."""

    def walk(part: Any) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict | list):
            for inner in part.values() if isinstance(part, dict) else part:
                yield from walk(inner)

    return "\n".join(walk(json.loads(to_json(tree))))


def check(tree: Any) -> None:
    """What holds for the tree of every page."""
    assert isinstance(tree, Component)
    found = list(everything(tree))
    assert texts(tree)
    assert sum(isinstance(part, html.H1) for part in found) == 1, "a page has one heading of the first level"
    identifiers = Counter(json.dumps(part.id, sort_keys=True) for part in found if getattr(part, "id", None))
    assert not [name for name, count in identifiers.items() if count > 1], "ids are unique"
    for part in found:
        if not isinstance(part, Component):
            continue
        address = getattr(part, "href", None)
        if address:
            assert address.startswith(("/", "#")), f"{address!r} leads outside"
            assert not address.startswith("//")
        assert not isinstance(part, html.Iframe | html.Script | html.ObjectEl | html.Embed)
        assert not getattr(part, "dangerously_allow_html", False)
        if isinstance(part, html.Table):
            parts = list(everything(part))
            assert any(isinstance(inner, html.Caption) for inner in parts), "a table says what it lists"
            assert any(isinstance(inner, html.Th) and inner.scope for inner in parts), "its columns have names"
        if isinstance(part, html.Figure):
            assert any(isinstance(inner, html.Figcaption) and texts(inner) for inner in everything(part))
        if isinstance(part, dcc.Graph):
            assert part.config["showSendToCloud"] is False, "the cloud button is off"
            assert part.config["plotlyServerURL"] == ""
            assert part.id["type"] == "chart"


def without_zone(tree: Any) -> list[str]:
    """Texts on a page with a time of day that do not say in which zone it is."""
    shown = texts([getattr(part, "children", "") for part in everything(tree) if not isinstance(part, html.Code)])
    lines = [line for line in shown.splitlines() if re.search(r"\b\d{1,2} [A-Z][a-z]{2}( \d{4})?, \d\d:\d\d", line)]
    return [line for line in lines if "UTC" not in line]


def failed(tree: Any) -> bool:
    """True for what stands in for a page that raised."""
    return "could not be built" in texts(tree)


@pytest.fixture
def context(store: Store, settings: Settings) -> Context:
    return Context(store, settings)


@pytest.mark.parametrize("path", PAGES)
def test_no_data(path: str, context: Context, project: int) -> None:
    tree = render(PAGES[path], context.request(path, "", NOW))
    check(tree)
    assert not failed(tree)
    if path not in ("/alerts", "/senders"):
        assert "/api/v1/calls" in texts(tree)
        assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in texts(tree)
        assert "monitor.log_call" in texts(tree)


def test_the_first_page_is_of_use_wherever_the_server_is(store: Store, settings: Settings, project: int) -> None:
    store.project("empty", 1)
    wide = settings.model_copy(update={"host": "0.0.0.0", "port": 8097})
    told = texts(render(PAGES["/"], Context(store, wide).request("/", "?project=empty", NOW)))
    assert "0.0.0.0" not in told
    for part in ("Bearer YOUR_KEY", 'api_key="YOUR_KEY"', "x-api-key=YOUR_KEY", "/?project=default"):
        assert part in told, part
    public = settings.model_copy(update={"public_url": "https://monitor.example/"})
    told = texts(render(PAGES["/"], Context(store, public).request("/", "?project=empty", NOW)))
    assert "curl https://monitor.example/api" in told
    assert "YOUR_KEY" in told


def test_layouts_stand_without_data_too(context: Context, project: int) -> None:
    for path, page in PAGES.items():
        check(html.Div(page.layout(context.request(path, "", NOW))))


def test_little_data(context: Context, store: Store, settings: Settings) -> None:
    seeding.fill(store, settings, NOW, days=1, users=1)
    for path, page in PAGES.items():
        tree = render(page, context.request(path, "", NOW))
        check(tree)
        assert not failed(tree), path


def test_every_page_for_every_address(context: Context, store: Store, settings: Settings) -> None:
    seeding.fill(store, settings, NOW)
    for path, page in PAGES.items():
        for search in SEARCHES:
            tree = render(page, context.request(path, search, NOW))
            check(charts.dress(tree, "dark"))
            assert without_zone(tree) == []
            assert not failed(tree), (path, search)


def test_hostile_data(context: Context, store: Store, settings: Settings) -> None:
    names = seeding.HOSTILE
    seeding.fill(store, settings, NOW, names=names)
    own = [
        "",
        f"&segment=model:{'x' * 300}",
        "&segment=feature:%3C/td%3E%3Cimg+src%3Dx+onerror%3Dalert(2)%3E%25%7By%7D%3Cextra%3E%3C/extra%3E",
        "&signal=feedback.%3Ci%3Eacc%3C/i%3E+%24%7B7*7%7D&stream=all+traffic&indicator=quality",
    ]
    for path, page in PAGES.items():
        for more in own:
            search = "?project=a+project;+DROP+TABLE+%3Cb%3E%26amp;" + more
            request = context.request(path, search, NOW)
            assert request.project == names.project
            tree = render(page, request)
            check(tree)
            assert not failed(tree), (path, search)
            for figure in (part.figure for part in everything(tree) if isinstance(part, dcc.Graph)):
                assert "<img" not in figure.to_json().replace("\\u003c", "<"), "plotly reads HTML in texts"


def test_much_data(tmp_path: Any, sqlite_template: Any) -> None:
    import shutil

    shutil.copy(sqlite_template, tmp_path / "store.db")
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'store.db'}", secret_key="k")
    store = Store.open(settings)
    seeding.fill(store, settings, NOW, days=56, users=2, features=60)
    context = Context(store, settings)
    for path, page in PAGES.items():
        for search in ("", "?state=all", "?signal=response_characters&stream=all+traffic"):
            tree = render(page, context.request(path, search, NOW))
            check(tree)
            assert not failed(tree), path
            assert len(to_json(tree)) < 1_500_000, f"{path} sends too much"
    store.close()


def test_a_page_that_raises_says_so_calmly(
    context: Context, project: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def layout(request: Any) -> Any:
        raise ValueError("what someone wrote")

    request = context.request("/broken", "", NOW)
    monkeypatch.setattr(app.options, "latest", lambda *_: NOW)
    with caplog.at_level(logging.ERROR):
        tree = render(Page("/broken", "Broken", "page", 1, layout), context.request("/broken", "", NOW))
    assert request.latest is None
    check(tree)
    assert failed(tree)
    (record,) = caplog.records
    assert record.getMessage().split("id ")[1][:8] in texts(tree)
    assert "ValueError" in record.getMessage()
    assert "what someone wrote" not in caplog.text + texts(tree)


def test_an_unknown_address_says_so(context: Context, project: int) -> None:
    tree = render(None, context.request("/<nowhere>", "", NOW))
    check(tree)
    assert "no such page" in texts(tree)


def test_problems_of_the_address_are_told_on_the_page(context: Context, store: Store, settings: Settings) -> None:
    seeding.fill(store, settings, NOW)
    assert "range must begin before it ends" in texts(
        render(PAGES["/"], context.request("/", "?from=2026-02-01&to=2026-01-01", NOW))
    )


def test_the_frame_has_every_page_and_all_ids_once(settings: Settings, store: Store) -> None:
    applications = [create_app(settings, store, flask.Flask(name)) for name in ("one", "two")]
    for application in applications:
        found = list(everything(application.layout))
        paths = [part.id["path"] for part in found if isinstance(getattr(part, "id", None), dict)]
        assert paths == [page.path for page in sorted(PAGES.values(), key=lambda page: page.order)]
        assert len(application.callback_map) == len(applications[0].callback_map) > 5, "callbacks are the app's own"


def test_overview_tells_what_is_wrong_for_whom_since_when_and_what_to_do(
    context: Context, store: Store, settings: Settings
) -> None:
    seeding.fill(store, settings, NOW)
    told = texts(render(PAGES["/"], context.request("/", "", NOW)))
    for part in (
        "gpt-4 + prime: accuracy 84.0%",
        "95% interval 44.0% to 58.1%, 512 calls",
        "8 Mar 2026",
        "model gpt-4-0613, first seen 8 Mar 2026",
        "pin the model that answered before",
        "Arrival times in this store are synthetic.",
        "leetcode_easy: errors",
        "1 message could not be delivered",
    ):
        assert part in told, part
    addresses = [
        part.href for part in everything(render(PAGES["/"], context.request("/", "", NOW))) if hasattr(part, "href")
    ]
    before = [
        address for address in addresses if address.startswith("/explorer") and "to=2026-03-08T00%3A00Z" in address
    ]
    since = [
        address for address in addresses if address.startswith("/explorer") and "from=2026-03-08T00%3A00Z" in address
    ]
    assert before
    assert since


def test_an_incident_tells_each_change_once(context: Context, store: Store, settings: Settings, project: int) -> None:
    seeding.fill(store, settings, NOW)
    (incident,) = alerts.open_incidents(store, project)
    table = table_of(tables.Incident)
    (wide,) = [alert.id for alert in incident.alerts if alert.segment == WHOLE]
    with store.write() as connection:
        detail = dict(incident.detail) | {"repeats": [wide]}
        connection.execute(table.update().where(table.c.id == incident.id).values(detail=detail))
    page = render(PAGES["/alerts"], context.request("/alerts", f"?incident={incident.id}", NOW))
    check(page)
    (fold,) = [part for part in everything(page) if isinstance(part, html.Details) and part.className == "fold"]
    assert "1 alert on the same changes" in texts(fold)
    assert texts(page).count("all traffic") == texts(fold).count("all traffic") > 0


def test_overview_is_all_clear_only_where_something_was_judged() -> None:
    from dashboards.pages.overview import _calm

    assert "Nothing has been judged" in texts(_calm(Counter()))
    few = texts(_calm(Counter(too_few=3)))
    assert "Too early to tell" in few
    assert "all 3 streams have too few calls" in few
    assert "All clear" not in few
    assert "All clear" in texts(_calm(Counter(ok=2, too_few=1)))


def test_drift_shows_the_change_in_course_and_distribution(context: Context, store: Store, settings: Settings) -> None:
    seeding.fill(store, settings, NOW)
    search = "?signal=response_characters&stream=model_family%2Bfeature:gpt-4+%2B+prime&indicator=drift"
    tree = render(PAGES["/drift"], context.request("/drift", search, NOW))
    graphs = {part.id["name"]: part for part in everything(tree) if isinstance(part, dcc.Graph)}
    assert set(graphs) == {"course", "distribution"}
    course = graphs["course"].figure
    assert [str(shape.x0)[:10] for shape in course.layout.shapes if shape.type == "line"] == ["2026-03-08"]
    assert course.data[0].y[-1] < 10 < 400 < course.data[0].y[0]
    assert all(address.startswith("/explorer?") for address in course.data[0].customdata)
    before, after = graphs["distribution"].figure.data
    assert sum(before.y) == pytest.approx(1)
    assert sum(after.y) == pytest.approx(1)
    for key in ("PSI", "Jensen-Shannon", "Wasserstein", "KS"):
        assert key in texts(tree)


def test_an_address_as_mails_have_it_opens_the_stream(context: Context, store: Store, settings: Settings) -> None:
    seeding.fill(store, settings, NOW)
    search = "?segment=model_family%2Bfeature:gpt-4+%2B+prime&signal=response_characters"
    told = texts(render(PAGES["/drift"], context.request("/drift", search, NOW)))
    assert "Response length, gpt-4 + prime" in told
    incident = alerts.open_incidents(store, context.request("/", "", NOW).project_id)[0]
    told = texts(render(PAGES["/alerts"], context.request("/alerts", f"?incident={incident.id}", NOW)))
    assert incident.title in told
    assert "The incident was opened" in told


def test_bins_are_round_and_shares_add_up() -> None:
    narrow = Profile.of(Kind.NUMBER, [[0.1 * number] for number in range(1, 50)])
    wide = Profile.of(Kind.NUMBER, [[float(10**power)] for power in range(6)])
    for one, other in ((narrow, narrow), (wide, wide), (narrow, Profile(Kind.NUMBER)), (wide, narrow)):
        bars = bins.compare(one, other)
        assert bars is not None
        assert sum(bars.before) == pytest.approx(1)
        assert sum(bars.after) == pytest.approx(1 if other.n else 0)
        assert 2 <= len(bars.labels) <= 40
    flag = bins.compare(Profile.of(Kind.FLAG, [[True], [False]]), Profile.of(Kind.FLAG, [[True]]))
    assert flag == bins.Bars(("yes", "no"), (0.5, 0.5), (1.0, 0.0))
    many = Profile.of(Kind.CATEGORY, [[f"value {number}"] for number in range(40)])
    bars = bins.compare(many, many)
    assert bars is not None
    assert bars.labels[-1] == "(other)"
    assert sum(bars.after) == pytest.approx(1)
    assert bins.compare(Profile(Kind.NUMBER), Profile(Kind.NUMBER)) is None


def test_templates_are_put_in_by_the_scheme() -> None:
    figure = charts.lines([charts.Series("a", [NOW], [1.0], ["one"], ["/explorer"])])
    tree = charts.graph(figure, name="a", title="A", summary="One.")
    charts.dress(tree, "dark")
    assert figure.layout.template.layout.font.color == charts.TEMPLATES["dark"]["layout"]["font"]["color"]
    assert shell.loading() is not None

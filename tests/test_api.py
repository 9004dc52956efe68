"""The read API: what it answers is what is stored, and the description is what it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import flask
import msgspec
import pytest
from flask.testing import FlaskClient

from monitor import api
from monitor.api import openapi
from monitor.api.answers import Problem
from monitor.api.openapi import ROUTES, Route, description
from monitor.api.posts import POSTS
from monitor.clock import to_microseconds
from monitor.ingest import Batch, Ingester
from monitor.migrate import upgrade
from monitor.records import Feedback, Message, Span
from monitor.settings import Settings
from monitor.store import Store
from tests.seeding import HOSTILE, fill


class Waiting:
    """An ingester as far as readiness looks at it."""

    records_waiting = 7


def client_of(store: Store, settings: Settings, ingester: Any = None) -> FlaskClient:
    app = flask.Flask("test")
    app.register_blueprint(api.blueprint(store, settings, ingester))
    return app.test_client()


@pytest.fixture
def client(store: Store, settings: Settings, now: datetime) -> FlaskClient:
    fill(store, settings, now, days=6, users=5)
    return client_of(store, settings, Waiting())


def get(client: FlaskClient, address: str, status: int = 200) -> Any:
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/json"
    return answer.get_json()


def everything(client: FlaskClient, address: str, limit: int) -> list[Any]:
    """All items of a list, page by page."""
    items: list[Any] = []
    after = ""
    while True:
        join = "&" if "?" in address else "?"
        page = get(client, f"{address}{join}limit={limit}{'&after=' + quote(after) if after else ''}")
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next"] is None:
            return items
        assert page["items"] or page.get("searched_back_to")
        after = page["next"]


def example_path(client: FlaskClient, route: Route) -> str:
    path = route.path.replace("{trace_id}", f"{5:032x}").replace("{span_id}", f"{5:016x}")
    if route.name == "declare":
        path += "?from=2026-03-01&to=2026-03-02&reason=load+test"
    return path.replace("{incident_id}", get(client, "/api/v1/incidents")["items"][0]["id"])


def test_every_route_answers_as_described(client: FlaskClient) -> None:
    for route in ROUTES:
        answer = client.open(example_path(client, route), method=route.method)
        assert answer.status_code == 200, (route.path, answer.text)
        if isinstance(route.answer, str):
            assert answer.content_type.startswith(route.answer.partition(";")[0])
        else:
            msgspec.json.decode(answer.data, type=route.answer)
            listed = answer.get_json().get("items")
            assert listed is None or listed, f"{route.path} is empty, so nothing of it is tested"


@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/segments",
        "/api/v1/verdicts",
        "/api/v1/alerts",
        "/api/v1/calls",
        "/api/v1/costs?by=model",
        "/api/v1/profiles?segment=model_family:gpt-4",
        f"/api/v1/traces/{5:032x}",
    ],
)
def test_pages_are_the_whole_list(client: FlaskClient, address: str) -> None:
    whole = everything(client, address, 500)
    assert whole
    for limit in (1, 3) if len(whole) < 40 else (7, 50):
        assert everything(client, address, limit) == whole


def test_nasty_names_do_not_break_pages(store: Store, settings: Settings, now: datetime) -> None:
    fill(store, settings, now, names=HOSTILE, days=3, users=3)
    client = client_of(store, settings)
    assert [item["name"] for item in get(client, "/api/v1/projects")["items"]] == [HOSTILE.project]
    for name in ("segments", "verdicts", "alerts", "calls", "profiles"):
        address = f"/api/v1/{name}?project={quote(HOSTILE.project)}"
        whole = everything(client, address, 500)
        assert whole
        assert everything(client, address, 7 if len(whole) > 30 else 1) == whole
    segment = quote(f"feature:{HOSTILE.feature}")
    found = everything(client, f"/api/v1/verdicts?project={quote(HOSTILE.project)}&segment={segment}", 100)
    assert {item["segment"]["value"] for item in found} == {HOSTILE.feature}


def test_filters(client: FlaskClient, now: datetime) -> None:
    verdicts = everything(client, "/api/v1/verdicts?segment=model_family:gpt-4&signal=response_characters", 100)
    assert verdicts
    assert {(item["segment"]["value"], item["signal"]) for item in verdicts} == {("gpt-4", "response_characters")}
    whole = everything(client, "/api/v1/verdicts?segment=%3A", 100)
    assert {item["segment"]["dimension"] for item in whole} == {""}
    for state in ("moved", "bad", "ok"):
        states = {item["state"] for item in everything(client, f"/api/v1/verdicts?state={state}", 500)}
        assert states <= {state}
    day = (now - timedelta(days=2)).date().isoformat()
    profiles = everything(client, f"/api/v1/profiles?from={day}&to={now.date()}&signal=calls&segment=%3A", 100)
    assert [item["start"][:10] for item in profiles] == sorted(item["start"][:10] for item in profiles)
    assert {item["start"][:10] for item in profiles} == {day, (now - timedelta(days=1)).date().isoformat()}
    calls = everything(client, "/api/v1/calls?status=error", 50)
    assert calls
    assert {item["status"] for item in calls} == {"error"}
    assert everything(client, "/api/v1/calls?text=nowhere+to+be+found", 50) == []
    assert everything(client, "/api/v1/incidents?to=2001-01-01", 50) == []
    incidents = everything(client, "/api/v1/incidents", 50)
    [alert, *_] = incidents[0]["alerts"]
    segment = quote(f"{alert['segment']['dimension']}:{alert['segment']['value']}")
    assert incidents[0] in everything(client, f"/api/v1/incidents?segment={segment}", 50)
    assert everything(client, "/api/v1/incidents?segment=model:none", 50) == []
    hour = now.strftime("%Y-%m-%dT%H:%M:%S+02:00")
    assert get(client, f"/api/v1/calls?to={hour}") == get(client, f"/api/v1/calls?to={quote(hour)}")


def test_numbers_are_those_of_the_store(store: Store, settings: Settings, now: datetime) -> None:
    ingester = Ingester(store, settings)
    span = Span(
        trace_id="a/trace é",
        span_id="span/1",
        time=now - timedelta(hours=1),
        session_id="s1",
        model="gpt-4",
        prompt=(Message("system", "Be brief."), Message("user", "Why?")),
        response="Because.",
        latency_s=1.5,
        tags={"plan": "pro"},
    )
    said = Feedback(name="thumb", time=now, trace_id="a/trace é", span_id="span/1", value=1.0, flag=True)
    ingester.submit(Batch("default", [span], [said]), now)
    ingester.close()
    client = client_of(store, settings)
    path = f"{quote('a/trace é', safe='')}/{quote('span/1', safe='')}"
    whole = get(client, f"/api/v1/calls/{path}")
    assert whole["prompt"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    assert whole["response"] == "Because."
    assert whole["call"]["trace_id"] == "a/trace é"
    assert whole["call"]["latency_s"] == 1.5
    assert whole["call"]["tags"] == {"plan": "pro"}
    assert [(note["name"], note["value"]) for note in whole["call"]["feedback"]] == [("thumb", 1.0)]
    assert whole["enriched"] is False
    listed = get(client, "/api/v1/calls")["items"]
    assert [item["span_id"] for item in listed] == ["span/1"]
    assert listed[0]["id"] == whole["call"]["id"]
    assert isinstance(listed[0]["id"], str)
    trace = get(client, f"/api/v1/traces/{quote('a/trace é', safe='')}")
    assert (trace["total"], trace["items"][0]["span_id"]) == (1, "span/1")


def test_behind_a_proxy_that_puts_it_below_a_path(client: FlaskClient) -> None:
    for route in ROUTES:
        answer = client.open(example_path(client, route), method=route.method, base_url="http://localhost/monitor")
        assert answer.status_code == 200, (route.path, answer.text)


def test_an_incident_is_marked_false_and_back(client: FlaskClient) -> None:
    found = get(client, "/api/v1/incidents")["items"][0]
    assert found["marked_false"] is None
    address = f"/api/v1/incidents/{found['id']}/false"
    assert client.get(address).status_code == 405
    assert client.post(address).get_json()["marked_false"]
    budget = get(client, "/api/v1/budget?to=2026-03-20")
    assert (budget["marked_false"], budget["incidents"], budget["is_suspicious"]) == (1, 2, True)
    assert client.post(f"{address}?is_false=no").get_json()["marked_false"] is None
    assert get(client, "/api/v1/budget?to=2026-03-20")["marked_false"] == 0
    assert client.post("/api/v1/incidents/1/false").status_code == 404
    assert client.post("/api/v1/incidents/x/false").status_code == 404
    times = {"from": "2026-03-01T10:00Z", "to": "2026-03-01T12:00Z"}
    made = client.post("/api/v1/declared", query_string={**times, "reason": "load test"})
    assert (made.status_code, made.json["kind"], made.json["reason"]) == (200, "incident", "load test")
    accepted = client.post("/api/v1/declared", query_string={"kind": "cut", "incident": found["id"], "reason": "meant"})
    assert accepted.json["incident_id"] == found["id"]
    assert [one["kind"] for one in get_json(client, "/api/v1/budget")["declared"]].count("cut") == 1
    for wrong, status in (
        ({"reason": "x"}, 400),
        (times, 400),
        ({"kind": "cut", "incident": "1", "reason": "x"}, 404),
        ({"kind": "nothing", **times, "reason": "x"}, 400),
    ):
        assert client.post("/api/v1/declared", query_string=wrong).status_code == status, wrong


def test_costs_are_the_profiles(client: FlaskClient) -> None:
    costs = {item["start"]: item for item in everything(client, "/api/v1/costs", 50)}
    profiles = everything(client, "/api/v1/profiles?segment=%3A&signal=cost_usd", 50)
    assert len(costs) == len(profiles) == 6
    for profile in profiles:
        cost = costs[profile["start"]]
        assert cost["priced"] == profile["n"]
        assert cost["cost_usd"] == pytest.approx(profile["mean"] * profile["n"])


@pytest.mark.parametrize(
    ("address", "status", "part"),
    [
        ("/api/v1/calls?project=none", 404, "no project"),
        ("/api/v1/calls?limt=5", 400, "no parameter 'limt'"),
        ("/api/v1/calls?limit=0", 400, "limit: "),
        ("/api/v1/calls?limit=five", 400, "limit: "),
        ("/api/v1/calls?limit=1&limit=2", 400, "more than once"),
        ("/api/v1/calls?from=yesterday", 400, "from: "),
        ("/api/v1/calls?from=2026-03-02T08:00:00", 400, "zone"),
        ("/api/v1/calls?segment=gpt-4", 400, "dimension:value"),
        ("/api/v1/calls?status=fine", 400, "one of ok, error"),
        ("/api/v1/calls?signal=%22", 400, "condition"),
        ("/api/v1/calls?after=zzz", 400, "after: "),
        ("/api/v1/verdicts?after=WzFd", 400, "after: "),
        ("/api/v1/alerts?after=WzFlMzAsMV0", 400, "after: "),
        ("/api/v1/verdicts?signal=%00", 400, "NUL"),
        ("/api/v1/traces/none", 404, "No such trace"),
        ("/api/v1/traces/x?after=-1", 400, "after: "),
        ("/api/v1/calls/none/none", 404, "No such call"),
        ("/api/v1/calls/none", 404, "no such address"),
        ("/api/v1/calls/%00/none", 400, "NUL"),
        ("/api/v1/profiles?block=week", 400, "one of hour, day"),
    ],
)
def test_mistakes_are_told(client: FlaskClient, address: str, status: int, part: str) -> None:
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    assert part in msgspec.json.decode(answer.data, type=Problem).error


def test_extreme_times_find_nothing_and_break_nothing(client: FlaskClient) -> None:
    for name in ("calls", "verdicts", "alerts", "incidents", "costs", "profiles"):
        assert get(client, f"/api/v1/{name}?from=0001-01-01&to=0001-01-02")["items"] == []
        get(client, f"/api/v1/{name}?from=0001-01-01T00:00:00%2B14:00&to=9999-12-31T23:59:59-14:00")


def test_health_of_a_store(empty_database_url: str, settings: Settings) -> None:
    settings = settings.model_copy(update={"database_url": empty_database_url})
    store = Store(empty_database_url)
    try:
        client = client_of(store, settings, Waiting())
        assert get(client, "/healthz") == {"status": "ok", "problems": []}
        assert "migrate" in get(client, "/readyz", 503)["problems"][0]
        upgrade(store)
        assert get(client, "/readyz") == {"status": "ok", "problems": []}
        full = client_of(store, settings.model_copy(update={"queue_records": 7}), Waiting())
        assert "wait" in get(full, "/readyz", 503)["problems"][0]
    finally:
        store.close()
    gone = Store("postgresql://nobody@127.0.0.1:1/none")
    assert get(client_of(gone, settings), "/readyz", 503)["status"] == "not ready"
    assert get(client_of(gone, settings), "/healthz")["status"] == "ok"
    assert "error" in get(client_of(gone, settings), "/api/v1/calls", 500)


SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\})? (-?[0-9.e+]+)\Z')


def test_metrics_are_prometheus_text(store: Store, settings: Settings, now: datetime) -> None:
    name = 'quo"te\\'
    ingester = Ingester(store, settings)
    span = Span(trace_id="t", span_id="s", time=now, response="x")
    ingester.submit(Batch(name, [span, span]), now)
    ingester.close()
    answer = client_of(store, settings, Waiting()).get("/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    samples = {}
    for line in answer.text.splitlines():
        if not line.startswith("# "):
            match = SAMPLE.match(line)
            assert match, line
            samples[match[1], match[2]] = float(match[3])
    label = 'project="quo\\"te\\\\"'
    assert samples["monitor_records_total", f'{label},outcome="accepted"'] == 1
    assert samples["monitor_records_total", f'{label},outcome="duplicates"'] == 1
    assert samples["monitor_enrichment_pending", None] == 1
    assert samples["monitor_ingest_queue_records", None] == 7
    assert samples["monitor_last_record_age_seconds", label] >= 0
    without = client_of(store, settings).get("/metrics").text
    assert "monitor_ingest_queue_records" not in without


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def test_the_description_is_openapi_3_1() -> None:
    document = json.loads(json.dumps(description("https://monitor.example.org")))
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    assert document["info"]["version"]
    assert document["servers"] == [{"url": "https://monitor.example.org"}]
    schemas = document["components"]["schemas"]
    found = set(references(document))
    assert found == {f"#/components/schemas/{name}" for name in schemas}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in schemas)
    operations = {}
    for path, methods in document["paths"].items():
        assert path.startswith("/")
        for method, operation in methods.items():
            assert method in ("get", "post")
            operations[operation["operationId"]] = operation
            named = {part["name"] for part in operation["parameters"] if part["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))
            for parameter in operation["parameters"]:
                assert parameter["in"] in ("query", "path", "header")
                assert parameter["required"] is (parameter["in"] == "path")
                assert parameter["description"]
                assert parameter["schema"]["type"] in ("string", "integer")
            assert "200" in operation["responses"]
            for code, answer in operation["responses"].items():
                assert re.fullmatch(r"[1-5]\d\d", code)
                assert answer["description"]
                assert answer["content"]
            if method == "post" and operation["operationId"] not in ("mark_false", "declare"):
                assert operation["requestBody"]["content"]
    assert len(operations) == len(ROUTES) + len(POSTS)


def test_the_description_has_every_route_and_every_route_is_described(client: FlaskClient) -> None:
    served = {re.sub(r"<path:rest>", "", rule.rule) for rule in client.application.url_map.iter_rules()}
    described = {route.path.partition("{")[0] for route in ROUTES}
    assert served - {"/static/<path:filename>"} == described
    assert get_json(client, "/openapi.json")["paths"].keys() >= {route.path for route in ROUTES}


def get_json(client: FlaskClient, address: str) -> Any:
    return json.loads(client.get(address).data)


class Page(HTMLParser):
    """Collects the tags and ids of a page, and checks that tags are closed."""

    VOID = frozenset({"meta", "link", "br", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_of_the_description_needs_no_other_file(client: FlaskClient) -> None:
    text = client.get("/docs").text
    page = Page()
    page.feed(text)
    assert page.open == []
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe"}
    assert "http://" not in text
    assert "https://" not in text
    assert "prefers-color-scheme: dark" in text
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    targets = {str(attributes["href"]) for tag, attributes in page.tags if tag == "a"}
    assert {target[1:] for target in targets if target.startswith("#")} <= ids
    for route in ROUTES:
        assert route.name in ids
    for post in POSTS:
        assert post.path in text


def test_times_without_a_clock() -> None:
    moment = openapi.parse_time("from", "2026-03-11")
    assert to_microseconds(moment) == 1_773_187_200_000_000

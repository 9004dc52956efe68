"""One new file is all that a new plug-in takes: toys are found by themselves and pass through the whole river."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

from monitor.contracts import Channel, Dialect, Enricher, Indicator, Job, JobContext, Page, collect
from monitor.enrich import enrichers
from monitor.errors import PluginError
from monitor.records import Message, Span
from monitor.settings import Settings
from monitor.store import Store
from tests.conftest import NOW

SIGNAL = '''
"""Toy: how often an answer says please."""
from monitor.contracts import Enricher, Kind, Signal, each

ENRICHER = Enricher(
    "toy_courtesy",
    1,
    (Signal("toy_please", Kind.FLAG, "Says please", "The answer has the word please.", "quality",
            misleads="Quotations count."),),
    each(lambda call: {"toy_please": "please" in call.response} if call.has_response else {}),
)
'''

INDICATOR = '''
"""Toy: answers that say please."""
from monitor.contracts import Evidence, Indicator, Rule, Verdict


def compute(evidence: Evidence) -> Verdict:
    profile = evidence.current[-1].profile if evidence.current else None
    if profile is None or not profile.n:
        return Verdict("no_data", "No answers.")
    share = profile.total / profile.n
    return Verdict("bad", f"{share:.0%} of the answers say please.", value=share, low=share, high=share, n=profile.n)


INDICATOR = Indicator(
    "toy_manners", "quality", "Manners", "Do answers beg?", lambda signal: signal.name == "toy_please", compute,
    overall_only=True, rule=Rule(states=("bad",)),
)
'''

CHANNEL = '''
"""Toy: a line in a file."""
from monitor.contracts import Channel, Delivery, Notification
from monitor.settings import Settings


def send(notification: Notification, settings: Settings) -> Delivery:
    try:
        settings.mail_folder.mkdir(exist_ok=True)
        (settings.mail_folder / "toy.txt").write_text(notification.subject)
    except OSError:
        return Delivery(False, "The folder of mails cannot be written.", retry=True)
    return Delivery(True, "Written.")


CHANNEL = Channel("toy", lambda settings: True, send)
'''

PAGE = '''
"""Toy: a page."""
from dash import html

from monitor.contracts import Page

PAGE = Page("/toy", "Toy", "overview", 99, lambda request: html.Div("Toy page", id="toy"))
'''

TOYS = {
    "monitor.enrich": ("toy_courtesy", SIGNAL),
    "monitor.indicators": ("toy_manners", INDICATOR),
    "monitor.alerts.channels": ("toy_channel", CHANNEL),
    "dashboards.pages": ("toy_page", PAGE),
}


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[None]:
    """Puts one file into each plug-in folder: on disk elsewhere, but on the package's path, as an own file would be."""
    added: list[tuple[ModuleType, str]] = []
    for package_name, (module_name, source) in TOYS.items():
        package = importlib.import_module(package_name)
        folder = tmp_path / "toys" / package_name
        folder.mkdir(parents=True)
        (folder / f"{module_name}.py").write_text(source)
        package.__path__.append(str(folder))
        added.append((package, str(folder)))
    enrichers.cache_clear()
    yield
    for package, path in added:
        package.__path__.remove(path)
    for package_name, (module_name, _) in TOYS.items():
        sys.modules.pop(f"{package_name}.{module_name}", None)
    enrichers.cache_clear()


def test_a_signal_an_indicator_a_page_and_a_channel_are_one_file_each(
    toys: None, store: Store, settings: Settings
) -> None:
    import flask

    from dashboards.app import create_app
    from monitor.ingest import Batch, Ingester
    from monitor.jobs import run_all
    from monitor.queries import verdicts

    ingester = Ingester(store, settings)
    day = NOW.replace(hour=9) - timedelta(days=1)
    spans = [
        Span(
            trace_id=f"{number:032x}",
            span_id=f"{number:016x}",
            time=day + timedelta(minutes=number),
            user=f"user {number}",
            model="gpt-4",
            prompt=(Message("user", "What now?"),),
            response="Wait, please." if number % 2 else "Wait.",
        )
        for number in range(1, 61)
    ]
    ingester.submit(Batch(project="toys", spans=spans), now=NOW)
    ingester.close()
    run_all(JobContext(store, settings, NOW))
    run_all(JobContext(store, settings, NOW + timedelta(minutes=1)))

    project = store.project("toys", 0)
    found = [verdict for verdict in verdicts.latest_verdicts(store, project, NOW) if verdict.indicator == "toy_manners"]
    assert [(verdict.state, verdict.value, verdict.n) for verdict in found] == [("bad", 0.5, 60)]
    assert "toys" in (settings.mail_folder / "toy.txt").read_text()

    server = flask.Flask("toys")
    app = create_app(settings, store, server)
    assert app is not None
    assert b"/toy" in server.test_client().get("/").data or "/toy" in str(app.layout)


def test_every_folder_of_plug_ins_is_collected() -> None:
    for package_name, kind in (
        ("monitor.enrich", Enricher),
        ("monitor.indicators", Indicator),
        ("monitor.ingest.dialects", Dialect),
        ("monitor.alerts.channels", Channel),
        ("monitor.tasks", Job),
        ("dashboards.pages", Page),
    ):
        assert collect(importlib.import_module(package_name), kind)


def test_two_of_one_name_and_a_module_without_a_plug_in_are_refused(tmp_path: Path) -> None:
    import monitor.alerts.channels as package

    folder = tmp_path / "channels"
    folder.mkdir()
    (folder / "one_toy.py").write_text(CHANNEL)
    (folder / "two_toy.py").write_text(CHANNEL)
    package.__path__.append(str(folder))
    try:
        with pytest.raises(PluginError, match="'toy'"):
            collect(package, Channel)
        (folder / "two_toy.py").write_text('"""Nothing."""\n')
        sys.modules.pop("monitor.alerts.channels.two_toy", None)
        with pytest.raises(PluginError, match="two_toy defines no Channel"):
            collect(package, Channel)
    finally:
        package.__path__.remove(str(folder))
        for name in ("one_toy", "two_toy"):
            sys.modules.pop(f"monitor.alerts.channels.{name}", None)


def test_the_contract_tests_pick_up_a_new_plug_in(tmp_path: Path) -> None:
    lines = ["import importlib", "import os"]
    for package_name, (module_name, source) in TOYS.items():
        folder = tmp_path / package_name
        folder.mkdir()
        (folder / f"{module_name}.py").write_text(source)
        lines.append(f"importlib.import_module({package_name!r}).__path__.append({str(folder)!r})")
    (tmp_path / "with_toys.py").write_text("\n".join(lines))
    contracts = ("test_contracts_enrich", "test_indicators", "test_channels_contract", "test_pages")
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "with_toys", "-p", "no:cacheprovider", "-rA"),
            *("-k", "toy and not postgresql"),
            *(f"tests/{name}.py" for name in contracts),
        ],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    for name, toy in zip(contracts, ("toy_courtesy", "toy_manners", "toy", "/toy"), strict=True):
        assert re.search(rf"PASSED tests/{name}\.py::\S+\[(sqlite-)?{toy}\b", run.stdout), name

"""The dashboard in a real Chromium: no errors, no request to others, by keyboard, light and dark, wide and narrow."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import dashboards.pages
from monitor import clock
from monitor.contracts import Page, collect
from monitor.migrate import upgrade
from monitor.settings import Settings
from monitor.store import Store
from tests import seeding

pytestmark = [
    pytest.mark.browser,
    # Compressing a file leaves closing it to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

PATHS = sorted(collect(dashboards.pages, Page))
STREAM = "signal=response_characters&stream=model_family%2Bfeature:gpt-4+%2B+prime&indicator=drift"
ADDRESSES = [*PATHS, f"/drift?{STREAM}", "/explorer?segment=feature:prime&signal=error"]
HOSTILE = "/drift?signal=feedback.%3Ci%3Eacc%3C/i%3E+%24%7B7*7%7D&stream=all+traffic&indicator=quality"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
LOOKS = [("light", 1440), ("dark", 1440), ("light", 390), ("dark", 390)]


@dataclass
class Seen:
    """A page and what happened in it."""

    page: Any
    address: str
    problems: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Opens an address and waits until its page stands."""
        self.page.goto(self.address + path)
        self.settled()

    def settled(self) -> None:
        """Waits until the page stands and nothing loads."""
        self.page.wait_for_selector("#page h1", timeout=30_000)
        self.page.wait_for_load_state("networkidle")
        self.until("document.querySelectorAll('#page .skeleton').length === 0")

    def until(self, condition: str) -> None:
        """Waits for a condition; the page's policy forbids playwright's own way of asking again and again."""
        for _ in range(150):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never came true: {condition}")

    def heading(self) -> str:
        """The page's heading."""
        return str(self.page.inner_text("#page h1"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; a test that needs it cannot pass without."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        pytest.fail("Chromium is missing: install it (Debian, Ubuntu: apt-get install chromium) and run again.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield running
        running.close()


@contextmanager
def served(folder: Path, names: seeding.Names | None) -> Iterator[str]:
    """The address of the whole dashboard server over a store, filled where names are given."""
    from monitor.web import Listener, close_server, create_server

    settings = Settings(
        database_url=f"sqlite:///{folder / 'store.db'}",
        secret_key="a key for tests",
        mail_folder=folder / "mails",
        port=0,
    )
    store = Store.open(settings)
    upgrade(store)
    if names is not None:
        seeding.fill(store, settings, clock.now(), names=names, features=4)
    server = create_server(settings, store, parts={"api", "dashboard"})
    listener = Listener(server, settings)
    thread = threading.Thread(target=listener.run, daemon=True)
    thread.start()
    yield listener.address
    listener.stop()
    close_server(server)
    store.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("filled"), seeding.Names()) as address:
        yield address


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("empty"), None) as address:
        yield address


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("hostile"), seeding.HOSTILE) as address:
        yield address


@contextmanager
def looking(browser: Any, address: str, scheme: str = "light", width: int = 1440) -> Iterator[Seen]:
    """A fresh page that notes errors, failed answers and requests to anybody else."""
    context = browser.new_context(
        viewport={"width": width, "height": 900 if width > 500 else 844}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    seen = Seen(page, address)
    page.on(
        "console", lambda message: seen.problems.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: seen.problems.append(str(error)))
    page.on("dialog", lambda dialog: (seen.problems.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on(
        "response",
        lambda answer: seen.problems.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
    )
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((address, "data:", "blob:")) else seen.elsewhere.append(request.url)
        ),
    )
    yield seen
    context.close()


def narrow_enough(page: Any) -> bool:
    """True where nothing sticks out to the side."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def details(seen: Seen) -> list[str]:
    """The addresses of an incident, a call and a trace that the pages lead to."""
    found = []
    for path, part in (("/alerts", "incident="), ("/explorer", "span=")):
        seen.go(path)
        found.append(str(seen.page.locator(f"#page a[href*='{part}']").first.get_attribute("href")))
    seen.go(found[-1])
    return [*found, str(seen.page.locator("#page a:text-is('Whole trace')").get_attribute("href"))]


def out_of_sight(page: Any) -> list[str]:
    """Badges in tables that stand right of the window: on a phone nobody should have to look for a verdict."""
    return list(
        page.evaluate(
            "[...document.querySelectorAll('table .badge')]"
            ".filter(badge => badge.getBoundingClientRect().right > window.innerWidth).map(badge => badge.innerText)"
        )
    )


def serious(page: Any) -> list[str]:
    """Violations of accessibility rules that axe calls serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    results = Axe().run(page)
    return [
        f"{violation['id']}: {violation['help']}: {violation['nodes'][0]['html'][:200]}"
        for violation in results.response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_every_page_in_every_look(browser: Any, filled: str, scheme: str, width: int) -> None:
    with looking(browser, filled, scheme, width) as seen:
        closely = (scheme, width) in (("light", 1440), ("dark", 390))
        for path in [*ADDRESSES, *(details(seen) if closely else ())]:
            seen.go(path)
            assert seen.problems == [], path
            assert seen.elsewhere == [], path
            assert narrow_enough(seen.page), path
            assert "could not be built" not in seen.page.inner_text("#page"), path
            assert seen.page.locator("a[data-title*='loud'], a[data-title*='hare']").count() == 0, path
            assert seen.page.get_attribute("html", "data-mantine-color-scheme") == scheme
            if closely:
                assert serious(seen.page) == [], path
            if width < 500:
                assert out_of_sight(seen.page) == [], path


def test_hostile_names_do_no_harm(browser: Any, hostile: str) -> None:
    with looking(browser, hostile, "light", 390) as seen:
        for path in [*PATHS, HOSTILE]:
            seen.go(path)
            assert seen.problems == [], path
            assert seen.elsewhere == [], path
            assert narrow_enough(seen.page), path
            assert "could not be built" not in seen.page.inner_text("#page"), path


def test_an_empty_store_shows_how_to_begin(browser: Any, empty: str) -> None:
    with looking(browser, empty, "dark", 390) as seen:
        for path in PATHS:
            seen.go(path)
            assert seen.problems == [], path
            assert narrow_enough(seen.page), path
            if path not in ("/alerts", "/senders"):
                assert "curl" in seen.page.inner_text("#page"), path
        assert serious(seen.page) == []


def test_by_keyboard(browser: Any, filled: str) -> None:
    with looking(browser, filled) as seen:
        seen.go("/")
        page = seen.page

        def focused() -> str:
            name, text = page.evaluate("[document.activeElement.id, document.activeElement.textContent]")
            return str(name if name and not name.startswith("{") else text)

        page.keyboard.press("Tab")
        assert focused() == "Skip to content"
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0, (
            "it shows when it has the focus"
        )
        page.keyboard.press("Enter")
        assert focused() == "content"

        seen.go("/")
        reached = []
        for _ in range(24):
            page.keyboard.press("Tab")
            reached.append(focused())
            outline = page.evaluate(
                "(() => { const s = getComputedStyle(document.activeElement); const p = document.activeElement.closest"
                "('.mantine-Input-wrapper'); return s.outlineStyle !== 'none' || s.boxShadow !== 'none' || "
                "(p !== null && getComputedStyle(document.activeElement).borderColor !== '') })()"
            )
            assert outline, f"the focus on {reached[-1]!r} can be seen"
        wanted = ["filter-project", "theme-switch", "Overview", "Alerts", "Drift", "filter-range", "filter-segment"]
        places = [reached.index(name) for name in wanted]
        assert places == sorted(places), reached

        page.focus("#filter-range")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=option]:visible")
        active = "[role=option][data-combobox-selected]:visible"
        for _ in range(10):
            if page.locator(active).all_inner_texts() == ["4 weeks"]:
                break
            page.keyboard.press("ArrowUp")
            page.wait_for_timeout(50)
        page.keyboard.press("Enter")
        page.wait_for_url("**range=28d**")
        seen.settled()
        assert focused() == "filter-range", "a changed filter keeps the focus"
        assert seen.problems == []


def test_the_filter_lives_in_the_address(browser: Any, filled: str) -> None:
    with looking(browser, filled) as seen:
        page = seen.page
        seen.go("/drift?range=7d&segment=feature:prime")
        assert page.input_value("#filter-range") == "7 days"
        assert page.input_value("#filter-segment") == "prime"

        page.click("#filter-range")
        page.click("[role=option]:has-text('4 weeks')")
        page.wait_for_url("**/drift?**range=28d**")
        assert "segment=feature" in page.url
        seen.settled()
        assert seen.heading() == "Drift"

        page.click("nav >> text=Alerts")
        page.wait_for_url("**/alerts?**range=28d**")
        seen.until("document.querySelector('#page h1').textContent === 'Alerts'")
        assert "segment=feature" in page.url
        assert page.get_attribute("a.nav-link.is-active", "aria-current") == "page"

        page.go_back()
        seen.until("document.querySelector('#page h1').textContent === 'Drift'")
        page.go_back()
        seen.until("document.querySelector('#filter-range').value === '7 days'")
        assert "range=7d" in page.url

        page.click("#filter-range")
        page.click("[role=option]:has-text('Custom')")
        page.wait_for_url("**from=**to=**")
        page.wait_for_selector("#filter-from", state="visible")
        seen.settled()
        page.fill("#filter-from", "1 Jan 2026")
        page.keyboard.press("Tab")
        page.wait_for_url("**from=2026-01-01T00**")
        seen.settled()
        assert seen.problems == []


def test_bad_values_are_told_and_stay_told(browser: Any, filled: str) -> None:
    with looking(browser, filled) as seen:
        seen.go("/?range=soon&segment=what")
        assert seen.page.locator(".notice").count() == 2
        seen.page.wait_for_timeout(500)
        assert seen.page.locator(".notice").count() == 2
        assert seen.page.url.endswith("/?range=soon&segment=what")


def test_a_chart_leads_to_its_calls_and_follows_the_scheme(browser: Any, filled: str) -> None:
    with looking(browser, filled) as seen:
        page = seen.page
        seen.go(f"/drift?{STREAM}")
        page.wait_for_selector(".js-plotly-plot .bars path", state="attached")

        def colour() -> str:
            return str(page.evaluate("document.querySelector('.js-plotly-plot').layout.template.layout.font.color"))

        light = colour()
        page.click("#theme-switch")
        seen.until(f"document.querySelector('.js-plotly-plot').layout.template.layout.font.color !== '{light}'")
        assert page.get_attribute("html", "data-mantine-color-scheme") == "dark"
        page.reload()
        seen.settled()
        page.wait_for_selector(".js-plotly-plot .bars path", state="attached")
        assert colour() != light, "the choice is kept"

        page.locator(".chart-link").first.focus()
        bars = page.locator(".js-plotly-plot .bars path")
        boxes = [bars.nth(place).bounding_box() for place in range(bars.count())]
        bar = max((box for box in boxes if box), key=lambda box: box["height"])
        page.mouse.move(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2)
        page.wait_for_selector(".js-plotly-plot .hoverlayer .hovertext")
        page.mouse.click(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2)
        page.wait_for_url("**/explorer?**signal=response_characters**")
        seen.settled()
        page.go_back()
        page.wait_for_url("**/drift?**")
        assert seen.problems == []
        assert seen.elsewhere == []


def test_an_incident_is_marked_false_and_a_back_test_asked_for(browser: Any, filled: str) -> None:
    with looking(browser, filled) as seen:
        page = seen.page
        seen.go("/budget")
        page.locator(".mark-false button").first.click()
        seen.until("document.querySelector('.mark-false').textContent.includes('Marked false')")
        page.locator(".mark-false button").first.click()
        seen.until("!document.querySelector('.mark-false').textContent.includes('Marked false')")

        page.fill("#declare-from", "tomorrow")
        page.click("#declare-go")
        seen.until("document.querySelector('#declared-list').textContent.includes('is no time')")
        page.fill("#declare-from", "2026-01-02 10:00")
        page.fill("#declare-until", "2026-01-02 12:00")
        page.fill("#declare-reason", "load test")
        page.click("#declare-go")
        seen.until("document.querySelector('#declared-list').textContent.includes('load test')")
        page.click("#declared-list button")
        seen.until("!document.querySelector('#declared-list').textContent.includes('load test')")

        seen.go("/compare?by=feature")
        page.click("#compare-go")
        page.wait_for_url("**first=**second=**")
        seen.settled()
        seen.go("/compare?what=ranges")
        page.click("#compare-ranges")
        page.wait_for_url("**before_from=**before_to=**")
        seen.settled()

        seen.go("/backtest")
        page.click("#backtest-go")
        seen.until("document.querySelector('#backtest-progress').textContent.includes('begins')")
        assert page.is_disabled("#backtest-go")
        assert seen.problems == []


def test_the_menu_on_a_phone(browser: Any, filled: str) -> None:
    with looking(browser, filled, "dark", 390) as seen:
        page = seen.page
        seen.go("/")
        assert not page.locator("nav a:has-text('Drift')").is_visible() or not in_view(page, "nav a:has-text('Drift')")
        page.click("#burger")
        seen.until("document.getElementById('burger').getAttribute('aria-expanded') === 'true'")
        page.click("nav a:has-text('Drift')")
        page.wait_for_url("**/drift**")
        seen.until("document.getElementById('burger').getAttribute('aria-expanded') === 'false'")
        seen.settled()
        page.wait_for_timeout(300)
        assert not in_view(page, "nav a:has-text('Drift')"), "it closes behind the choice"
        assert seen.problems == []


def in_view(page: Any, selector: str) -> bool:
    """True where an element lies inside the window."""
    box = page.locator(selector).first.bounding_box()
    return box is not None and box["x"] + box["width"] > 0 and box["x"] < page.viewport_size["width"]

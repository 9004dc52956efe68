"""Takes pictures of the demo's pages and mails: `python -m tests.screenshots FOLDER [--store DEMO-FOLDER] [WORD ...]`.

Light and dark, 1440 and 390 pixels wide; with words only those pictures whose names have one of them. With `--readme`
in place of the folder only the pictures the README shows, into docs/images.
"""

from __future__ import annotations

import email
import email.policy
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import dashboards.pages
from monitor.contracts import Page, collect
from monitor.store import Store
from tests.demo_store import demo_settings, replayed

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PAGES = sorted(collect(dashboards.pages, Page))
DETAILS = {
    "incident": ("/alerts", "incident="),
    "stream": ("/drift", "stream="),
    "call": ("/explorer", "span="),
    "trace": ("call", "Whole trace"),
}
"""Pages of one thing: where a link to it stands (a page, or another of these) and what its address or text has."""
README = {"/": "overview-light.png", "/drift": "drift-light.png"}


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of the demo store in `folder`."""
    from monitor.web import Listener, create_server

    settings = demo_settings(folder).model_copy(update={"port": 0})
    store = Store.open(settings)
    app = create_server(settings, store, parts={"api", "dashboard"})
    listener = Listener(app, settings)
    thread = threading.Thread(target=listener.run, daemon=True)
    thread.start()
    yield listener.address
    listener.stop()
    store.close()


def main(arguments: list[str]) -> int:
    """Takes the pictures."""
    from playwright.sync_api import sync_playwright

    for_readme = arguments[0] == "--readme"
    target = Path("docs/images") if for_readme else Path(arguments[0])
    target.mkdir(parents=True, exist_ok=True)
    words = arguments[1:]
    if "--store" in words:
        place = words.index("--store")
        folder = Path(words[place + 1])
        del words[place : place + 2]
    else:
        folder = replayed(Path(tempfile.gettempdir()) / "llmops-monitor-screenshots")
    with served(folder) as address, sync_playwright() as playwright:
        browser: Any = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        if for_readme:
            page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
            for path, name in README.items():
                shoot(page, address + path, target / name, full_page=False)
            page.set_viewport_size({"width": 700, "height": 900})
            page.set_content(_html_of(sorted((folder / "mails").glob("*-worse-*.eml"))[0]))
            page.screenshot(path=str(target / "mail.png"), full_page=True)
        else:
            for scheme, width in product(("light", "dark"), (1440, 390)):
                page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                for name, path in addresses(page, address).items():
                    picture = f"{name}-{scheme}-{width}.png"
                    if not words or any(word in picture for word in words):
                        shoot(page, address + path, target / picture)
                for mail in sorted((folder / "mails").glob("*.eml")):
                    picture = f"mail-{mail.stem}-{scheme}-{width}.png"
                    if not words or any(word in picture for word in words):
                        page.set_content(_html_of(mail))
                        page.screenshot(path=str(target / picture), full_page=True)
                page.close()
        browser.close()
    return 0


def addresses(page: Any, address: str) -> dict[str, str]:
    """Every page by its name, with those of one incident, stream, call and trace that the pages lead to."""
    found = {path.strip("/") or "overview": path for path in PAGES}
    for name, (start, part) in DETAILS.items():
        _open(page, address + found.get(start, start))
        link = page.locator(f"#page a[href*='{part}'], #page a:text-is('{part}')").first
        if link.count():
            found[name] = str(link.get_attribute("href"))
    return found


def shoot(page: Any, address: str, target: Path, *, full_page: bool = True) -> None:
    """A picture of a page when its charts stand."""
    _open(page, address)
    page.screenshot(path=str(target), full_page=full_page)


def _open(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("#page h1", timeout=60_000)
    page.wait_for_load_state("networkidle")
    for _ in range(50):
        page.wait_for_timeout(200)
        if page.evaluate("[...document.querySelectorAll('.chart-body')].every(chart => chart.querySelector('svg'))"):
            break
    page.wait_for_timeout(1000)


def _html_of(mail: Path) -> str:
    message = email.message_from_bytes(mail.read_bytes(), policy=email.policy.default)
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

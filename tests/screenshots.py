"""Takes pictures of the demo's pages and mail: `python -m tests.screenshots FOLDER [--store DEMO-FOLDER]`.

Light and dark, 1440 and 390 pixels wide. With `--readme` only the pictures the README shows, into docs/images.
"""

from __future__ import annotations

import email
import email.policy
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
PAGES = [
    "/",
    "/usage",
    "/drift",
    "/quality",
    "/feedback",
    "/adoption",
    "/feedback",
    "/adoption",
    "/safety",
    "/fairness",
    "/alerts",
    "/backtest",
    "/budget",
    "/compare",
    "/explorer",
    "/senders",
]
README = {("/", "light"): "overview-light.png", ("/drift", "light"): "drift-light.png"}


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

    for_readme = "--readme" in arguments
    target = Path("docs/images") if for_readme else Path(arguments[0])
    target.mkdir(parents=True, exist_ok=True)
    if "--store" in arguments:
        folder = Path(arguments[arguments.index("--store") + 1])
    else:
        folder = replayed(Path(tempfile.gettempdir()) / "llmops-monitor-screenshots")
    with served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        widths = [1440] if for_readme else [1440, 390]
        for scheme in ["light"] if for_readme else ["light", "dark"]:
            for width in widths:
                page = browser.new_page(
                    viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
                )
                for path in PAGES:
                    wanted = README.get((path, scheme)) if for_readme else None
                    if for_readme and wanted is None:
                        continue
                    page.goto(address + path)
                    page.wait_for_load_state("networkidle")
                    page.wait_for_timeout(1200)
                    name = wanted or f"{path.strip('/') or 'overview'}-{scheme}-{width}.png"
                    page.screenshot(path=str(target / name), full_page=not for_readme)
                page.close()
        _mail(browser, folder, target / "mail.png")
        browser.close()
    return 0


def _mail(browser: object, folder: Path, target: Path) -> None:
    mails = sorted((folder / "mails").glob("*-worse-*.eml"))
    if not mails:
        return
    message = email.message_from_bytes(mails[0].read_bytes(), policy=email.policy.default)
    html = message.get_body(("html",))
    assert html is not None
    page = browser.new_page(viewport={"width": 700, "height": 900})  # type: ignore[attr-defined]
    page.set_content(html.get_content())
    page.screenshot(path=str(target), full_page=True)
    page.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the commands share: options, opening the store, the log, tables and JSON on the terminal."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from monitor.settings import Settings
    from monitor.store import Store

Function = TypeVar("Function", bound=Callable[..., Any])

database_option = click.option(
    "--database-url", metavar="URL", help="Where the store is; default: MONITOR_DATABASE_URL, else SQLite here."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def serving_options(function: Function) -> Function:
    """--host, --port and --database-url."""
    for option in (
        database_option,
        click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; default 8050, 0 takes any."),
        click.option("--host", help="Address to listen on; default 127.0.0.1. Any other needs a login and keys."),
    ):
        function = option(function)
    return function


def start_log(settings: Settings) -> None:
    """The log goes to stderr, so that stdout holds nothing but the answer."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for package in ("monitor", "dashboards"):
        logging.getLogger(package).setLevel(settings.log_level)
    # It warns each time a job is still busy when its next turn comes; the page of jobs tells how late each of them is.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)


@contextmanager
def opened(database_url: str | None) -> Iterator[tuple[Store, Settings]]:
    """An up-to-date store and the settings; raises StoreError for a store that needs a migration first."""
    from monitor.migrate import require_current
    from monitor.settings import Settings
    from monitor.store import Store

    settings = Settings.from_flags(database_url=database_url)
    start_log(settings)
    store = Store.open(settings)
    try:
        require_current(store)
        yield store, settings
    finally:
        store.close()


def print_json(document: Any) -> None:
    """One JSON document on stdout; times as ISO 8601."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=_plain))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """A table on stdout, or a sentence where it would be empty."""
    if not rows:
        click.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # In a pipe nothing is gained by folding lines.
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def moment(value: datetime | None) -> str:
    """A time for people, in UTC."""
    return f"{value:%Y-%m-%d %H:%M:%S}" if value else "-"


def duration(value: timedelta | None) -> str:
    """A duration for people."""
    if value is None:
        return "-"
    seconds = value.total_seconds()
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds >= 1 or not seconds else f"{max(seconds * 1000, 1):.0f} ms"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")

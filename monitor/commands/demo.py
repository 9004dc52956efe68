"""`llmops-monitor demo`: the packaged real sample, replayed through every stage, and what was found in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

MARK = "made-by-llmops-monitor-demo"


@click.command("demo", help="Fill a store of its own with the packaged real sample, run every job over it, serve it.")
@click.option("--serve/--no-serve", default=True, help="Serve the dashboard when done.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-store"),
    show_default=True,
    help="Where the store and the mails go; an earlier demo in it is replaced.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8050, show_default=True, help="Port to listen on.")
def command(serve: bool, folder: Path, host: str, port: int) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from monitor import clock
    from monitor.demo.replay import replay
    from monitor.demo.sample import NOTE, WEEKS, last_monday
    from monitor.demo.story import tell
    from monitor.migrate import upgrade
    from monitor.settings import Settings
    from monitor.store import Store

    _empty(folder)
    settings = Settings(
        database_url=f"sqlite:///{folder / 'demo.db'}",
        # Losing the demo to a power cut costs a minute; syncing each of its writes costs more.
        database_durability="relaxed",
        host=host,
        port=port,
        public_url=f"http://{host}:{port}",
        mail_folder=folder / "mails",
        segment_tags=("case",),
        smtp_host="",
        webhook_url="",
    )
    console = Console(stderr=True)
    console.print(NOTE)
    store = Store.open(settings)
    upgrade(store)
    end = last_monday(clock.now())
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[calls]} calls"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("replaying", total=WEEKS * 7, calls=0)
        replay(
            store,
            settings,
            end,
            lambda day, calls: progress.update(task, advance=1, calls=calls, description=f"{day:%d %b %Y}"),
        )
    click.echo(tell(store, settings))
    store.close()
    if serve:
        from monitor.commands.up import serve as serve_parts

        serve_parts(settings, parts=frozenset({"api", "dashboard"}), schedule=False)


def _empty(folder: Path) -> None:
    """Makes the folder anew; refuses one that an earlier demo did not make."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise click.UsageError(f"{folder} is not empty and no earlier demo made it; name another folder.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()

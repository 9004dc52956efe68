"""The demo, replayed once for all tests that look at it, whatever the number of test workers."""

from __future__ import annotations

import fcntl
import shutil
from datetime import UTC, datetime
from pathlib import Path

from monitor.clock import from_microseconds, to_microseconds
from monitor.demo.replay import replay
from monitor.demo.sample import last_monday
from monitor.migrate import upgrade
from monitor.settings import Settings
from monitor.store import Store

# Any week will do: the sample ends on the Monday before.
END = last_monday(datetime(2026, 11, 18, tzinfo=UTC))


def demo_settings(folder: Path) -> Settings:
    """Settings of a demo store in a folder."""
    return Settings(
        database_url=f"sqlite:///{folder / 'demo.db'}",
        database_durability="relaxed",
        mail_folder=folder / "mails",
        segment_tags=("case",),
        public_url="http://127.0.0.1:8050",
    )


def replayed(shared: Path) -> Path:
    """A folder with the store and the mails of the demo; the first caller makes it, the others wait for it."""
    shared.mkdir(parents=True, exist_ok=True)
    folder = shared / "demo"
    done = folder / "done"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            settings = demo_settings(folder)
            store = Store.open(settings)
            upgrade(store)
            replay(store, settings, END, lambda day, calls: None)
            store.close()
            done.write_text(str(to_microseconds(END)))
    assert from_microseconds(int(done.read_text())) == END
    return folder

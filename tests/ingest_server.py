"""A small ingest server in a process of its own, for tests that kill it and for benchmarks.

    python -m tests.ingest_server DATABASE_URL [--nursery]

Prints its process id and the port it listens on, then serves until it is killed. The schema must be there. A nursery
forks such a server for every line that it reads: that takes milliseconds where a new interpreter takes seconds.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys

from monitor.ingest.decode import all_dialects
from monitor.settings import Settings
from monitor.store import Store
from monitor.web import Listener, create_server


def main(database_url: str) -> None:
    """Serves ingest on a free port."""
    Settings.model_config["env_file"] = None
    settings = Settings(database_url=database_url, port=0)
    server = create_server(settings, Store.open(settings), {"ingest"})
    listener = Listener(server, settings)
    sys.stdout.write(f"{os.getpid()} {listener.address.rpartition(':')[2]}\n")
    sys.stdout.flush()
    listener.run()


def nursery(database_url: str) -> None:
    """Forks a server for every line on standard input; what it imports late is there already."""
    for name in ("flask", "flask_compress", "monitor.api", "monitor.web.front"):
        importlib.import_module(name)
    all_dialects()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        if os.fork() == 0:
            main(database_url)


if __name__ == "__main__":
    (nursery if "--nursery" in sys.argv else main)(sys.argv[1])

"""A small ingest server in a process of its own, for tests that kill it and for benchmarks.

    python -m tests.ingest_server DATABASE_URL [--nursery]

Prints its process id and the port it listens on, then serves until it is killed. The schema must be there. A nursery
forks such a server for every line that it reads: that takes milliseconds where a new interpreter takes seconds.
"""

from __future__ import annotations

import os
import signal
import sys

import flask
import waitress

from monitor.ingest import Ingester, http
from monitor.settings import Settings
from monitor.store import Store


def main(database_url: str) -> None:
    """Serves the routes of ingest on a free port."""
    Settings.model_config["env_file"] = None
    settings = Settings(database_url=database_url)
    application = flask.Flask("ingest", static_folder=None)
    application.register_blueprint(http.blueprint(Ingester(Store.open(settings), settings), settings))
    server = waitress.create_server(application, host="127.0.0.1", port=0, threads=8)
    sys.stdout.write(f"{os.getpid()} {server.effective_port}\n")
    sys.stdout.flush()
    server.run()


def nursery(database_url: str) -> None:
    """Forks a server for every line on standard input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        if os.fork() == 0:
            main(database_url)


if __name__ == "__main__":
    (nursery if "--nursery" in sys.argv else main)(sys.argv[1])

"""Start of `llmops-monitor up` with an empty store: seconds to the address and the first page, memory at rest.

The baseline is a fresh interpreter that only imports Dash and Flask.
"""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

RUNS = 5
SETTLED_SECONDS = 20.0


def run() -> list[dict[str, Any]]:
    """Medians over several starts; memory is the resident set of the one process."""
    starts = [_start() for _ in range(RUNS)]
    imports = [_timed([sys.executable, "-c", "import dash, flask"]) for _ in range(RUNS)]
    baseline = statistics.median(imports)
    to_address = statistics.median(start["address"] for start in starts)
    rows: list[dict[str, Any]] = [
        {"what": "seconds to the address", "figure": to_address, "of importing Dash and Flask": to_address / baseline},
        {"what": "seconds to the first page", "figure": statistics.median(start["page"] for start in starts)},
        {"what": "memory at rest, MB", "figure": statistics.median(start["memory"] for start in starts)},
        {"what": "memory after the first calls, MB", "figure": statistics.median(start["after"] for start in starts)},
    ]
    return rows


def _timed(command: list[str]) -> float:
    started = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - started


def _start() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor.cli", "up", "--port", "0", "--database-url", f"sqlite:///{folder}/a.db"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "MONITOR_MAIL_FOLDER": folder},
        )
        try:
            assert process.stdout is not None
            address = ""
            while not address:
                found = re.search(r"http://\S+", process.stdout.readline())
                address = found.group(0) if found else ""
            to_address = time.monotonic() - started
            urllib.request.urlopen(address + "/").read()
            to_page = time.monotonic() - started
            time.sleep(2)
            at_rest = _resident(process.pid)
            calls = [
                {"id": f"call-{number}", "model": "gpt-4o", "prompt": "Where is my parcel?", "response": "On its way."}
                for number in range(100)
            ]
            request = urllib.request.Request(
                address + "/api/v1/calls",
                json.dumps(calls).encode(),
                {"content-type": "application/json"},
            )
            urllib.request.urlopen(request).read()
            time.sleep(SETTLED_SECONDS)
            return {"address": to_address, "page": to_page, "memory": at_rest, "after": _resident(process.pid)}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024  # type: ignore[union-attr]

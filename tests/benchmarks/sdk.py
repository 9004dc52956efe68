"""Cost of reporting in the application's own thread, against building and encoding the record alone.

Dead endpoints: an application that computes for about 200 microseconds a request, alone and while it reports each
request to an address that refuses connections, and to one that takes them and never answers.
"""

from __future__ import annotations

import json
import socket
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import monitor
from monitor.sdk import client
from monitor.sdk.client import Client
from monitor.sdk.observing import observe
from monitor.sdk.sender import Sender
from monitor.sdk.transport import Answer
from tests.sink import free_port

REPEATS = 5_000
PROMPT = "Summarise the following support conversation for the agent who takes over. " * 20
RESPONSE = "The customer asks why the invoice of March is higher than the one of February. " * 12
MESSAGES = [{"role": "system", "content": PROMPT}, {"role": "user", "content": RESPONSE}] * 5


class _Nowhere:
    def post(self, path: str, records: Sequence[Mapping[str, Any]]) -> Answer:
        return Answer(200)

    def close(self) -> None:
        return


def measure(function: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Microseconds of each run, sorted."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter_ns()
        function()
        times.append((time.perf_counter_ns() - started) / 1000)
    return sorted(times)


def run() -> list[dict[str, object]]:
    """Median and 99th percentile in microseconds."""
    before = client._client
    client._client = Client(Sender(_Nowhere(), queue_records=1_000_000, queue_characters=10**12), {})
    fields: dict[str, Any] = {
        "model": "gpt-4",
        "provider": "openai",
        "prompt": PROMPT,
        "response": RESPONSE,
        "latency_s": 1.25,
        "input_tokens": 320,
        "output_tokens": 210,
        "tags": {"plan": "pro"},
    }

    def plain(question: str) -> str:
        return question

    observed = observe(plain)
    try:
        cases: list[tuple[str, Callable[[], object]]] = [
            ("baseline: json.dumps of the record", lambda: json.dumps(fields)),
            ("log_call, 2.5 kB of text", lambda: client.log_call(**fields)),
            ("log_call, 10 messages", lambda: client.log_call(**{**fields, "prompt": MESSAGES})),
            ("@observe on an empty function", lambda: observed(PROMPT)),
        ]
        rows: list[dict[str, object]] = []
        for name, function in cases:
            rows.append({"case": name, **_figures(measure(function))})
        return rows + dead_endpoints(fields)
    finally:
        client._client.sender.close()
        client._client = before


def dead_endpoints(fields: dict[str, Any]) -> list[dict[str, object]]:
    """The application's own loop with and without reporting to addresses where nobody answers."""

    def work() -> int:
        return sum(number * number for number in range(3_000))

    def reported() -> int:
        monitor.log_call(**fields)
        return work()

    rows: list[dict[str, object]] = []
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        addresses = {
            "refused": f"http://127.0.0.1:{free_port()}",
            "never answered": f"http://127.0.0.1:{silent.getsockname()[1]}",
        }
        alone = measure(work)
        rows.append({"case": "baseline: a request of the application", **_figures(alone)})
        for name, address in addresses.items():
            monitor.init(endpoint=address)
            times = measure(reported)
            rows.append(
                {
                    "case": f"the same, reported to an endpoint that is {name}",
                    **_figures(times),
                    "over baseline": statistics.median(times) / statistics.median(alone),
                }
            )
            client.get_client().sender.close(0.0)
    return rows


def _figures(times: list[float]) -> dict[str, object]:
    return {"median us": statistics.median(times), "p99 us": times[int(len(times) * 0.99)]}

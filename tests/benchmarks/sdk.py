"""Cost of reporting in the application's own thread, against building and encoding the record alone."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitor.sdk import client
from monitor.sdk.client import Client
from monitor.sdk.observing import observe
from monitor.sdk.sender import Sender
from monitor.sdk.transport import Answer

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
        rows = []
        for name, function in cases:
            times = measure(function)
            rows.append({"case": name, "median us": statistics.median(times), "p99 us": times[int(len(times) * 0.99)]})
        return rows
    finally:
        client._client.sender.close()
        client._client = before

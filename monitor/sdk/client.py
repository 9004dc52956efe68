"""The reporting functions and the one sender behind them."""

from __future__ import annotations

import atexit
import logging
import os
import re
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from monitor.clock import now
from monitor.sdk.sampling import Sampling
from monitor.sdk.sender import CALLS, FEEDBACK, QUEUE_RECORDS, Sender
from monitor.sdk.snapshot import snapshot
from monitor.sdk.transport import Transport

if TYPE_CHECKING:
    from monitor.sdk.observing import Observation

logger = logging.getLogger("monitor.sdk")

DEFAULT_ENDPOINT = "http://127.0.0.1:8050"
_NESTED_ID = re.compile(r"([0-9a-f]{32}):([0-9a-f]{16})\Z")

current: ContextVar[Observation | None] = ContextVar("monitor_observation", default=None)


class CallFields(TypedDict, total=False):
    """The call record: what may be said of a call. Any other name becomes a tag."""

    project: str
    id: str
    trace_id: str
    parent_id: str
    kind: str
    name: str
    session_id: str
    user_id: str
    time: Any
    provider: str
    model: str
    requested_model: str
    service_tier: str
    prompt: Any
    response: Any
    context: Any
    reference: Any
    environment: str
    release: str
    prompt_version: str
    feature: str
    latency_s: float
    time_to_first_token_s: float
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    reasoning_tokens: int
    usage: Any
    cost_usd: float
    status: str
    error: str
    finish_reason: str
    tags: dict[str, Any]
    feedback: list[dict[str, Any]]


class Client:
    """A sender, what each call record gets where it does not say otherwise, and which calls are reported."""

    def __init__(self, sender: Sender, defaults: dict[str, str], sample: float = 1.0) -> None:
        self.sender = sender
        self.defaults = defaults
        self.sampling = Sampling(sample)


_client: Client | None = None
_client_lock = threading.Lock()


def init(
    project: str = "",
    endpoint: str = "",
    api_key: str = "",
    *,
    environment: str = "",
    release: str = "",
    sample: float = 1.0,
    queue_records: int = QUEUE_RECORDS,
) -> None:
    """Says where calls are sent to. May be left out: then the environment counts.

    `project`, `endpoint` (default http://127.0.0.1:8050) and `api_key` fall back to MONITOR_PROJECT, MONITOR_ENDPOINT
    and MONITOR_API_KEY. `environment` and `release` are put into each call that names none. `sample` is the share of
    traces that is reported, beside all calls that failed or have feedback; shares of errors are then too large by
    themselves, the tag `sdk.sample_rate` says by how much. At most `queue_records` records wait in memory; more are
    lost, and counted. Called again, it first gives the old sender five seconds in the background. A bad endpoint is
    logged and everything is then counted as lost.
    """
    global _client
    try:
        defaults = {"environment": environment, "release": release}
        made = _make(endpoint, api_key, queue_records, {"project": project, **defaults}, sample)
        with _client_lock:
            before, _client = _client, made
        if before is not None:
            threading.Thread(target=before.sender.close, name="monitor-sdk-close", daemon=True).start()
    except Exception as error:
        logger.warning("The monitor could not be set up: %s.", type(error).__name__)


def log_call(**fields: Unpack[CallFields]) -> str:
    """Reports one call; answers its id, by which `log_feedback` can be told of it later.

    The fields are those of the call record; a name that is none of them becomes a tag. `time` is now where it is left
    out. Inside an observed function the call becomes a part of its trace.
    """
    try:
        client = _get()
        record: dict[str, Any] = dict(fields)
        parent = current.get()
        if parent is not None and "trace_id" not in record:
            record["trace_id"] = parent.trace_id
            record.setdefault("parent_id", parent.span_id)
            if record.get("kind", "llm") == "llm":
                parent.has_call = True
        return submit_call(client, record)
    except Exception as error:
        failed(error)
        return ""


def submit_call(client: Client, record: dict[str, Any]) -> str:
    """Completes a call record, queues it, and answers the id for feedback."""
    identifier = str(record.get("id") or new_span_id())
    record["id"] = identifier
    if "time" not in record:
        record["time"] = now()
    for name, value in client.defaults.items():
        record.setdefault(name, value)
    copy, size = snapshot(record)
    if client.sampling.takes(copy, size):
        client.sender.submit(CALLS, copy, size)
    together = f"{record.get('trace_id') or ''}:{identifier}"
    return together if _NESTED_ID.match(together) else identifier


def log_feedback(
    name: str,
    value: bool | float | str | None = None,
    *,
    id: str = "",  # noqa: A002 - the word of the call record
    trace_id: str = "",
    session_id: str = "",
    comment: str | None = None,
    correction: str | None = None,
    annotator: str = "human",
    annotator_id: str = "",
) -> bool:
    """Reports what a human or an evaluator says of a call, a trace or a session.

    `id` is what `log_call` answered; where nothing is named, the innermost observed function is meant. `value` is True
    or False for a thumb, a number for a rating, a text for a category. `annotator` is "human", "llm" or "code". Answers
    False where the report was lost.
    """
    try:
        client = _get()
        nested = _NESTED_ID.match(id)
        if nested:
            trace_id, id = nested.groups()  # noqa: A001
        inner = current.get()
        if inner is not None and not (id or trace_id or session_id):
            trace_id, id = inner.trace_id, inner.span_id  # noqa: A001
        record = {
            "name": name,
            "value": value,
            "time": now(),
            "id": id,
            "trace_id": trace_id,
            "session_id": session_id,
            "comment": comment,
            "correction": correction,
            "annotator": annotator,
            "annotator_id": annotator_id,
            "project": client.defaults.get("project", ""),
        }
        held = client.sampling.recall(id)
        if held is not None:
            client.sender.submit(CALLS, *held)
        copy, size = snapshot({key: item for key, item in record.items() if item is not None and item != ""})
        return client.sender.submit(FEEDBACK, copy, size)
    except Exception as error:
        failed(error)
        return False


def flush(timeout: float = 10.0) -> int:
    """Waits at most `timeout` seconds until all records are delivered.

    Answers how many were not: those still waiting and those lost since the last flush; 0 means all is well.
    """
    return _client.sender.flush(timeout) if _client is not None else 0


def lost() -> int:
    """How many records of this process were lost since `init`: no room, refused, or not sent before the end."""
    return _client.sender.lost if _client is not None else 0


def new_span_id() -> str:
    """16 random hexadecimal digits."""
    return os.urandom(8).hex()


def new_trace_id() -> str:
    """32 random hexadecimal digits."""
    return os.urandom(16).hex()


def get_client() -> Client:
    """The client of this process, made from the environment where `init` was not called."""
    return _get()


def _get() -> Client:
    global _client  # noqa: PLW0603
    if _client is None:
        with _client_lock:
            if _client is None:
                _client = _make("", "", QUEUE_RECORDS, {})
    return _client


def _make(endpoint: str, api_key: str, queue_records: int, defaults: dict[str, str], sample: float = 1.0) -> Client:
    defaults = {**defaults, "project": defaults.get("project") or os.environ.get("MONITOR_PROJECT", "")}
    transport = Transport(
        endpoint or os.environ.get("MONITOR_ENDPOINT", "") or DEFAULT_ENDPOINT,
        api_key or os.environ.get("MONITOR_API_KEY", ""),
    )
    return Client(
        Sender(transport, queue_records),
        {name: value for name, value in defaults.items() if value},
        sample,
    )


def failed(error: Exception) -> None:
    """Nothing is raised into the application: the record is counted, the kind of error is logged without its text."""
    if _client is not None:
        _client.sender.count_lost()
    logger.debug("A record for the monitor was lost: %s.", type(error).__name__)


def _after_fork() -> None:
    global _client_lock  # noqa: PLW0603
    _client_lock = threading.Lock()
    if _client is not None:
        _client.sender.after_fork()
        _client.sampling.after_fork()


def _at_exit() -> None:
    if _client is not None:
        _client.sender.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)

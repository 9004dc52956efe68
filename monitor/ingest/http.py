"""The HTTP side of ingest: a small WSGI application. A 2xx answer is given after the commit, never before."""

from __future__ import annotations

import gzip
import io
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from monitor import clock
from monitor.allocation import give_back_free_memory
from monitor.errors import Busy, InputError, MonitorError, TooLarge, Unavailable
from monitor.ingest import otlp
from monitor.ingest.batch import Batch, Receipt
from monitor.ingest.ingester import Ingester
from monitor.ingest.parcel import Destination, Parcel
from monitor.ingest.records import call_batches, feedback_batches
from monitor.ingest.steps import Steps, finish
from monitor.ingest.values import decode_json, to_json
from monitor.settings import Settings

MAX_RECORDS = 10_000
BOUND_PROJECT = "monitor.project"
"""Name in the WSGI environment of the project that a key binds the request to; nothing can override it."""

LANGFUSE_TRACES = "/api/public/otel/v1/traces"
"""Where the SDKs of Langfuse send OpenTelemetry, below the address they are given."""

_PROJECT_HEADERS = ("HTTP_X_PROJECT", "HTTP_X_LLMOPS_PROJECT")
_CHUNK = 1 << 20
# Bodies of so many bytes unpacked are read one after the other: what is made of them takes a multiple of that.
_HUGE = 2 << 20

# google.rpc.Code
_CODES = {400: 3, 413: 8, 415: 3, 422: 3, 429: 8, 500: 13, 503: 14}
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

Environ = Mapping[str, Any]
StartResponse = Callable[..., Any]


class Unsupported(InputError):
    """A media type or encoding that is not understood (HTTP 415)."""


class Answer(Struct, frozen=True):
    """What is answered: status, body and its type, and after how many seconds to come again where there is no room."""

    status: int
    body: bytes
    content_type: str
    retry_after: int = 0

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers that say so."""
        said = [("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))]
        return [*said, ("Retry-After", str(self.retry_after))] if self.retry_after else said


class Endpoint:
    """The paths that take records, as a WSGI application."""

    def __init__(self, ingester: Ingester, settings: Settings) -> None:
        self.ingester = ingester
        self._settings = settings
        self._huge = threading.Lock()
        traces = partial(self._otlp, "rejectedSpans", self._packed_traces)
        self._routes: dict[str, Callable[[Environ], Steps[Answer]]] = {
            "/v1/traces": traces,
            LANGFUSE_TRACES: traces,
            "/v1/logs": partial(self._otlp, "rejectedLogRecords", self._packed_logs),
            "/api/v1/calls": partial(self._records, call_batches, lambda receipt: receipt.accepted),
            "/api/v1/feedback": partial(self._records, feedback_batches, lambda receipt: receipt.feedback),
        }

    @property
    def paths(self) -> frozenset[str]:
        """The paths to which records are posted."""
        return frozenset(self._routes)

    def takes(self, environ: Environ) -> bool:
        """True for a request that is answered here."""
        return environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] in self._routes

    def steps(self, environ: Environ) -> Steps[Answer]:
        """Reads what a request holds, and says what became of it."""
        return self._routes[environ["PATH_INFO"]](environ)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers as WSGI applications do."""
        answer = Answer(404, b'{"error":"There is no such path."}', otlp.JSON)
        if self.takes(environ):
            (answer,) = finish([self.steps(environ)], self.ingester.commit)
        start_response(_STATUS_LINES[answer.status], answer.headers)
        return [answer.body]

    def _destination(self, environ: Environ) -> Destination:
        asked = next((given for name in _PROJECT_HEADERS if (given := environ.get(name))), "")
        return Destination(self._settings.project, environ.get(BOUND_PROJECT, ""), _as_text(asked))

    def _otlp(
        self,
        counted: str,
        packed: Callable[[bytes, str, Destination], AbstractContextManager[list[Parcel]]],
        environ: Environ,
    ) -> Steps[Answer]:
        sort = _media_type(environ)
        encoding = otlp.JSON if sort == otlp.JSON else otlp.PROTOBUF
        try:
            if sort not in (otlp.JSON, otlp.PROTOBUF):
                raise Unsupported(f"Content-Type must be {otlp.PROTOBUF} or {otlp.JSON}.")
            destination = self._destination(environ)
            with ExitStack() as turn, packed(self._body(environ, turn), encoding, destination) as parcels:
                receipt = _total((yield parcels))
                del parcels
        except MonitorError as error:
            status = _status(error)
            return _refusal(error, otlp.error_body(_CODES[status], str(error), encoding), encoding)
        return Answer(200, otlp.answer(receipt, encoding, counted), encoding)

    def _records(
        self, read: Callable[..., Iterable[Batch]], accepted: Callable[[Receipt], int], environ: Environ
    ) -> Steps[Answer]:
        try:
            if _media_type(environ) not in (otlp.JSON, ""):
                raise Unsupported(f"Content-Type must be {otlp.JSON}.")
            project_of, sender, now = self._destination(environ).project_of, _sender(environ), clock.now()
            with ExitStack() as turn:
                records = _listed(decode_json(self._body(environ, turn)))
                parcels = self.ingester.pack(read(records, project_of, now, sender=sender), now)
                receipt = _total((yield parcels))
                del records, parcels
        except MonitorError as error:
            return _refusal(error, to_json({"error": str(error)}).encode(), otlp.JSON)
        # All of it turned down is a failure that the sender should notice; a part of it is told in the receipt.
        failed = receipt.rejected and not (receipt.accepted or receipt.duplicates or receipt.feedback)
        return Answer(422 if failed else 200, _receipt(receipt, accepted(receipt)), otlp.JSON)

    def _body(self, environ: Environ, turn: ExitStack) -> bytes:
        """The request's body; a huge one waits for its turn, which lasts as long as the stack."""

        def wait() -> None:
            turn.enter_context(self._huge)
            turn.callback(give_back_free_memory)

        return _body(environ, self._settings.max_body_bytes, wait)

    def _packed_traces(
        self, body: bytes, encoding: str, destination: Destination
    ) -> AbstractContextManager[list[Parcel]]:
        return self.ingester.packed_traces(body, encoding, destination, clock.now())

    def _packed_logs(
        self, body: bytes, encoding: str, destination: Destination
    ) -> AbstractContextManager[list[Parcel]]:
        now = clock.now()
        return nullcontext(self.ingester.pack(otlp.read_logs(body, encoding, destination.project_of, now), now))


def _media_type(environ: Environ) -> str:
    return str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()


def _as_text(header: str) -> str:
    """A header's text: WSGI hands over bytes as Latin-1, senders write UTF-8."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _sender(environ: Environ) -> str:
    return environ.get("HTTP_X_LLMOPS_SENDER") or environ.get("HTTP_USER_AGENT", "").split(" ", 1)[0] or "http"


def _listed(value: Any) -> list[Any]:
    records = value if isinstance(value, list) else [value]
    if len(records) > MAX_RECORDS:
        raise TooLarge(f"At most {MAX_RECORDS} records fit into one request; {len(records)} were sent.")
    return records


def _total(receipts: list[Receipt]) -> Receipt:
    total = receipts[0] if receipts else Receipt()
    for receipt in receipts[1:]:
        total += receipt
    return total


def _receipt(receipt: Receipt, accepted: int) -> bytes:
    rejected = [
        {"index": item.index, "field": item.field, "reason": item.reason}
        for item in sorted(receipt.rejected, key=lambda item: item.index)
    ]
    return to_json(
        {
            "accepted": accepted,
            "duplicates": receipt.duplicates,
            "feedback": receipt.feedback,
            "rejected": rejected,
        }
    ).encode()


def _status(error: MonitorError) -> int:
    for kind, status in ((Unavailable, 503), (Busy, 429), (TooLarge, 413), (Unsupported, 415), (InputError, 400)):
        if isinstance(error, kind):
            return status
    return 500


def _refusal(error: MonitorError, body: bytes, content_type: str) -> Answer:
    return Answer(_status(error), body, content_type, error.retry_after if isinstance(error, Busy) else 0)


def _body(environ: Environ, limit: int, wait: Callable[[], object]) -> bytes:
    """The request's body, decompressed; calls `wait` as soon as it is huge.

    Raises TooLarge as soon as it grows over `limit`, whatever it claims.
    """
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    data: bytes = environ["wsgi.input"].read(int(length))
    encoding = environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding in ("", "identity"):
        if len(data) > _HUGE:
            wait()
        return data
    if encoding == "gzip":
        return _gathered(_gunzipped(data), limit, wait)
    if encoding == "deflate":
        return _gathered(_inflated(data), limit, wait)
    raise Unsupported("Content-Encoding must be gzip, deflate or identity.")


def _gathered(parts: Iterator[bytes], limit: int, wait: Callable[[], object]) -> bytes:
    gathered: list[bytes] = []
    size = 0
    for part in parts:
        if size <= _HUGE < size + len(part):
            wait()
        size += len(part)
        if size > limit:
            raise TooLarge(f"The body is larger than {limit} bytes when unpacked.")
        gathered.append(part)
    return gathered[0] if len(gathered) == 1 else b"".join(gathered)


def _gunzipped(data: bytes) -> Iterator[bytes]:
    stream = gzip.GzipFile(fileobj=io.BytesIO(data))
    try:
        while part := stream.read(_CHUNK):
            yield part
    except (OSError, EOFError, zlib.error):
        raise InputError("The body is not valid gzip.") from None


def _inflated(data: bytes) -> Iterator[bytes]:
    inflater = zlib.decompressobj()
    try:
        part = inflater.decompress(data, _CHUNK)
        while part:
            yield part
            part = inflater.decompress(inflater.unconsumed_tail, _CHUNK)
    except zlib.error:
        raise InputError("The body is not valid deflate.") from None
    if not inflater.eof:
        raise InputError("The body is not valid deflate.")

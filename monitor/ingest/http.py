"""The HTTP side of ingest. A 2xx answer is given after the commit, never before."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g, request

from monitor import clock
from monitor.errors import Busy, InputError, MonitorError, TooLarge, Unavailable
from monitor.ingest import otlp
from monitor.ingest.batch import Batch, Receipt
from monitor.ingest.ingester import Ingester, check_project
from monitor.ingest.records import call_batches, feedback_batches
from monitor.ingest.values import decode_json, to_json
from monitor.settings import Settings

PROJECT_HEADERS = ("x-project", "x-llmops-project")
MAX_RECORDS = 10_000
_CHUNK = 1 << 20

LANGFUSE_TRACES = "/api/public/otel/v1/traces"
"""Where the SDKs of Langfuse send OpenTelemetry, below the address they are given."""

# google.rpc.Code
_CODES = {400: 3, 413: 8, 415: 3, 422: 3, 429: 8, 500: 13, 503: 14}


class Unsupported(InputError):
    """A media type or encoding that is not understood (HTTP 415)."""


def blueprint(ingester: Ingester, settings: Settings) -> Blueprint:
    """The routes that take records. A project that authentication put into `flask.g.project` cannot be overridden."""
    routes = Blueprint("ingest", __name__)

    @routes.post(LANGFUSE_TRACES)
    @routes.post("/v1/traces")
    def traces() -> Response:
        return _otlp("rejectedSpans", lambda body, encoding: otlp.read_traces(body, encoding, project_of))

    @routes.post("/v1/logs")
    def logs() -> Response:
        return _otlp(
            "rejectedLogRecords", lambda body, encoding: otlp.read_logs(body, encoding, project_of, clock.now())
        )

    @routes.post("/api/v1/calls")
    def calls() -> Response:
        return _records(call_batches, lambda receipt: receipt.accepted)

    @routes.post("/api/v1/feedback")
    def feedback() -> Response:
        return _records(feedback_batches, lambda receipt: receipt.feedback)

    def project_of(named: str) -> str:
        if g.get("project"):
            return str(g.project)
        headers = (request.headers.get(name) for name in PROJECT_HEADERS)
        return check_project(next((name for name in headers if name), named) or settings.project)

    def _otlp(counted: str, read: Callable[[bytes, str], list[Batch]]) -> Response:
        encoding = otlp.JSON if request.mimetype == otlp.JSON else otlp.PROTOBUF
        try:
            if request.mimetype not in (otlp.JSON, otlp.PROTOBUF):
                raise Unsupported(f"Content-Type must be {otlp.PROTOBUF} or {otlp.JSON}.")
            batches = read(_body(settings.max_body_bytes), encoding)
            receipt = _total(ingester.submit_all(batches, clock.now()))
        except MonitorError as error:
            status = _status(error)
            return _refusal(error, otlp.error_body(_CODES[status], str(error), encoding), encoding)
        return Response(otlp.answer(receipt, encoding, counted), 200, content_type=encoding)

    def _records(read: Callable[..., list[Batch]], accepted: Callable[[Receipt], int]) -> Response:
        try:
            if request.mimetype not in (otlp.JSON, ""):
                raise Unsupported(f"Content-Type must be {otlp.JSON}.")
            now = clock.now()
            records = _listed(decode_json(_body(settings.max_body_bytes)))
            batches = read(records, project_of, now, sender=_sender())
            receipt = _total(ingester.submit_all(batches, now))
        except MonitorError as error:
            return _refusal(error, to_json({"error": str(error)}).encode(), otlp.JSON)
        # All of it turned down is a failure that the sender should notice; a part of it is told in the receipt.
        failed = receipt.rejected and not (receipt.accepted or receipt.duplicates or receipt.feedback)
        return Response(_receipt(receipt, accepted(receipt)), 422 if failed else 200, content_type=otlp.JSON)

    return routes


def _sender() -> str:
    return request.headers.get("x-llmops-sender") or request.headers.get("user-agent", "").split(" ", 1)[0] or "http"


def _listed(value: Any) -> list[Any]:
    records = value if isinstance(value, list) else [value]
    if len(records) > MAX_RECORDS:
        raise TooLarge(f"At most {MAX_RECORDS} records fit into one request; {len(records)} were sent.")
    return records


def _total(receipts: list[Receipt]) -> Receipt:
    total = Receipt()
    for receipt in receipts:
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


def _refusal(error: MonitorError, body: bytes, content_type: str) -> Response:
    response = Response(body, _status(error), content_type=content_type)
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _body(limit: int) -> bytes:
    """The request's body, decompressed. Raises TooLarge as soon as it grows over `limit`, whatever it claims."""
    if (request.content_length or 0) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    data = request.get_data(cache=False)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        if len(data) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
        return data
    if encoding == "gzip":
        return _unpacked(gzip.GzipFile(fileobj=io.BytesIO(data)), limit)
    if encoding == "deflate":
        return _inflated(data, limit)
    raise Unsupported("Content-Encoding must be gzip, deflate or identity.")


def _unpacked(stream: gzip.GzipFile, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        while part := stream.read(_CHUNK):
            size += len(part)
            if size > limit:
                raise TooLarge(f"The body is larger than {limit} bytes when unpacked.")
            parts.append(part)
    except (OSError, EOFError, zlib.error):
        raise InputError("The body is not valid gzip.") from None
    return b"".join(parts)


def _inflated(data: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        body = inflater.decompress(data, limit + 1)
    except zlib.error:
        raise InputError("The body is not valid deflate.") from None
    if len(body) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes when unpacked.")
    if not inflater.eof:
        raise InputError("The body is not valid deflate.")
    return body

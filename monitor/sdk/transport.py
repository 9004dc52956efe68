"""One HTTP connection to the server, kept open between batches. Used by the sending thread only.

All that sending needs is imported here, in the thread of whoever reports first: were it imported while sending, a fork
in that moment would leave the import locked for ever in the child.
"""

from __future__ import annotations

import codecs
import gzip
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

# Codecs are modules too, imported when first used: these are for host names and headers.
for _codec in ("idna", "latin-1", "ascii"):
    codecs.lookup(_codec)

logger = logging.getLogger("monitor.sdk")

COMPRESS_FROM_BYTES = 1024
DEFAULT_TIMEOUT_S = 10.0
UNUSABLE = 400


@dataclass(frozen=True)
class Answer:
    """What became of a request: the HTTP status (0 where there was no answer), and how many records were refused."""

    status: int
    rejected: int = 0
    retry_after_s: float = 0.0


class Transport:
    """Posts JSON lists to the server. An endpoint that is no http or https address is logged and refuses everything."""

    def __init__(self, endpoint: str, api_key: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._secure, self._host, self._port, self._prefix = _parse(endpoint)
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json", "User-Agent": "llmops-monitor-sdk"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._connection: HTTPConnection | None = None

    def post(self, path: str, records: Sequence[Mapping[str, Any]]) -> Answer:
        """Sends records; an Answer of status 0 where the server could not be reached or did not answer in time."""
        if not self._host:
            return Answer(UNUSABLE)
        body = json.dumps(records, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        headers = dict(self._headers)
        if len(body) >= COMPRESS_FROM_BYTES:
            body = gzip.compress(body, compresslevel=3)
            headers["Content-Encoding"] = "gzip"
        kept_open = self._connection is not None
        try:
            return self._exchange(path, body, headers)
        except ValueError:  # a key that cannot stand in a header
            self.close()
            return Answer(UNUSABLE)
        except (OSError, HTTPException) as error:
            self.close()
            # The server may have closed a connection that was idle: that is no failure of the server.
            if not kept_open or isinstance(error, TimeoutError):
                return Answer(0)
        try:
            return self._exchange(path, body, headers)
        except (OSError, HTTPException):
            self.close()
            return Answer(0)

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self._connection is None:
            maker = HTTPSConnection if self._secure else HTTPConnection
            self._connection = maker(self._host, self._port, timeout=self._timeout_s)
        self._connection.request("POST", self._prefix + path, body, dict(headers))
        response = self._connection.getresponse()
        content = response.read()
        if response.will_close:
            self.close()
        return Answer(
            response.status,
            _rejected(content) if 200 <= response.status < 300 else 0,
            _seconds(response.headers.get("Retry-After", "")),
        )


def _parse(endpoint: str) -> tuple[bool, str, int | None, str]:
    """Whether it is https, host, port and path before the API's; no host where the address cannot be used."""
    try:
        parts = urlsplit(endpoint)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.scheme == "https", parts.hostname, parts.port, parts.path.rstrip("/")
    except ValueError:
        pass
    logger.warning("The monitor's endpoint must be an address such as http://127.0.0.1:8050; calls will be lost.")
    return False, "", None, ""


def _rejected(content: bytes) -> int:
    try:
        rejected = json.loads(content)["rejected"]
    except (ValueError, KeyError, TypeError):
        return 0
    if isinstance(rejected, list):
        return len(rejected)
    return rejected if isinstance(rejected, int) else 0


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0

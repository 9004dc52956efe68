"""What stands before the pages: records go straight to ingest, everything else to the Flask application."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from sqlalchemy.exc import DBAPIError

from monitor.errors import describe
from monitor.ingest.http import BOUND_PROJECT, Answer, Endpoint
from monitor.store import is_transient
from monitor.web.gate import Gate, Refusal

log = logging.getLogger(__name__)

FAILED = "The request failed here; the log says where."
AWAY = "The store cannot be reached just now; come again a little later."
AWAY_SECONDS = 5
CHALLENGE = 'Bearer realm="llmops-monitor"'

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Front:
    """A WSGI application before another. The gate decides here as it does there; `headers` come with every answer."""

    def __init__(self, pages: Any, endpoint: Endpoint, gate: Gate, headers: Iterable[tuple[str, str]]) -> None:
        self._pages = pages
        self._endpoint = endpoint
        self._gate = gate
        self._headers = list(headers)
        self.paths = endpoint.paths

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers as WSGI applications do."""
        if not self._endpoint.takes(environ):
            answered: Iterable[bytes] = self._pages(environ, start_response)
            return answered
        try:
            answer, more = self._answer(environ)
        except Exception as error:
            if isinstance(error, DBAPIError) and is_transient(error):
                answer, more = _problem(503, AWAY, AWAY_SECONDS), []
            else:
                log.error("a request failed: %s", describe(error))
                answer, more = _problem(500, FAILED), []
        start_response(_STATUS_LINES[answer.status], [*answer.headers, *more, *self._headers])
        return [answer.body]

    def _answer(self, environ: dict[str, Any]) -> tuple[Answer, list[tuple[str, str]]]:
        passage = self._gate.decide(environ)
        if passage.refusal is not None:
            return _refused(passage.refusal)
        environ[BOUND_PROJECT] = passage.project
        return self._endpoint.answer(environ), []


def _refused(refusal: Refusal) -> tuple[Answer, list[tuple[str, str]]]:
    challenge = [("WWW-Authenticate", CHALLENGE)] if refusal.status == 401 else []
    return _problem(refusal.status, refusal.sentence), challenge


def _problem(status: int, sentence: str, retry_after: int = 0) -> Answer:
    return Answer(status, json.dumps({"error": sentence}).encode(), "application/json", retry_after)

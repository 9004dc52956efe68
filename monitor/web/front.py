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
from monitor.ingest.steps import Steps, finish
from monitor.store import is_transient
from monitor.web.exchange import Said
from monitor.web.gate import Environ, Gate

log = logging.getLogger(__name__)

FAILED = "The request failed here; the log says where."
AWAY = "The store cannot be reached just now; come again a little later."
AWAY_SECONDS = 5
CHALLENGE = 'Bearer realm="llmops-monitor"'

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Front:
    """A WSGI application before another. The gate decides here as it does there; `headers` come with every answer.

    Requests that are posted to `paths` may also be answered several at once, which stores all of them in one go.
    """

    def __init__(self, pages: Any, endpoint: Endpoint, gate: Gate, headers: Iterable[tuple[str, str]]) -> None:
        self._pages = pages
        self._endpoint = endpoint
        self._gate = gate
        self._headers = tuple(headers)
        self.paths = endpoint.paths

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers as WSGI applications do."""
        if not self._endpoint.takes(environ):
            answered: Iterable[bytes] = self._pages(environ, start_response)
            return answered
        (said,) = self.together([environ])
        start_response(said.status, list(said.headers))
        return [said.body]

    def together(self, environs: Iterable[Environ]) -> list[Said]:
        """The answers to small requests posted to `paths`; each is taken when the one before it is ready to be stored.

        Requests that wait for one another, as huge ones do, must come one at a time.
        """
        return finish(map(self._steps, environs), self._endpoint.ingester.commit)

    def _steps(self, environ: Environ) -> Steps[Said]:
        more: tuple[tuple[str, str], ...] = ()
        try:
            passage = self._gate.decide(environ)
            if passage.refusal is None:
                environ[BOUND_PROJECT] = passage.project
                answer = yield from self._endpoint.steps(environ)
            else:
                answer = _problem(passage.refusal.status, passage.refusal.sentence)
                more = (("WWW-Authenticate", CHALLENGE),) if passage.refusal.status == 401 else ()
        except Exception as error:
            if isinstance(error, DBAPIError) and is_transient(error):
                answer = _problem(503, AWAY, AWAY_SECONDS)
            else:
                log.error("a request failed: %s", describe(error))
                answer = _problem(500, FAILED)
        return Said(_STATUS_LINES[answer.status], (*answer.headers, *more, *self._headers), answer.body)


def _problem(status: int, sentence: str, retry_after: int = 0) -> Answer:
    return Answer(status, json.dumps({"error": sentence}).encode(), "application/json", retry_after)

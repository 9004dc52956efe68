"""A signed webhook: the notification as JSON, posted to one address.

The header `X-LLMOps-Monitor-Signature` is `t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256, with the shared secret, of
`SECONDS.BODY`. A receiver checks it and refuses old ones; `X-LLMOps-Monitor-Id` is the same for every attempt.
"""

from __future__ import annotations

import hashlib
import hmac
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import msgspec

from monitor import clock
from monitor.alerts.mail import message_id
from monitor.contracts import Channel, Delivery, Notification
from monitor.settings import Settings

TIMEOUT_SECONDS = 10.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the signed body is for the address that was set, and for no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def configured(settings: Settings) -> bool:
    """With an address."""
    return bool(settings.webhook_url.get_secret_value())


def send(notification: Notification, settings: Settings) -> Delivery:
    """Posts the notification. Server errors, 429 and time-outs are worth another try; other refusals are final."""
    body = body_of(notification)
    address = settings.webhook_url.get_secret_value()
    if urlsplit(address).scheme not in ("http", "https"):
        return Delivery(False, "MONITOR_WEBHOOK_URL is not an http or https address.")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "llmops-monitor",
        "X-LLMOps-Monitor-Id": message_id(notification, "webhook").strip("<>").partition("@")[0],
    }
    secret = settings.webhook_secret.get_secret_value()
    if secret:
        headers["X-LLMOps-Monitor-Signature"] = signature(secret, int(clock.now().timestamp()), body)
    try:
        request = urllib.request.Request(address, data=body, headers=headers, method="POST")  # noqa: S310
        opener = urllib.request.build_opener(_NoRedirects)
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return Delivery(True, f"The webhook answered {answer.status}.")
    except urllib.error.HTTPError as error:
        error.close()
        retry = error.code >= 500 or error.code in (408, 425, 429)
        return Delivery(False, f"The webhook answered {error.code}.", retry=retry)
    except ValueError:
        return Delivery(False, "MONITOR_WEBHOOK_URL is not an address that can be used.")
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        return Delivery(False, f"The webhook could not be reached ({type(reason).__name__}).", retry=True)


def body_of(notification: Notification) -> bytes:
    """The JSON document: `data` of the notification and its subject and text."""
    document = {
        **notification.data,
        "subject": notification.subject,
        "text": notification.text,
        "created": notification.created.isoformat(),
    }
    return msgspec.json.encode(document)


def signature(secret: str, moment: int, body: bytes) -> str:
    """The value of the signature header."""
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


WEBHOOK = Channel("webhook", configured, send)

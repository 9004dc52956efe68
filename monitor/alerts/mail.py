"""A notification as an e-mail: text with an HTML alternative, in one thread for one trouble."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from monitor.contracts import Notification
from monitor.settings import Settings

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def mail_of(notification: Notification, settings: Settings) -> EmailMessage:
    """The mail that a notification becomes. The same notification always gets the same Message-ID."""
    message = EmailMessage()
    message["From"] = settings.mail_from
    message["To"] = ", ".join(settings.mail_to)
    message["Subject"] = one_line(notification.subject)
    message["Date"] = format_datetime(notification.created)
    domain = domain_of(settings.mail_from)
    message["Message-ID"] = message_id(notification, domain)
    thread = f"<{digest(notification.key)}.thread@{domain}>"
    message["References"] = thread
    message["In-Reply-To"] = thread
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["List-Id"] = f"LLMOps monitor <{label(notification.project)}.llmops-monitor.{domain}>"
    message["X-LLMOps-Monitor-Event"] = notification.kind
    message.set_content(notification.text, cte="quoted-printable")
    message.add_alternative(notification.html, subtype="html", cte="quoted-printable")
    return message


def message_id(notification: Notification, domain: str) -> str:
    """Made from what is said and when, so that a mail sent twice after a crash is shown once by most programs."""
    moment = notification.created.isoformat()
    return f"<{digest(notification.key, notification.kind, moment, notification.subject)}@{domain}>"


def file_name(notification: Notification) -> str:
    """The name of the mail as a file: they sort by time."""
    moment: datetime = notification.created
    tag = digest(notification.key, notification.kind, moment.isoformat(), notification.subject)[:8]
    return f"{moment:%Y%m%dT%H%M%SZ}-{label(notification.project)}-{notification.kind}-{tag}.eml"


def addresses(settings: Settings) -> Sequence[str]:
    """The bare addresses of those who get mails."""
    return [parseaddr(entry)[1] or entry for entry in settings.mail_to]


def domain_of(address: str) -> str:
    """The domain of an address; `localhost` where it has none."""
    return label(parseaddr(address)[1].rpartition("@")[2])


def one_line(text: str) -> str:
    """The text without line breaks and control characters: nothing can add a header."""
    return _CONTROL.sub(" ", text).strip()


def label(text: str) -> str:
    """Letters, digits, dots and hyphens of a text, `localhost` where it has none: fit for a host or file name."""
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower())[:60].strip("-.") or "localhost"


def digest(*parts: str) -> str:
    """A short hash of some texts."""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

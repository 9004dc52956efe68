"""Mails as .eml files in a folder: what happens while no mail server is set."""

from __future__ import annotations

import os

from monitor.alerts.mail import file_name, mail_of
from monitor.contracts import Channel, Delivery, Notification
from monitor.settings import Settings


def configured(settings: Settings) -> bool:
    """As long as there is no mail server."""
    return not settings.smtp_host


def send(notification: Notification, settings: Settings) -> Delivery:
    """Writes the mail, whole or not at all; the same notification always goes to the same file."""
    path = settings.mail_folder / file_name(notification)
    unfinished = path.with_suffix(".tmp")
    try:
        settings.mail_folder.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(mail_of(notification, settings).as_bytes())
        os.replace(unfinished, path)
    except OSError as error:
        return Delivery(False, f"Cannot write to the folder {settings.mail_folder} ({error.strerror}).", retry=True)
    return Delivery(True, f"Written to {path}; no mail server is set.")


FOLDER = Channel("folder", configured, send)

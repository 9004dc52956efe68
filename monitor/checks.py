"""What must be right for an installation to do its work: settings, store, mail server, disk, clock."""

from __future__ import annotations

import os
import shutil
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from monitor import clock, migrate, tables
from monitor.errors import MonitorError, describe
from monitor.links import is_wide
from monitor.settings import Settings
from monitor.store import Store, table_of
from monitor.web.gate import require_protection

_LEAST_FREE = 1024**3
_MOST_SKEW = timedelta(seconds=30)
_SMTP_PATIENCE = 10.0


@dataclass(frozen=True)
class Finding:
    """The result of one check: `note` says what was found, in a sentence without secrets."""

    name: str
    ok: bool
    note: str


def all_checks(settings: Settings, now: datetime) -> list[Finding]:
    """All checks, none of which changes anything."""
    findings = [Finding("settings", True, "They can be used.")]
    store = Store.open(settings)
    try:
        file = Path(str(store.url.database)) if store.is_sqlite else None
        if file is not None:
            findings.append(_guarded("disk", lambda: _disk(file)))
        if file is not None and not file.exists():
            findings.append(Finding("store", False, "There is none yet; `llmops-monitor up` or `migrate` makes it."))
        else:
            findings.append(_guarded("store", lambda: _schema(store)))
            if findings[-1].ok:
                findings.append(_guarded("clock", lambda: _clock(store, now)))
                findings.append(_guarded("access", lambda: _access(store, settings)))
    finally:
        store.close()
    findings.append(_guarded("mail", lambda: _mail(settings)))
    return findings


def _guarded(name: str, check: Callable[[], tuple[bool, str]]) -> Finding:
    try:
        return Finding(name, *check())
    except MonitorError as error:
        return Finding(name, False, str(error))
    except Exception as error:
        return Finding(name, False, f"It could not be looked at: {describe(error)}.")


def _schema(store: Store) -> tuple[bool, str]:
    migrate.require_current(store)
    with store.write() as connection:
        connection.execute(select(func.count()).select_from(table_of(tables.Value)))
    return True, f"It can be written and is at {migrate.newest()}."


def _disk(database: Path) -> tuple[bool, str]:
    folder = next(part for part in (database.absolute().parent, *database.absolute().parents) if part.exists())
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    note = f"{free / 1024**3:.1f} GiB are free in {folder}" + ("." if writable else ", which cannot be written.")
    return writable and free >= _LEAST_FREE, note


def _clock(store: Store, now: datetime) -> tuple[bool, str]:
    """Compares with the database's clock, or where that is this machine's own with the last thing written."""
    with store.read() as connection:
        if store.is_sqlite:
            newest = connection.execute(select(func.max(table_of(tables.JobRun).c.heartbeat))).scalar_one()
            ahead = clock.from_microseconds(newest) - now if newest else timedelta()
        else:
            ahead = abs(connection.execute(select(func.clock_timestamp())).scalar_one() - now)
    if ahead > _MOST_SKEW:
        return False, f"The store is {ahead.total_seconds():.0f} seconds away from this machine's clock."
    return True, f"It is {now:%Y-%m-%d %H:%M:%S} UTC."


def _access(store: Store, settings: Settings) -> tuple[bool, str]:
    require_protection(store, settings, frozenset(("ingest", "api", "dashboard")))
    return True, "Logins and keys are required." if is_wide(settings) else "Only this machine can reach the server."


def _mail(settings: Settings) -> tuple[bool, str]:
    if not settings.smtp_host:
        return True, f"No SMTP server is set; mails are written into {settings.mail_folder.absolute()}."
    where = f"{settings.smtp_host} port {settings.smtp_port}"
    encrypted = ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=_SMTP_PATIENCE, context=encrypted)
            if settings.smtp_security == "tls"
            else smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=_SMTP_PATIENCE)
        ) as server:
            if settings.smtp_security == "starttls":
                server.starttls(context=encrypted)
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            server.noop()
    except (OSError, smtplib.SMTPException) as error:
        return False, f"{where} does not work: {type(error).__name__}."
    return True, f"{where} answers."

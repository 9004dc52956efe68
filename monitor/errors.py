"""Every error the product raises on purpose.

MonitorError
├── SettingsError          a setting is missing, malformed or contradicts another
├── InputError             what was sent or named cannot be used (HTTP 4xx, exit code 2)
│   ├── NotFound           what was asked for does not exist (HTTP 404)
│   └── TooLarge           over a stated limit (HTTP 413)
├── Busy                   no room just now, try again later (HTTP 429 with Retry-After)
│   └── Unavailable        the database cannot be written just now (HTTP 503 with Retry-After)
├── StoreError             the database refused, is locked, full or of another version
└── PluginError            a plug-in breaks its contract

Messages are shown to people: one sentence that says what was wrong and where. They never hold prompt
text, keys or secrets.
"""

from __future__ import annotations

from pathlib import Path


class MonitorError(Exception):
    """Base of all errors raised on purpose; its text may be shown to people."""


class SettingsError(MonitorError):
    """A setting is missing, malformed or contradicts another."""


class InputError(MonitorError):
    """What was sent or named cannot be used."""


class NotFound(InputError):
    """What was asked for does not exist."""


class TooLarge(InputError):
    """What was sent is over a stated limit."""


class Busy(MonitorError):
    """There is no room just now.

    `retry_after` is in seconds.
    """

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(Busy):
    """The database cannot be written just now; what was sent has not been stored."""


class StoreError(MonitorError):
    """The database refused, is locked, full or of another version."""


class PluginError(MonitorError):
    """A plug-in breaks its contract."""


def describe(error: BaseException) -> str:
    """What went wrong, for a log: own errors speak for themselves, of others only the kind and the place.

    The messages of foreign errors are left out because they may quote what people wrote.
    """
    if isinstance(error, MonitorError):
        return f"{type(error).__name__}: {error}"
    place = ""
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if "site-packages" not in path.parts:
            place = f" in {path.name} line {trace.tb_lineno}"
        trace = trace.tb_next
    original = getattr(error, "orig", None)
    return type(error).__name__ + (f" ({type(original).__name__})" if original is not None else "") + place

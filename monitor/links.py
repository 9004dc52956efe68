"""Addresses inside the dashboard: one scheme for pages, mails and the API.

The filter lives in the query string: `project`, `from` and `to` (ISO 8601) or `range` (such as `7d`), `segment`
(`dimension:value`), `compare` (another segment), and for the explorer `signal`, `text`, `trace`, `span`.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime
from functools import lru_cache
from socket import gethostname
from urllib.parse import urlencode, urlsplit

from monitor.contracts import Segment
from monitor.settings import Settings

# Addresses that mean every address of this machine.
_ALL_ADDRESSES = ("0.0.0.0", "::", "")  # noqa: S104 - nothing is bound here


def base_url(settings: Settings) -> str:
    """Where people find this server: its public address, else the one it listens on, by this machine's name if all."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = gethostname() if settings.host in _ALL_ADDRESSES else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """True for an address or name that only this machine can reach."""
    host = host.strip("[]").lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_wide(settings: Settings) -> bool:
    """True where others than this machine may reach the server: by its own address, or by a public one."""
    public = urlsplit(settings.public_url).hostname or ""
    return not is_loopback(settings.host) or bool(public and not is_loopback(public))


def segment_parameter(segment: Segment) -> str:
    """`dimension:value`, or nothing for all traffic."""
    return f"{segment.dimension}:{segment.value}" if segment.dimension else ""


def parse_segment(text: str) -> Segment:
    """The segment of such a parameter; all traffic where it names none."""
    dimension, separator, value = text.partition(":")
    return Segment(dimension, value) if separator and dimension else Segment()


def page_link(
    path: str,
    *,
    project: str = "",
    start: datetime | None = None,
    end: datetime | None = None,
    segment: Segment | None = None,
    base: str = "",
    **more: str,
) -> str:
    """Address of a page with its filter; `base` makes it absolute, for mails. Empty parameters are left out."""
    parameters = {
        "project": project,
        "from": _iso(start),
        "to": _iso(end),
        "segment": segment_parameter(segment) if segment else "",
        **more,
    }
    query = urlencode({name: value for name, value in parameters.items() if value})
    return f"{base.rstrip('/')}{path}{'?' + query if query else ''}"


def _iso(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%dT%H:%MZ") if moment else ""

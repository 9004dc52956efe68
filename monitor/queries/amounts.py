"""How much there was in each hour: calls with a signal, and sums of it, without reading its distribution."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from sqlalchemy import select

from monitor import tables
from monitor.clock import BlockLength, to_microseconds
from monitor.contracts import WHOLE
from monitor.profile import Floats
from monitor.store import Store, table_of

_PROFILE = table_of(tables.Profile)
_HOUR = timedelta(hours=1)


class HourlyAmounts(NamedTuple):
    """By the hour: calls, users, the sum of a signal, and the sum of its squares; zero where nothing was."""

    calls: Floats
    users: Floats
    total: Floats
    total_square: Floats


def hourly_amounts(store: Store, project_id: int, signal: str, start: datetime, end: datetime) -> HourlyAmounts:
    """The hours in [start, end), which are whole hours, of all traffic."""
    columns = (_PROFILE.c.n, _PROFILE.c.users, _PROFILE.c.total, _PROFILE.c.total_square)
    statement = select(_PROFILE.c.start, *columns).where(
        _PROFILE.c.project_id == project_id,
        _PROFILE.c.length == str(BlockLength.HOUR),
        _PROFILE.c.dimension == WHOLE.dimension,
        _PROFILE.c.value == WHOLE.value,
        _PROFILE.c.signal == signal,
        _PROFILE.c.start >= to_microseconds(start),
        _PROFILE.c.start < to_microseconds(end),
    )
    found = np.zeros((4, (end - start) // _HOUR))
    first, hour = to_microseconds(start), _HOUR // timedelta(microseconds=1)
    with store.read() as connection:
        for row in connection.execute(statement):
            found[:, (row[0] - first) // hour] = [value or 0.0 for value in row[1:]]
    return HourlyAmounts(*found)

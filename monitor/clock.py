"""Time: the only module that asks what time it is.

Everything else gets the time passed in, so that a back-test, the demo and the tests run "as of" any moment.
Times are aware UTC datetimes in Python and whole microseconds since 1970 in the store.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BlockLength(StrEnum):
    """Length of a closed time bucket."""

    HOUR = "hour"
    DAY = "day"

    @property
    def duration(self) -> timedelta:
        return timedelta(hours=1) if self is BlockLength.HOUR else timedelta(days=1)


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


def to_microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970; raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time needs a zone")
    difference = moment - EPOCH
    return (difference.days * 86_400 + difference.seconds) * 1_000_000 + difference.microseconds


def from_microseconds(value: int) -> datetime:
    """The UTC moment of so many microseconds since 1970."""
    return EPOCH + timedelta(microseconds=value)


def block_start(moment: datetime, length: BlockLength) -> datetime:
    """Start of the block (UTC hour or UTC day) that `moment` falls into."""
    moment = moment.astimezone(UTC)
    if length is BlockLength.HOUR:
        return moment.replace(minute=0, second=0, microsecond=0)
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)

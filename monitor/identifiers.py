"""Identifiers that need no central sequence.

A span's id is made by the process that writes it: milliseconds since 2020 in the upper bits, a counter with a
random start in the lower ones. Ids therefore sort by time, inserts go to the end of the index, and a range of
time is a range of ids. A project's id is a hash of its name, so every process agrees on it without asking.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import secrets
from datetime import datetime
from functools import lru_cache

from monitor.clock import from_microseconds, to_microseconds

_START_MILLISECONDS = 1_577_836_800_000  # 2020-01-01T00:00:00Z
_SEQUENCE_BITS = 22
_SEQUENCE_MASK = (1 << _SEQUENCE_BITS) - 1
_counter = itertools.count(secrets.randbits(_SEQUENCE_BITS))

_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{16}|[0-9a-f]{32})\Z")
MAX_IDENTIFIER = 200


def id_floor(moment: datetime) -> int:
    """Smallest id a span that started at `moment` can have: the bounds of a time range in ids."""
    milliseconds = to_microseconds(moment) // 1000 - _START_MILLISECONDS
    return max(milliseconds, 0) << _SEQUENCE_BITS


def id_time(identifier: int) -> datetime:
    """The moment, to the millisecond, of which an id was made."""
    return from_microseconds(((identifier >> _SEQUENCE_BITS) + _START_MILLISECONDS) * 1000)


def new_id(moment: datetime) -> int:
    """A fresh id for something that happened at `moment`; unique with overwhelming probability."""
    return id_floor(moment) | (next(_counter) & _SEQUENCE_MASK)


@lru_cache(maxsize=256)
def project_id(name: str) -> int:
    """The id of a project: a positive 31-bit hash of its name."""
    digest = hashlib.blake2b(name.encode(), digest_size=4, person=b"llmops-project").digest()
    return int.from_bytes(digest, "big") & 0x7FFF_FFFF


def pack_identifier(text: str) -> bytes:
    """Bytes of a trace, span or session id: half the length where it is the usual 16 or 32 hexadecimal digits.

    Any other text becomes 0xFF + UTF-8, padded with a zero byte where its length would look like packed digits.
    """
    if len(text) in (16, 32) and _HEXADECIMAL.match(text):
        return bytes.fromhex(text)
    packed = b"\xff" + text.encode("utf-8", "surrogatepass")
    return packed + b"\x00" if len(packed) in (8, 16) else packed


def unpack_identifier(packed: bytes) -> str:
    """The text that `pack_identifier` got."""
    if len(packed) in (8, 16):
        return packed.hex()
    body = packed[1:]
    if len(packed) in (9, 17) and body.endswith(b"\x00"):
        body = body[:-1]
    return body.decode("utf-8", "surrogatepass")


class Pseudonyms:
    """Turns user identifiers into keyed pseudonyms: the same user, the same 16 digits, no way back without the key."""

    def __init__(self, key: bytes) -> None:
        self._key = key[:64]

    def of(self, user_id: str) -> str:
        """Keyed BLAKE2b of the identifier, 64 bits as hexadecimal digits."""
        return hashlib.blake2b(user_id.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).hexdigest()

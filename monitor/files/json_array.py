"""The elements of a JSON array of any length, one at a time: memory holds one element, not the array."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

READ_BYTES = 256 * 1024
_STRUCTURE = re.compile(rb'["\\{}\[\],]')
_BLANK = b" \t\r\n"


class ElementTooLong(ValueError):
    """An element of the array is longer than the limit."""


def elements(stream: IO[bytes], first: bytes, limit: int) -> Iterator[bytes]:  # noqa: PLR0912 - one scanner
    """The text of each element, which is not checked.

    `first` is what has been read of the stream already. Raises ElementTooLong. What follows the closing bracket is not
    read; where the array breaks off, the last element is what there is of it.
    """
    held = bytearray(first)
    begin = position = held.index(b"[") + 1
    depth, quoted = 0, False
    while True:
        while match := _STRUCTURE.search(held, position):
            symbol, at = match.group(), match.start()
            position = match.end()
            if symbol == b"\\":
                position += 1  # what follows means itself, also where it has not been read yet
            elif symbol == b'"':
                quoted = not quoted
            elif quoted:
                continue
            elif symbol in b"{[":
                depth += 1
            elif depth:
                depth -= symbol in b"}]"
            else:  # a comma between elements, or the end
                if text := bytes(held[begin:at]).strip(_BLANK):
                    yield text
                if symbol != b",":
                    return
                begin = position
        position = max(position, len(held))
        if len(held) - begin > limit:
            raise ElementTooLong
        del held[:begin]
        position -= begin
        begin = 0
        if not (more := stream.read(READ_BYTES)):
            break
        held += more
    if text := bytes(held).strip(_BLANK):
        yield text

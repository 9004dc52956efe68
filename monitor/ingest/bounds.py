"""How much a request may hold, found out before anything is made of it.

A few bytes of JSON or protobuf can become a hundred times as many in memory: `{}` is a dictionary, an empty field is a
message. So what is in a large body is counted first, with little memory and in little time, and too much is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from monitor.errors import InputError, TooLarge

MAX_RECORDS = 50_000
MAX_RECORD_VALUES = 50_000
MAX_RECORD_BYTES = 16 << 20
MAX_OTHER_FIELDS = 1_000
MAX_JSON_VALUES = 1_000_000

LARGE_BYTES = 64 * 1024
"""What is smaller cannot hold much, whatever it is."""

_WINDOW = 64 * 1024
_OTHERS = bytes(set(range(256)) - set(b'[{,"'))
_RUN = re.compile(rb"\\*")

NO_PROTOBUF = "The body is no OTLP message in protobuf encoding."
_TOO_MANY = f"At most {MAX_JSON_VALUES} values fit into the JSON of one request."
TOO_MANY_RECORDS = f"At most {MAX_RECORDS} spans or log records fit into one request."


def check_json(data: bytes | str) -> None:
    """Raises TooLarge for a JSON text with more than `MAX_JSON_VALUES` values."""
    if len(data) <= MAX_JSON_VALUES:
        return
    if isinstance(data, str):
        if data.count("[") + data.count("{") + data.count(",") > MAX_JSON_VALUES:
            check_json(data.encode("utf-8", "surrogatepass"))
        return
    if sum(data.count(mark) for mark in (b"[", b"{", b",")) <= MAX_JSON_VALUES:
        return
    if json_values(data) > MAX_JSON_VALUES:
        raise TooLarge(_TOO_MANY)


def json_values(data: bytes) -> int:
    """Lists, objects and commas of a JSON text, those inside of texts left out; as many values are in it or fewer."""
    count, start, inside = 0, 0, 0
    while start < len(data):
        end = start + _WINDOW
        if data[end - 1 : end] == b"\\":  # what is escaped stays with its backslash
            end = _RUN.match(data, end).end() + 1  # type: ignore[union-attr]
        window = data[start:end].replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _OTHERS)
        parts = window.split(b'"')
        count += sum(map(len, parts[inside::2]))
        inside ^= (len(parts) - 1) & 1
        start = end
    return count


Part = tuple[int, int]
"""Where the bytes of a message begin and end in the body."""


@dataclass(slots=True)
class Group:
    """Records of one scope of a resource: where they are in the body of a request."""

    resource: bytes
    scope: bytes
    records: list[Part]


# Messages within messages, by the numbers of their fields in OpenTelemetry's protocol.
_INNER: dict[str, dict[int, str]] = {
    "span": {9: "pair", 11: "event", 13: "link"},
    "record": {5: "value", 6: "pair"},
    "event": {3: "pair"},
    "link": {4: "pair"},
    "resource": {1: "pair"},
    "scope": {3: "pair"},
    "pair": {2: "value"},
    "value": {5: "list", 6: "pairs"},
    "list": {1: "value"},
    "pairs": {1: "pair"},
}


def outline(body: bytes) -> list[Group]:
    """Where the spans or log records of a request in protobuf encoding are; both have the same outline.

    Raises InputError where it is no such request, TooLarge where it holds more than `MAX_RECORDS` of anything.
    """
    groups: list[Group] = []
    room = MAX_RECORDS
    for _, top in _inside(body, (0, len(body)), (1,)):
        resource, scopes = b"", []
        for place, part in _inside(body, top, (1, 2)):
            if place == 1:
                resource += body[slice(*part)]
            else:
                scopes.append(part)
            room -= 1
            if room < 0:
                raise TooLarge(TOO_MANY_RECORDS)
        _check_whole(resource, "resource")
        for scoped in scopes:
            group = Group(resource, b"", [])
            for place, part in _inside(body, scoped, (1, 2)):
                if place == 1:
                    group.scope += body[slice(*part)]
                else:
                    group.records.append(part)
                room -= 1
                if room < 0:
                    raise TooLarge(TOO_MANY_RECORDS)
            _check_whole(group.scope, "scope")
            groups.append(group)
        room -= 1
        if room < 0:
            raise TooLarge(TOO_MANY_RECORDS)
    return groups


def check_record(body: bytes, part: Part, kind: str) -> None:
    """Raises TooLarge for a span or log record that is too long, or of too many values."""
    start, end = part
    if end - start <= LARGE_BYTES:
        return
    if end - start > MAX_RECORD_BYTES:
        raise TooLarge(f"A span or log record has at most {MAX_RECORD_BYTES >> 20} MiB.")
    waiting, count = [(part, kind)], 0
    while waiting:
        part, kind = waiting.pop()
        inner = _INNER[kind]
        for place, found in _inside(body, part, inner):
            waiting.append((found, inner[place]))
            count += 1
            if count > MAX_RECORD_VALUES:
                raise TooLarge(f"At most {MAX_RECORD_VALUES} values fit into one span or log record.")


def _check_whole(message: bytes, kind: str) -> None:
    check_record(message, (0, len(message)), kind)


def _inside(data: bytes, part: Part, wanted: Collection[int]) -> Iterator[tuple[int, Part]]:
    """The fields with the wanted numbers, of those that are messages. Raises InputError for what is no protobuf."""
    start, end = part
    others = 0
    while start < end:
        key, start = _varint(data, start, end)
        wire = key & 7
        if key >> 3 not in wanted:
            others += 1
            if key < 8 or others > MAX_OTHER_FIELDS:
                raise InputError(NO_PROTOBUF)
        if wire == 2:
            length, start = _varint(data, start, end)
            begin, start = start, start + length
            if start <= end and key >> 3 in wanted:
                yield key >> 3, (begin, start)
        elif wire == 0:
            _, start = _varint(data, start, end)
        elif wire in (1, 5):
            start += 8 if wire == 1 else 4
        else:
            raise InputError(NO_PROTOBUF)
        if start > end:
            raise InputError(NO_PROTOBUF)


def _varint(data: bytes, start: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while start < end and shift < 70:
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, start
        shift += 7
    raise InputError(NO_PROTOBUF)

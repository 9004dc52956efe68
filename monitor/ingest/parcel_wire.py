"""How a server and its helper processes talk: frames of a length and so many bytes, parcels as MessagePack."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from monitor.ingest.batch import Rejection
from monitor.ingest.parcel import Parcel
from monitor.records import Feedback

_LENGTH_BYTES = 8


class Task(msgspec.Struct, array_like=True, frozen=True):
    """What comes before the body of a request: its encoding, where its records belong, and the moment it came."""

    encoding: str
    usual: str
    bound: str
    asked: str
    now: datetime


class _Packed(msgspec.Struct, array_like=True, frozen=True):
    """A parcel. Rows come without the names of their columns, which all have in common; texts stand beside them."""

    project: str
    sender: str
    unmapped: dict[str, int]
    dialects: list[str]
    feedback: list[Feedback]
    rejected: list[Rejection]
    positions: list[int]
    lost: dict[int, int]
    columns: list[str]
    rows: list[list[Any]]
    texts: list[tuple[int, bytes] | None]


_tasks = msgspec.msgpack.Decoder(Task)
_parcels = msgspec.msgpack.Decoder(list[_Packed])
_encode = msgspec.msgpack.Encoder().encode


def encode_task(task: Task) -> bytes:
    """The bytes of a task."""
    return _encode(task)


def decode_task(data: bytes) -> Task:
    """The task of bytes."""
    return _tasks.decode(data)


def encode_parcels(parcels: Sequence[Parcel]) -> bytes:
    """The bytes of parcels that came in one request."""
    return _encode([_packed(parcel) for parcel in parcels])


def decode_parcels(data: bytes, now: datetime) -> list[Parcel]:
    """The parcels of bytes, which came at the moment `now`."""
    return [_unpacked(packed, now) for packed in _parcels.decode(data)]


def _packed(parcel: Parcel) -> _Packed:
    texts = [
        (body["codec"], body["data"]) if (body := parcel.bodies.get(row["id"])) is not None else None
        for row in parcel.spans
    ]
    return _Packed(
        parcel.project,
        parcel.sender,
        dict(parcel.unmapped),
        list(parcel.dialects),
        parcel.feedback,
        parcel.rejected,
        parcel.positions,
        parcel.lost,
        list(parcel.spans[0]) if parcel.spans else [],
        [list(row.values()) for row in parcel.spans],
        texts,
    )


def _unpacked(packed: _Packed, now: datetime) -> Parcel:
    columns = packed.columns
    parcel = Parcel(
        packed.project,
        packed.sender,
        packed.unmapped,
        now,
        packed.dialects,
        packed.feedback,
        packed.rejected,
        spans=[dict(zip(columns, row, strict=True)) for row in packed.rows],
        positions=packed.positions,
        lost=packed.lost,
    )
    for row, text in zip(parcel.spans, packed.texts, strict=True):
        if text is not None:
            identifier = row["id"]
            parcel.bodies[identifier] = {
                "project_id": parcel.project_id,
                "id": identifier,
                "codec": text[0],
                "data": text[1],
            }
    return parcel


def send(channel: socket.socket, data: bytes) -> None:
    """Sends a frame. Raises OSError where the other end is gone or does not read in time."""
    channel.sendall(len(data).to_bytes(_LENGTH_BYTES, "big"))
    channel.sendall(data)


def receive(channel: socket.socket) -> bytes:
    """The next frame. Raises OSError where the other end is gone or silent for too long."""
    return _exactly(channel, int.from_bytes(_exactly(channel, _LENGTH_BYTES), "big"))


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        count = channel.recv_into(rest)
        if not count:
            raise ConnectionError("The other end is gone.")
        rest = rest[count:]
    return bytes(data)

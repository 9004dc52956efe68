"""The other half of `helpers`: a process that makes parcels of request bodies, one after the other, until nobody asks.

    python -m monitor.ingest.helper_process FILE_DESCRIPTOR

It has neither the store nor a log. It ends by itself where the server is gone, or has not asked for a while.
"""

from __future__ import annotations

import contextlib
import gc
import pickle
import signal
import socket
import sys

from monitor.ingest import otlp
from monitor.ingest.decode import all_dialects
from monitor.ingest.parcel import Destination, Packer
from monitor.ingest.parcel_wire import decode_task, encode_parcels, receive, send

IDLE_SECONDS = 20.0
_PATIENCE_SECONDS = 60.0
_GARBAGE_THRESHOLDS = (20_000, 10, 10)


def serve(channel: socket.socket, idle_seconds: float) -> None:
    """Answers tasks; an empty answer says that the server should see for itself. Raises OSError at the end."""
    channel.settimeout(_PATIENCE_SECONDS)
    packer = Packer(*pickle.loads(receive(channel)))  # noqa: S301 - the server itself sent it
    all_dialects()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    send(channel, b"")
    while True:
        channel.settimeout(idle_seconds)
        head = receive(channel)
        channel.settimeout(_PATIENCE_SECONDS)
        send(channel, _answer(packer, head, receive(channel)))


def _answer(packer: Packer, head: bytes, body: bytes) -> bytes:
    try:
        task = decode_task(head)
        destination = Destination(task.usual, task.bound, task.asked)
        batches = otlp.read_traces(body, task.encoding, destination.project_of)
        return encode_parcels([packer.pack(batch, task.now) for batch in batches])
    except Exception:
        return b""  # the server finds the same, and says so in its own words


def main(descriptor: int, idle_seconds: float = IDLE_SECONDS) -> None:
    """Serves on a connected socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends its helpers
    with socket.socket(fileno=descriptor) as channel, contextlib.suppress(OSError):
        serve(channel, idle_seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]))

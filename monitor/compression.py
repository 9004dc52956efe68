"""How the texts of a span are stored: MessagePack of `Body`, compressed with zstd level 3.

`codec` is stored beside the bytes, so that another way can be added without touching what is there.
"""

from __future__ import annotations

import threading

import msgspec
import zstandard

from monitor.errors import StoreError
from monitor.records import Body

ZSTD = 0
_local = threading.local()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Body)


def compress(body: Body) -> tuple[int, bytes]:
    """The codec and the bytes of a body. Compressors are not shared between threads."""
    compressor = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=3, write_checksum=False)
    return ZSTD, compressor.compress(_encoder.encode(body))


def decompress(codec: int, data: bytes) -> Body:
    """The body of stored bytes. Raises StoreError for a codec this version does not know."""
    if codec != ZSTD:
        raise StoreError(f"A text was stored with codec {codec}, which this version does not know; upgrade it.")
    decompressor = getattr(_local, "decompressor", None)
    if decompressor is None:  # making one costs ten times as much as using it
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    return _decoder.decode(decompressor.decompress(data))

"""How the texts of a span are stored: MessagePack of `Body`, compressed with zstd level 3 and a shared dictionary.

The dictionary holds what many chats have in common, so that a short text need not teach it to the compressor again: it
saves about 30 % of what plain zstd needs, and a fifth of the time. `codec` is stored beside the bytes; a codec that was
ever written stays readable for ever, with its dictionary. Codec 0 is plain zstd; codec 1 uses `texts_1`, in zstd's
format without magic number and dictionary id, which would cost eight bytes a text.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import msgspec
import zstandard

from monitor.errors import StoreError
from monitor.records import Body

PLAIN = 0
CHATS = 1
_LEVEL = 3
_local = threading.local()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Body)


def compress(body: Body) -> tuple[int, bytes]:
    """The codec and the bytes of a body. Compressors are not shared between threads."""
    compressor = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(
            dict_data=_dictionary(), compression_params=_parameters()
        )
    return CHATS, compressor.compress(_encoder.encode(body))


def decompress(codec: int, data: bytes) -> Body:
    """The body of stored bytes. Raises StoreError for a codec this version does not know."""
    if codec not in (PLAIN, CHATS):
        raise StoreError(f"A text was stored with codec {codec}, which this version does not know; upgrade it.")
    decompressors = getattr(_local, "decompressors", None)
    if decompressors is None:  # making one costs ten times as much as using it
        decompressors = _local.decompressors = (
            zstandard.ZstdDecompressor(),
            zstandard.ZstdDecompressor(dict_data=_dictionary(), format=zstandard.FORMAT_ZSTD1_MAGICLESS),
        )
    return _decoder.decode(decompressors[codec].decompress(data))


def _parameters() -> zstandard.ZstdCompressionParameters:
    return zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_dict_id=False, write_checksum=False
    )


@functools.cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    path = Path(__file__).parent / "dictionaries" / "texts_1.zdict"
    dictionary = zstandard.ZstdCompressionDict(path.read_bytes())
    dictionary.precompute_compress(compression_params=_parameters())
    return dictionary

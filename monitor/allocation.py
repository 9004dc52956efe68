"""Memory goes back to the system when a large request is done, and threads share what is free.

The C library of most Linux systems takes large blocks from the system one by one and gives each back when it is free;
but after the first few it takes blocks up to 32 MB from its own heap, which seldom shrinks: after a handful of the
largest requests a server would hold hundreds of megabytes for good. Fixed bounds keep that from happening. Blocks of
usual requests are smaller and are reused. It also gives each thread that asks at the same time a heap of its own, up to
eight a core, and what one thread has freed no other can use; two are as fast here, as Python runs one thread at a time.
"""

from __future__ import annotations

import contextlib
import ctypes

# From malloc.h of the GNU C library.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST_HEAPS = -1, -3, -8
_HEAPS = 2
_OWN_BLOCK_BYTES = 4 << 20


def give_back_large_blocks() -> None:
    """Blocks of 4 MiB and more go back at once and threads share two heaps, for the whole process.

    Does nothing with another C library.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _OWN_BLOCK_BYTES)
        library.mallopt(_TRIM_THRESHOLD, 2 * _OWN_BLOCK_BYTES)
        library.mallopt(_MOST_HEAPS, _HEAPS)


def give_back_free_memory() -> None:
    """What is free in the heaps goes back to the system; takes milliseconds, for after work that needed much."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)

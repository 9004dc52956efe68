"""What a call takes on disk, all told but profiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from monitor.store import Store
from tests.benchmarks.bytes import Attributes, a_call, random_words, real_chats

CALLS = 800
LIMIT = 1_300
# PostgreSQL adds 28 bytes to every row and 20 to every entry of an index.
LIMIT_POSTGRESQL = 1_600


@pytest.mark.parametrize("calls", [random_words, real_chats])
def test_a_call_takes_at_most_1300_bytes(store: Store, calls: Callable[[int], Iterator[Attributes]]) -> None:
    by_part = a_call(store, calls(CALLS))
    print({name: round(size) for name, size in by_part.items() if size >= 1}, round(sum(by_part.values())))  # noqa: T201
    assert sum(by_part.values()) <= (LIMIT if store.is_sqlite else LIMIT_POSTGRESQL)

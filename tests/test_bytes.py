"""What a call takes on disk, all told but profiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from monitor.store import Store
from tests.benchmarks.bytes import Attributes, a_call, random_words, real_chats

CALLS = 2_200
LIMIT = 1_300


@pytest.mark.parametrize("calls", [random_words, pytest.param(real_chats, marks=pytest.mark.slow)])
def test_a_call_takes_at_most_1300_bytes(store: Store, calls: Callable[[int], Iterator[Attributes]]) -> None:
    by_part = a_call(store, calls(CALLS))
    print({name: round(size) for name, size in by_part.items() if size >= 1}, round(sum(by_part.values())))  # noqa: T201
    assert sum(by_part.values()) <= LIMIT

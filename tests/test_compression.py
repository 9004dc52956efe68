"""Texts as they are stored: nothing is lost, old bytes stay readable, and real texts become as small as promised."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

import monitor
from monitor.compression import CHATS, PLAIN, compress, decompress
from monitor.errors import StoreError
from monitor.records import Body, Message

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
BODIES = st.builds(
    Body,
    prompt=st.lists(st.builds(Message, st.sampled_from(["user", "system"]), TEXT, TEXT), max_size=3).map(tuple),
    response=TEXT,
    response_parts=TEXT,
    context=st.lists(TEXT, max_size=3).map(tuple),
    error=TEXT,
    attributes=st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.none())),
    truncated=st.lists(TEXT, max_size=2).map(tuple),
)


@given(BODIES)
def test_what_is_stored_is_read_back(body: Body) -> None:
    codec, data = compress(body)
    assert codec == CHATS
    assert decompress(codec, data) == body


def test_large_texts_are_read_back() -> None:
    body = Body(response="".join(hashlib.sha256(str(n).encode()).hexdigest() for n in range(100_000)))
    assert decompress(*compress(body)) == body


def test_stored_bytes_stay_readable() -> None:
    body = Body(prompt=(Message("user", "What is the capital of France?"),), response="The capital of France is Paris.")
    old = zstandard.compress(
        b"\x82\xa6prompt\x91\x82\xa4role\xa4user\xa7content\xbeWhat is the capital of France?"
        b"\xa8response\xbfThe capital of France is Paris."
    )
    assert decompress(PLAIN, old) == body
    stored = bytes.fromhex(
        "20645501008381049395b557d84a6e518346bbe6e0edbfd6d21006fca318505c9dfb4ece340812d90f97b2af31c149"
    )
    assert decompress(CHATS, stored) == body


def test_the_dictionary_is_never_changed() -> None:
    # Texts stored with it could not be read any more; a better dictionary is a new codec.
    path = Path(monitor.__file__).parent / "dictionaries" / "texts_1.zdict"
    assert hashlib.md5(path.read_bytes()).hexdigest() == "1d758c16623949bf462116180ef87d6e"


def test_an_unknown_codec_is_refused_in_words() -> None:
    with pytest.raises(StoreError, match="codec 77"):
        decompress(77, b"")


def real_chats() -> list[dict[str, Any]]:
    """Chats of about 1,500 characters the dictionary was not trained on: answers of the demo it did not see."""
    path = Path(monitor.__file__).parent / "demo" / "data" / "llmdrift.jsonl.gz"
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for number, line in enumerate(file) if number % 16]
    return [row for row in rows if 1_000 <= len(row["prompt"]) + len(str(row["response"])) <= 2_000]


def test_real_chats_take_a_fifth_less_than_without_the_dictionary() -> None:
    bodies = [Body(prompt=(Message("user", row["prompt"]),), response=row["response"]) for row in real_chats()][:200]
    assert len(bodies) == 200
    plain = zstandard.ZstdCompressor(level=3)
    without = sum(len(plain.compress(msgspec.msgpack.encode(body))) for body in bodies)
    assert sum(len(compress(body)[1]) for body in bodies) < 0.8 * without

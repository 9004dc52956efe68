"""Signals as they are stored: whatever an enricher answers comes back, in few bytes, on both databases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor import tables
from monitor.contracts import Kind
from monitor.errors import StoreError
from monitor.identifiers import pack_identifier
from monitor.packing import COLUMNS, WORDS, Layout
from monitor.signal_rows import declared_layout, signals_of, write_layout
from monitor.store import Store, table_of
from monitor.vectors import decode_vector
from tests.enrichments import put_signals, stored_signals

KINDS = dict.fromkeys(COLUMNS[:-2], Kind.NUMBER) | {
    "finish_reason": Kind.CATEGORY,
    "cost_usd": Kind.NUMBER,
    "language": Kind.CATEGORY,
    "refusal": Kind.FLAG,
    "truncated": Kind.FLAG,
    "length": Kind.NUMBER,
    "form": Kind.CATEGORY,
    "meaning": Kind.VECTOR,
}
LAYOUT = Layout(KINDS)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1, 1).map(lambda value: round(value, 4)),
    TEXT,
    st.sampled_from(WORDS),
    st.lists(st.floats(-1, 1), min_size=1, max_size=9),
)
SIGNALS = st.dictionaries(st.one_of(st.sampled_from([*KINDS, "undeclared"]), TEXT), VALUES)


def assert_alike(stored: Mapping[str, Any], given_: Mapping[str, Any]) -> None:
    assert stored.keys() == given_.keys()
    for name, value in given_.items():
        if isinstance(value, list):
            largest = max(map(abs, value))
            assert np.abs(decode_vector(stored[name]) - value).max() <= largest / 13.9 + 1e-4
        elif isinstance(value, str | bool):
            assert stored[name] == value
            assert type(stored[name]) is type(value)
        else:
            # Four significant digits at least, whole numbers of 64 bits and four decimals exactly.
            exact = abs(value) < 2**63 if isinstance(value, int) else value == round(value, 4)
            assert stored[name] == value if exact else math.isclose(stored[name], value, rel_tol=5.1e-4)
            assert not isinstance(stored[name], bool)


@given(SIGNALS)
def test_signals_come_back(signals: dict[str, Any]) -> None:
    assert_alike(LAYOUT.unpack(LAYOUT.pack(signals, {}), {}), signals)


@given(SIGNALS)
def test_what_a_column_holds_is_not_stored_again(signals: dict[str, Any]) -> None:
    columns = {name: signals.get(name) for name in COLUMNS}
    data = LAYOUT.pack(signals, columns)
    assert_alike(LAYOUT.unpack(data, columns), signals)
    assert len(data) <= len(LAYOUT.pack(signals, {}))


def test_a_column_of_another_value_is_not_taken_for_the_signal() -> None:
    columns = {"latency_s": 2.0, "finish_reason": "end_turn"}
    data = LAYOUT.pack({"latency_s": 1.0, "finish_reason": "stop"}, columns)
    assert LAYOUT.unpack(data, columns) == {"latency_s": 1.0, "finish_reason": "stop"}


def test_absent_false_and_zero_are_three_things() -> None:
    for signals in ({}, {"refusal": False}, {"refusal": True}, {"length": 0}, {"length": 0.0}, {"form": ""}):
        assert LAYOUT.unpack(LAYOUT.pack(signals, {}), {}) == signals


@given(SIGNALS)
def test_one_signal_is_read_as_all_of_them_are(signals: dict[str, Any]) -> None:
    data = LAYOUT.pack(signals, {})
    assert {name: LAYOUT.value(data, name) for name in signals} == LAYOUT.unpack(data, {})
    assert LAYOUT.value(data, "never heard of " * 3) is None


@given(SIGNALS)
def test_what_was_unpacked_can_be_packed_again(signals: dict[str, Any]) -> None:
    data = LAYOUT.pack(signals, {})
    assert LAYOUT.pack(LAYOUT.unpack(data, {}), {}) == data


def test_a_flag_costs_two_bits_and_an_absent_signal_nothing_more() -> None:
    many = Layout({f"flag {number}": Kind.FLAG for number in range(100)})
    assert len(many.pack({}, {})) == len(many.pack({f"flag {number}": True for number in range(100)}, {})) == 27


def test_a_usual_word_takes_one_byte_and_is_read_by_the_words_it_was_stored_with() -> None:
    data = LAYOUT.pack({"form": "prose"}, {})
    assert len(data) == len(LAYOUT.pack({}, {})) + 1
    later = Layout(KINDS, ("verse", *WORDS))
    assert later.id != LAYOUT.id
    assert Layout.parse(LAYOUT.content).unpack(data, {}) == {"form": "prose"}
    wordless = Layout(KINDS, ())
    assert Layout.parse(wordless.content).id == wordless.id
    assert wordless.unpack(wordless.pack({"form": "prose"}, {}), {}) == {"form": "prose"}


def test_a_layout_is_known_by_its_content() -> None:
    again = Layout.parse(LAYOUT.content)
    assert (again.id, again.signals, again.words) == (LAYOUT.id, LAYOUT.signals, WORDS)
    assert Layout({**KINDS, "refusal": Kind.NUMBER}).id != LAYOUT.id


@hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SIGNALS, min_size=1, max_size=4))
def test_signals_come_back_from_the_database(store: Store, project: int, signals: list[dict[str, Any]]) -> None:
    calls = [
        {
            "project_id": project,
            "id": number,
            "trace_id": pack_identifier(f"{number:032x}"),
            "span_id": b"s",
            "time": number,
            "received": number,
            "kind": "llm",
            "status": 0,
        }
        for number in range(len(signals))
    ]
    with store.write() as connection:
        connection.execute(table_of(tables.Span).delete())
        connection.execute(table_of(tables.Enrichment).delete())
        store.insert(connection, tables.Span, calls)
        put_signals(store, connection, project, list(enumerate(signals)))
    for stored, given_ in zip(stored_signals(store), signals, strict=True):
        assert_alike(stored, given_)


def test_rows_of_an_older_list_of_signals_stay_readable(store: Store) -> None:
    old = Layout({"retired": Kind.FLAG, "length": Kind.NUMBER})
    with store.write() as connection:
        write_layout(store, connection, old)
        write_layout(store, connection, old)
        write_layout(store, connection, declared_layout())
    row = {"layout": old.id, "signals": old.pack({"retired": True, "length": 7}, {})}
    with store.read() as connection:
        assert signals_of(connection, row) == {"retired": True, "length": 7}
        assert signals_of(connection, {"layout": None, "signals": None}) == {}


def test_a_number_that_is_taken_is_refused(store: Store) -> None:
    layout = Layout({"length": Kind.NUMBER})
    with store.write() as connection:
        store.insert(connection, tables.SignalLayout, [{"id": layout.id, "content": "[]"}])
        with pytest.raises(StoreError, match="same number"):
            write_layout(store, connection, layout)


def test_a_layout_that_is_missing_is_said(store: Store) -> None:
    with store.read() as connection, pytest.raises(StoreError, match="is missing"):
        signals_of(connection, {"layout": 1, "signals": b"\x00\x90"})

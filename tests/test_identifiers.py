"""Identifiers and times: properties that hold for anything people send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as some

from monitor.clock import BlockLength, block_start, from_microseconds, now, to_microseconds
from monitor.identifiers import Pseudonyms, id_floor, new_id, pack_identifier, project_id, unpack_identifier

ZONES = some.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def moments(first_year: int, last_year: int) -> some.SearchStrategy[datetime]:
    """Moments to the microsecond, in any zone."""
    first, last = (to_microseconds(datetime(year, 1, 2, tzinfo=UTC)) for year in (first_year, last_year))
    return some.builds(
        lambda microseconds, zone: from_microseconds(microseconds).astimezone(zone), some.integers(first, last), ZONES
    )


MOMENTS = moments(1800, 2200)
RECENT = moments(2020, 2080)
HEXADECIMAL = some.one_of(
    some.binary(min_size=8, max_size=8).map(bytes.hex), some.binary(min_size=16, max_size=16).map(bytes.hex)
)
ANY_TEXT = some.text(some.characters(), max_size=40)  # lone surrogates too
AWKWARD = some.sampled_from(["", "\x00", "ABCDEF0123456789", "a" * 7, "a" * 15, "a" * 6 + "\x00", "é" * 7, "\ud800"])


@given(some.one_of(HEXADECIMAL, ANY_TEXT, AWKWARD))
def test_packed_identifiers_come_back(text: str) -> None:
    assert unpack_identifier(pack_identifier(text)) == text


@given(some.one_of(HEXADECIMAL, ANY_TEXT, AWKWARD), some.one_of(HEXADECIMAL, ANY_TEXT, AWKWARD))
def test_different_identifiers_stay_different(one: str, other: str) -> None:
    assert (pack_identifier(one) == pack_identifier(other)) == (one == other)


@given(HEXADECIMAL)
def test_usual_identifiers_take_half_the_room(text: str) -> None:
    assert len(pack_identifier(text)) == len(text) // 2


@given(RECENT, RECENT)
def test_ids_sort_by_time_and_fit_a_signed_64_bit_integer(one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    assert id_floor(first) <= new_id(first) < 2**63
    if second - first >= timedelta(milliseconds=1):
        assert new_id(first) < id_floor(second)


@given(RECENT)
def test_ids_of_one_moment_differ(moment: datetime) -> None:
    assert len({new_id(moment) for _ in range(500)}) == 500


def test_times_before_the_first_id_have_the_smallest_one() -> None:
    assert id_floor(datetime(1999, 1, 1, tzinfo=UTC)) == 0


@given(some.text(max_size=100))
def test_project_ids_are_positive_31_bit_numbers(name: str) -> None:
    assert 0 <= project_id(name) < 2**31
    assert project_id(name) == project_id(name)


def test_project_ids_never_change() -> None:
    assert project_id("default") == 1786843783


@given(ANY_TEXT, some.binary(min_size=1, max_size=100))
def test_pseudonyms_are_stable_and_keyed(user: str, key: bytes) -> None:
    pseudonym = Pseudonyms(key).of(user)
    assert Pseudonyms(key).of(user) == pseudonym
    assert len(bytes.fromhex(pseudonym)) == 8
    assert Pseudonyms(b"\x00" + key[:40]).of(user) != Pseudonyms(b"\x01" + key[:40]).of(user)


@given(MOMENTS)
def test_microseconds_come_back(moment: datetime) -> None:
    back = from_microseconds(to_microseconds(moment))
    assert back == moment
    assert back.tzinfo is UTC


@given(some.datetimes())
def test_times_without_a_zone_are_refused(moment: datetime) -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        to_microseconds(moment)


@given(MOMENTS, some.sampled_from(BlockLength))
def test_blocks_hold_their_moments(moment: datetime, length: BlockLength) -> None:
    start = block_start(moment, length)
    assert start <= moment < start + length.duration
    assert start.tzinfo is UTC
    assert to_microseconds(start) % (length.duration // timedelta(microseconds=1)) == 0
    assert block_start(start, length) == start


def test_now_has_a_zone() -> None:
    assert now().tzinfo is UTC

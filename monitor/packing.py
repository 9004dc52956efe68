"""How the signals of a call are stored: some 100 bytes, whatever their number.

A `Layout` is the list of signals, with their kinds, that were declared when a row was written; it is stored once, under
a number made of its content, and each row names it. A row begins with two bits for each signal of its layout, in order:
absent, or how its value stands. Flags need no more than these. The other values follow as one MessagePack list:

=========  =======================  ==============================  ========================================
kind       1                        2                               3
=========  =======================  ==============================  ========================================
flag       measured and not set     set
number     in the list              in the list, times 10,000       in the column of the same name
category   in the list              in the list, by its number      in the column of the same name
vector     in the list
=========  =======================  ==============================  ========================================

Numbers keep at least four significant digits, whole numbers all of them. Categories that are among the words of the
layout are named by their place there. The first two bits tell whether the list ends with a mapping of values that no
declaration covers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from monitor.contracts import Kind, SignalValue
from monitor.vectors import encode_vector

COLUMNS = (
    "latency_s",
    "time_to_first_token_s",
    "input_tokens",
    "output_tokens",
    "finish_reason",
    "cost_usd",
    "language",
)
"""Columns of a call that hold the signal of the same name: where both agree, the signal is not stored again."""

_SOURCES_AND_FORMS = "none catalogue override sender cache prose short list markdown code json table"
_LANGUAGES = "en es fr de it pt nl pl ru uk tr ar fa hi id vi th ko ja zh"
WORDS = tuple(f"{_SOURCES_AND_FORMS} {_LANGUAGES}".split())
"""Categories that most calls have. A layout keeps the words it was made with, so they may change."""

_FLAG, _NUMBER, _CATEGORY, _VECTOR = range(4)
_KINDS = {Kind.FLAG: _FLAG, Kind.NUMBER: _NUMBER, Kind.CATEGORY: _CATEGORY, Kind.VECTOR: _VECTOR}
_LISTED = 1
_SET = 2
_DECIMAL = 2
_WORD = 2
_COLUMN = 3
_SCALE = 10_000
_LARGEST_DECIMAL = 2**31
_LARGEST_INTEGER = 2**63
_MOST_PLANS = 4_096
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class _Content(msgspec.Struct):
    signals: list[tuple[str, str]]
    words: tuple[str, ...]


@dataclass(frozen=True)
class _Plan:
    """What the bits of a row say: its flags, and where its other values stand (in the list: place, times 10,000?)."""

    flags: dict[str, SignalValue]
    listed: dict[str, tuple[int, bool]]
    words: dict[str, int]
    columns: tuple[str, ...]
    extras: bool


class Layout:
    """The signals a row may hold, in the order of their bits. `content` is what is stored of it under `id`."""

    def __init__(self, kinds: Mapping[str, Kind], words: Sequence[str] = WORDS) -> None:
        self.signals = tuple(kinds.items())
        self.words = tuple(words)
        signals = [[name, str(kind)] for name, kind in self.signals]
        self.content = msgspec.json.encode({"signals": signals, "words": words} if words else signals).decode()
        digest = hashlib.blake2b(self.content.encode(), digest_size=4, person=b"llmops-signals").digest()
        self.id = int.from_bytes(digest, "big") & 0x7FFF_FFFF
        self._kinds = tuple((name, _KINDS[kind], 2 * place) for place, (name, kind) in enumerate(self.signals, 1))
        self._names = frozenset(kinds)
        self._numbers = {word: number for number, word in enumerate(words)}
        self._size = (len(self.signals) + 4) // 4
        self._plans: dict[bytes, _Plan] = {}

    @classmethod
    def parse(cls, content: str) -> Layout:
        """The layout of stored content: a mapping, or the signals alone where it has no words."""
        stored = msgspec.json.decode(content, type=_Content | list[tuple[str, str]])
        signals, words = (stored.signals, stored.words) if isinstance(stored, _Content) else (stored, ())
        return cls({name: Kind(kind) for name, kind in signals}, words)

    def pack(self, values: Mapping[str, SignalValue], columns: Mapping[str, Any]) -> bytes:
        """The bytes of a call's signals; `columns` are its typed columns of the names in `COLUMNS`, as stored.

        Signals that were unpacked can be packed again: vectors may be as they are stored.
        """
        bits = 0
        listed: list[Any] = []
        extras: dict[str, Any] = {}
        numbers = self._numbers
        for name, kind, place in self._kinds:
            value = values.get(name)
            if value is None:
                continue
            look = type(value)
            if kind == _FLAG and look is bool:
                bits |= (_SET if value else _LISTED) << place
            elif kind == _NUMBER and (look is float or look is int):
                bits |= (_COLUMN if value == columns.get(name) else _listed_number(value, listed)) << place
            elif kind == _CATEGORY and look is str:
                if value == columns.get(name):
                    bits |= _COLUMN << place
                elif value in numbers:
                    bits |= _WORD << place
                    listed.append(numbers[value])
                else:
                    bits |= _LISTED << place
                    listed.append(value)
            elif kind == _VECTOR and not isinstance(value, str | int | float):
                bits |= _LISTED << place
                listed.append(_vector(value))
            else:
                extras[name] = _plain(value)
        if not values.keys() <= self._names:
            extras |= {name: _plain(value) for name, value in values.items() if name not in self._names}
        if extras:
            bits |= _LISTED
            listed.append(extras)
        return bits.to_bytes(self._size, "little") + _encode(listed)

    def unpack(self, data: bytes, columns: Mapping[Any, Any]) -> dict[str, Any]:
        """The signals of a row; vectors as they are stored (`monitor.vectors.decode_vector`)."""
        plan = self._plan(data[: self._size])
        signals = plan.flags.copy()
        listed = _decode(data[self._size :])
        if plan.extras:
            signals |= listed[-1]
        for name, (place, decimal) in plan.listed.items():
            signals[name] = listed[place] / _SCALE if decimal else listed[place]
        for name, place in plan.words.items():
            signals[name] = self.words[listed[place]]
        for name in plan.columns:
            signals[name] = columns[name]
        return signals

    def value(self, data: bytes, name: str) -> Any:
        """One signal of a row, None where it is absent or in a column: far quicker than all of them."""
        plan = self._plan(data[: self._size])
        if name in plan.flags:
            return plan.flags[name]
        if name in plan.listed:
            place, decimal = plan.listed[name]
            value = _decode(data[self._size :])[place]
            return value / _SCALE if decimal else value
        if name in plan.words:
            return self.words[_decode(data[self._size :])[plan.words[name]]]
        return _decode(data[self._size :])[-1].get(name) if plan.extras else None

    def _plan(self, head: bytes) -> _Plan:
        plan = self._plans.get(head)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[head] = self._planned(int.from_bytes(head, "little"))
        return plan

    def _planned(self, bits: int) -> _Plan:
        codes = [(name, kind, bits >> 2 * place & 3) for place, (name, kind) in enumerate(self.signals, 1)]
        values = [(name, kind, code) for name, kind, code in codes if code and kind is not Kind.FLAG]
        places = list(enumerate(item for item in values if item[2] != _COLUMN))
        named = {name: place for place, (name, kind, code) in places if kind is Kind.CATEGORY and code == _WORD}
        return _Plan(
            flags={name: code == _SET for name, kind, code in codes if code and kind is Kind.FLAG},
            listed={name: (place, code == _DECIMAL) for place, (name, _, code) in places if name not in named},
            words=named,
            columns=tuple(name for name, _, code in values if code == _COLUMN),
            extras=bool(bits & _LISTED),
        )


def _listed_number(value: Any, listed: list[Any]) -> int:
    if isinstance(value, int) and -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        listed.append(value)
        return _LISTED
    if abs(value) < _LARGEST_DECIMAL / _SCALE:
        scaled = round(value * _SCALE)
        if abs(scaled) >= _SCALE // 10 or scaled / _SCALE == value:
            listed.append(scaled)
            return _DECIMAL
    listed.append(float(value))
    return _LISTED


def _plain(value: SignalValue) -> Any:
    if isinstance(value, int) and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        return float(value)
    return value if isinstance(value, str | bool | int | float) else _vector(value)


def _vector(value: Any) -> bytes:
    return value if isinstance(value, bytes) else encode_vector(value)

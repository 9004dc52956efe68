"""Personal data and secrets in text: found, and replaced by typed placeholders such as `[EMAIL_K7Q]`.

| kind | what | how it is made sure |
| --- | --- | --- |
| `secret` | keys, tokens, passwords | provider prefixes, names they are assigned to (`secret_patterns`) |
| `email` | e-mail addresses | form of local part and domain |
| `iban` | bank accounts | length for the country, remainder modulo 97 (ISO 13616) |
| `card` | payment cards | issuer prefix, grouping, Luhn check digit (ISO/IEC 7812-1) |
| `ssn` | US social security numbers | number ranges that are issued, dashes or words before it |
| `national_id` | identity and tax numbers of 17 countries, passports | check digits, words before it |
| `ip` | IPv4 and IPv6 addresses | parsed; loopback and version numbers left alone |
| `birth_date` | dates of birth | a date after a word such as "born" |
| `phone` | telephone numbers | numbering plans of `phonenumbers`, grouping, words around it |
| `address` | street addresses | house number and a word for street, in five languages |
| `name`, `age`, `url` | names and ages of people, web addresses | found, masked only where the settings name them |

Ordinary text costs some ten microseconds: substring searches and one look-ahead for runs of digits decide what is
looked for at all, and the patterns of numbers run only around such runs. What is masked stays masked and is never
masked again. Within a trace the same value has the same placeholder: its three letters are a keyed hash of the trace
and the value, which tells nothing across traces.
"""

from __future__ import annotations

import hashlib
import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monitor.errors import SettingsError
from monitor.redaction.identity_patterns import (
    find_addresses,
    find_ages,
    find_birth_dates,
    find_identifiers,
    find_urls,
    find_worded_identifiers,
    may_identify,
)
from monitor.redaction.name_patterns import find_names
from monitor.redaction.number_patterns import find_cards, find_ibans, find_ips, find_ipv6, find_ssns
from monitor.redaction.phone_patterns import find_phones
from monitor.redaction.secret_patterns import find_secrets, holds_key
from monitor.settings import Settings

KINDS = (
    *(
        "secret",
        "email",
        "iban",
        "card",
        "ssn",
        "national_id",
        "ip",
        "birth_date",
        "phone",
        "address",
        "url",
        "name",
        "age",
    ),
)
"""All kinds; where findings overlap, the earlier kind wins."""

NOT_MASKED = frozenset(("url", "name", "age"))
"""Kinds that are masked only where the settings name them: ordinary text is full of them."""

PLACEHOLDER = re.compile(rf"\[({'|'.join(kind.upper() for kind in KINDS)})(?:_[A-Z2-7]{{3}})?\]")
"""What stands in a text where something was masked."""

_FIGURES = "0123456789"
# What a text looks like: digits are 0, capitals A, what may separate digits a blank or a full stop, all else x.
_SHAPE = bytes(
    ord(
        "0"
        if 48 <= code < 58
        else "."
        if code == 46
        else " "
        if chr(code) in " ()/-\xa0"
        else "A"
        if chr(code).isupper()
        else "x"
    )
    for code in range(256)
)
# Seven digits with at most three separators between them, or the first three parts of an IPv4 address.
_DIGITS = re.compile(rb"0(?:(?:[ .]{0,3}0){6}|0{0,2}\.0{1,3}\.0{1,3}\.0)")
_AROUND = 80
# Identifiers and settings are shorter; to look twice at longer texts would cost more than it spares.
_QUIET = 120
_LOCAL = re.compile(r"[\w.%+'-]{1,64}\Z")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,62}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w@])")
_FILE_NAME = re.compile(r"\d+x\.(?:png|jpe?g|gif|svg|webp)\Z", re.IGNORECASE)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PASSES = 50
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Finding:
    """Where something of a kind stands in a text: `text[start:end]`."""

    kind: str
    start: int
    end: int


class Redactor:
    """Finds and masks the kinds that the settings name; where they name none, all but names, ages and web addresses.

    `key` makes the placeholders of a scope.

    Raises SettingsError for a kind that does not exist and for a region that is not a country code.
    """

    def __init__(self, settings: Settings, key: bytes = b"") -> None:
        unknown = sorted(set(settings.redaction_kinds) - set(KINDS))
        if unknown:
            raise SettingsError(
                f"MONITOR_REDACTION_KINDS: {', '.join(unknown)} is not a kind; kinds are {', '.join(KINDS)}."
            )
        self._kinds = frozenset(settings.redaction_kinds or set(KINDS) - NOT_MASKED)
        self._usual = not self._kinds & NOT_MASKED
        self._key = key[:64]
        self._region = settings.default_region.upper()
        if not re.fullmatch("[A-Z]{2}", self._region):
            raise SettingsError("MONITOR_DEFAULT_REGION: must be a country code of two letters, such as US or DE.")
        self._off = settings.redaction == "off"

    def mask(self, text: str, scope: str = "") -> tuple[str, dict[str, int]]:
        """The text with placeholders in place of what was found, and how many there are of each kind.

        Within a scope, such as a trace, the same value gets the same placeholder. Masking twice gives the same as
        masking once. With redaction switched off the text stays as it is.
        """
        counts: dict[str, int] = {}
        if self._off:
            return text, counts
        # A replacement can lay bare what was glued to it, hence again until nothing is found; the limit is for texts
        # made to take for ever.
        for _ in range(_PASSES):
            findings = self.find(text)
            if not findings:
                break
            pieces: list[str] = []
            position = 0
            for finding in findings:
                pieces += text[position : finding.start], self._placeholder(text, finding, scope)
                position = finding.end
                counts[finding.kind] = counts.get(finding.kind, 0) + 1
            text = "".join(pieces) + text[position:]
        return text, counts

    def _placeholder(self, text: str, finding: Finding, scope: str) -> str:
        kind = finding.kind.upper()
        if not scope:
            return f"[{kind}]"
        value = _NOT_ALPHANUMERIC.sub("", text[finding.start : finding.end]).lower()
        message = f"{scope}\0{kind}\0{value}".encode("utf-8", "surrogatepass")
        number = int.from_bytes(hashlib.blake2b(message, digest_size=2, key=self._key).digest(), "big")
        return f"[{kind}_{_LETTERS[number & 31]}{_LETTERS[number >> 5 & 31]}{_LETTERS[number >> 10 & 31]}]"

    def find(self, text: str) -> list[Finding]:
        """What there is in the text, in order, without overlaps; placeholders are not findings."""
        if "name" not in self._kinds and (_is_plain(text) or (self._usual and _is_quiet(text))):
            return []
        found = [
            Finding(kind, start, end)
            for kind, start, end in self._candidates(text)
            if kind in self._kinds and start < end
        ]
        if not found:
            return found
        taken = [match.span() for match in PLACEHOLDER.finditer(text)] if "[" in text else []
        kept: list[Finding] = []
        starts: list[int] = []
        for finding in found:
            start, end = _outside(finding.start, finding.end, taken)
            place = bisect_right(starts, start)
            before_ends = not place or kept[place - 1].end <= start
            if start < end and before_ends and (place == len(kept) or end <= starts[place]):
                kept.insert(place, Finding(finding.kind, start, end))
                starts.insert(place, start)
        return kept

    def _candidates(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Findings in the order of KINDS."""
        lowered = text.lower()
        any_digit = any(map(text.__contains__, _FIGURES))
        yield from _named("secret", find_secrets(text, lowered, digits=any_digit))
        if "@" in text:
            yield from _named("email", _emails(text))
        if any_digit:
            yield from self._numbers(text, lowered)
        elif ":" in text:
            yield from _named("ip", find_ipv6(text))
        if "url" in self._kinds and ("://" in text or "www." in lowered):
            yield from _named("url", find_urls(text))
        if "name" in self._kinds:
            yield from _named("name", find_names(text))
        if any_digit and "age" in self._kinds:
            yield from _named("age", find_ages(text))

    def _numbers(self, text: str, lowered: str) -> Iterator[tuple[str, int, int]]:
        shape = text.encode("latin-1", "replace").translate(_SHAPE)
        windows = _digit_windows(shape)
        if windows:
            around: tuple[tuple[str, Callable[[str, int, int], Iterator[tuple[int, int]]]], ...] = (
                ("iban", find_ibans),
                ("card", find_cards),
                ("ssn", find_ssns),
                ("national_id", find_identifiers),
                ("ip", find_ips),
            )
            for kind, find in around:
                for start, end in windows:
                    yield from _named(kind, find(text, start, end))
        yield from _named("national_id", find_worded_identifiers(text, lowered, shape))
        if ":" in text:
            yield from _named("ip", find_ipv6(text))
        yield from _named("birth_date", find_birth_dates(text, lowered, shape))
        if "phone" in self._kinds:
            for start, end in windows:
                yield from _named("phone", find_phones(text, start, end, self._region))
        if "address" in self._kinds:
            yield from _named("address", find_addresses(text, shape))


def _named(kind: str, ranges: Iterator[tuple[int, int]]) -> Iterator[tuple[str, int, int]]:
    for start, end in ranges:
        yield kind, start, end


def _digit_windows(shape: bytes) -> list[tuple[int, int]]:
    """The parts of a text of this shape around runs of digits."""
    windows: list[tuple[int, int]] = []
    for match in _DIGITS.finditer(shape):
        start, end = max(0, match.start() - _AROUND), min(len(shape), match.end() + _AROUND)
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows


def _is_plain(text: str) -> bool:
    """True where a text has none of what a finding cannot be without."""
    return not (
        "@" in text
        or ":" in text
        or "_" in text
        or "=" in text
        or any(map(text.__contains__, _FIGURES))
        or "-----BEGIN" in text
        or "passw" in text.lower()
    )


def _is_quiet(text: str) -> bool:
    """True where a short text, such as an identifier with a few digits, has none of what its finders look for first."""
    if len(text) > _QUIET or "@" in text or ":" in text or "=" in text or "-----BEGIN" in text or holds_key(text):
        return False
    lowered = text.lower()
    if "bearer" in lowered or "passw" in lowered:
        return False
    shape = text.encode("latin-1", "replace").translate(_SHAPE)
    return _DIGITS.search(shape) is None and not may_identify(text, lowered, shape)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    """Addresses, looked for around each @ so that long texts without one cost nothing."""
    position = text.find("@")
    while position >= 0:
        domain = _DOMAIN.match(text, position + 1)
        local = _LOCAL.search(text, max(0, position - 64), position) if domain else None
        if domain and local and not _FILE_NAME.match(domain[0]):
            start = local.start() + len(local[0]) - len(local[0].lstrip(".'-"))
            if start < position:
                yield start, domain.end()
        position = text.find("@", position + 1)


def _outside(start: int, end: int, taken: list[tuple[int, int]]) -> tuple[int, int]:
    """The range without a placeholder that it begins, ends or lies in; placeholders well inside it may stay."""
    place = bisect_right(taken, (start, sys.maxsize)) - 1
    while 0 <= place < len(taken) and taken[place][0] <= start < taken[place][1]:
        start = taken[place][1]
        place += 1
    place = bisect_left(taken, (end, 0)) - 1
    if place >= 0 and taken[place][0] < end <= taken[place][1]:
        end = taken[place][0]
    return start, end

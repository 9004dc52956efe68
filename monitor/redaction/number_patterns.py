"""Personal numbers in text: cards, bank accounts, social security numbers, IP addresses.

A number is only taken for one of these where its check digits, its grouping or the words before it say so: plain
counts, dates, versions, ISBNs, order numbers, lists of numbers and UUIDs are left alone.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

Range = tuple[int, int]

_CONTEXT_CHARACTERS = 40

_CARD = re.compile(
    r"(?<![\w.])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5}|\d{12,19})(?![\w]|[.,]\d)"
)
_ISSUER = re.compile(r"4|5[1-5]|2[2-7]|3[47]|30[0-5]|3[689]|35|2131|1800|6011|64[4-9]|65|62|50|5[6-9]|6[037]")
_CARD_WORDS = re.compile(r"card|visa|master|amex|credit|debit|maestro|karte|carte|tarjeta|carta|cart[aã]o|\bcc\b", re.I)

_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])", re.IGNORECASE
)
# Lengths by country, SWIFT IBAN registry.
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FK FI FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}

_SSN = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}([- ]?)(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])")
_SSN_WORDS = re.compile(r"\bssn\b|social security|\bss ?#", re.IGNORECASE)

_IPV4 = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w]|\.\d)")
_VERSION_WORDS = re.compile(
    r"(?:version|ver\.?|release|build|section|chapter|clause|article|kapitel|abschnitt|§|==|>=|<=|~=|[@/]v?|\bv)\s{0,2}\Z",
    re.IGNORECASE,
)
_IP_WORDS = re.compile(r"\bips?\b|ipv4|address|host|server|dns|ping|://|login|adresse|direcci[oó]n", re.IGNORECASE)
_IPV6_MARK = re.compile(r":[0-9A-Fa-f]{0,4}:")
_IPV6_CHARACTERS = frozenset("0123456789abcdefABCDEF:")
_IPV6_GLOBAL = re.compile(r"(?:2[0-9a-f]{3}|3[0-9a-f]{3}|f[cd][0-9a-f]{2}|fe80):", re.IGNORECASE)


def before(text: str, start: int) -> str:
    """The forty characters before a place."""
    return text[max(0, start - _CONTEXT_CHARACTERS) : start]


def find_cards(text: str, start: int, end: int) -> Iterator[Range]:
    """Payment card numbers; rare lengths and issuers only after a word such as "card"."""
    for match in _CARD.finditer(text, start, end):
        digits = re.sub(r"\D", "", match[0])
        usual = len(digits) in (14, 15, 16) or len(digits) != len(match[0])
        if (
            luhn(digits)
            and len(set(digits)) > 1
            and ((usual and _ISSUER.match(digits)) or _CARD_WORDS.search(before(text, match.start())))
        ):
            yield match.span()


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    total = 0
    for index, character in enumerate(reversed(digits)):
        digit = int(character)
        if index % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def find_ibans(text: str, start: int, end: int) -> Iterator[Range]:
    """Bank account numbers of the right length for their country whose check digits fit."""
    for match in _IBAN.finditer(text, start, end):
        length = _IBAN_LENGTHS.get(match[0][:2].upper())
        if length is None:
            continue
        last = match.start()
        compact = ""
        while len(compact) < length and last < match.end():
            if text[last] != " ":
                compact += text[last]
            last += 1
        if len(compact) == length and not text[last : last + 1].isalnum() and iban_fits(compact):
            yield match.start(), last


def iban_fits(compact: str) -> bool:
    """Whether the check digits of an IBAN without blanks fit (ISO 13616: remainder 1 modulo 97)."""
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1


def find_ssns(text: str, start: int, end: int) -> Iterator[Range]:
    """US social security numbers: with dashes, or in another form after a word that says so."""
    for match in _SSN.finditer(text, start, end):
        if match[1] == "-" or _SSN_WORDS.search(before(text, match.start())):
            yield match.span()


def find_ips(text: str, start: int, end: int) -> Iterator[Range]:
    """IPv4 addresses, but for loopback, unspecified and broadcast ones, and for what is rather a version number."""
    for match in _IPV4.finditer(text, start, end):
        address = match[0]
        context = before(text, match.start())
        if address.startswith("127.") or address in ("0.0.0.0", "255.255.255.255") or _VERSION_WORDS.search(context):  # noqa: S104
            continue
        if len(address) == 7 and not _IP_WORDS.search(context):
            continue
        yield match.span()


def find_ipv6(text: str) -> Iterator[Range]:
    """IPv6 addresses that are neither loopback nor unspecified."""
    position = 0
    while mark := _IPV6_MARK.search(text, position):
        start, position = mark.span()
        while start > 0 and mark.start() - start < 40 and text[start - 1] in _IPV6_CHARACTERS:
            start -= 1
        while position < len(text) and position - mark.start() < 40 and text[position] in _IPV6_CHARACTERS:
            position += 1
        end = position - 1 if text[position - 1] == ":" and text[position - 2] != ":" else position
        if _is_ipv6(text[start:end]) and not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum():
            yield start, end


def _is_ipv6(candidate: str) -> bool:
    groups = [group for group in candidate.split(":") if group]
    if len(groups) < 3 and not _IPV6_GLOBAL.match(candidate):
        return False
    if not any(character.isdigit() for character in candidate):
        return False
    try:
        address = ipaddress.IPv6Address(candidate)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)

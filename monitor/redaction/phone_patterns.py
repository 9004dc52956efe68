"""Telephone numbers in text, of any country.

What says that a run of digits is a telephone number: a country code; the North American grouping; or words around it
("call me at", "office", "fax"). With such words the number need only be possible, without them it must be valid in the
region of the settings. Dates, lists, ISBNs, prices and plain counts are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitor.redaction.number_patterns import Range, before

_PHONE = re.compile(
    r"(?<![\w./=#$€£-])(?<!\d,)(?:[+] ?\(?\d|\([+]?\d|\d)(?:[ .\-/()\u00a0]{0,3}\d){6,16}"
    r"(?: ?x\d{1,6}| ?ext\.? ?\d{1,6})?"
    r"(?![\w%€$£]|[.,:/]\d|-(?!(?:office|home|work|mobile|cell|fax|phone|tel)\b)\w)",
    re.IGNORECASE,
)
_EXTENSION = re.compile(r" ?(?:x|ext\.?) ?\d+\Z", re.IGNORECASE)
_GROUPS = re.compile(r"\d+")
_DATE = re.compile(
    r"(?:19|20)\d\d([-/. ])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?:0?[1-9]|[12]\d|3[01])([-/. ])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d(?!\d)"
)
_NORTH_AMERICAN = re.compile(r"(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}\Z")
_NAMED = re.compile(
    r"phone|\btel\b|tel[.:]|\bcall (?:me|us|him|her|at|on)|mobile|\bcell\b|\bfax\b|whats ?app|\bsms\b|\btext (?:me|us)"
    r"|\bdial\b|reach (?:me|us|him|her)|hotline|telefon|\bhandy|rufnummer|t[ée]l[ée]phone|portable|tel[ée]fono|m[oó]vil"
    r"|celular|cellulare|telefone|电话|手机|電話|номер|телефон|هاتف",
    re.IGNORECASE,
)
# Weaker: these need a number that could be one somewhere, in groups or with a leading zero.
_TALKED = re.compile(
    r"\b(?:answer(?:s|ing|ed)?|messages?|calls?|calling|called|ring|rang|contact|registered|texts?|texted|texting|line"
    r"|viber|signal|telegram|numbers?|appel\w*|ruf\w*|anruf\w*|llam\w*|chiam\w*|lig(?:ue|ar)|bel(?:len)?|zadzwo\w*)\b",
    re.IGNORECASE,
)
_OTHER_NUMBER = re.compile(
    r"\b(?:order|invoice|ticket|tracking|account|serial|model|part|case|reference|ref|id|isbn|batch|item|customer|policy"
    r"|flight|room|page|version|port|prime|room|rechnung\w*|kunden\w*|bestell\w*)\b[^.!?\n]{0,15}\Z",
    re.IGNORECASE,
)
_AFTER = re.compile(r"[ \-,(]{0,3}(?:office|fax|mobile|cell|home|work|phone|tel)\b", re.IGNORECASE)
_ISBN_WORDS = re.compile(r"isbn|ean\b|gtin|issn|doi", re.IGNORECASE)
_REGIONS = ("GB", "DE", "FR", "ES", "IT", "NL", "SE", "PL", "AU", "IN", "BR", "ZA", "HU", "CH", "DK", "CZ", "JP", "MX")


def find_phones(text: str, start: int, end: int, region: str) -> Iterator[Range]:
    """Telephone numbers; those without a country code are read as numbers of the region."""
    for match in _PHONE.finditer(text, start, end):
        first, last = match.span()
        candidate = match[0]
        if _is_phone(candidate, before(text, first), text[last : last + 12], region):
            last -= len(candidate) - len(candidate.rstrip(" .-/(\u00a0"))
            yield first, last


def _is_phone(candidate: str, context: str, after: str, region: str) -> bool:
    candidate = _EXTENSION.sub("", candidate)
    groups = _GROUPS.findall(candidate)
    digits = "".join(groups)
    if _is_other_number(candidate, groups, digits) or _ISBN_WORDS.search(context):
        return False
    named = _NAMED.search(context) is not None or _AFTER.match(after) is not None
    return _fits(candidate, groups, digits, region, named=named, marked=_AFTER.match(after) is not None) or (
        # Talked about as numbers are, in groups: it need only be valid somewhere.
        len(groups) > 1
        and "." not in candidate
        and 8 <= len(digits) <= 12
        and _TALKED.search(context) is not None
        and not _OTHER_NUMBER.search(context)
        and (digits.startswith("0") or any(_plausible(digits, other, strict=True) for other in _REGIONS))
    )


def _fits(candidate: str, groups: list[str], digits: str, region: str, *, named: bool, marked: bool) -> bool:
    if _NORTH_AMERICAN.match(candidate) and (named or region == "US" or candidate.startswith(("+", "("))):
        return True
    if candidate.startswith(("+", "(+")) or digits.startswith("00"):
        number = "+" + digits.removeprefix("00")
        return 8 <= len(digits) <= 17 and _plausible(number, None, strict=not named and len(groups) == 1)
    if "." in candidate and not named:
        return False
    if named and (len(groups) > 1 or digits.startswith("0") or marked):
        return 7 <= len(digits) <= 13
    return (named or len(groups) > 1) and _plausible(digits, region, strict=True)


def _is_other_number(candidate: str, groups: list[str], digits: str) -> bool:
    """Whether the form says date, years, list of numbers or ISBN-13."""
    return (
        len(set(digits)) < 3
        or len(groups) > 7
        or _DATE.search(candidate) is not None
        or sum(len(group) == 1 for group in groups) > 1
        or all(len(group) == 4 and group[:2] in ("19", "20") for group in groups)
        or (digits[:3] in ("978", "979") and len(digits) == 13 and not candidate.startswith("+"))
    )


def _plausible(number: str, region: str | None, *, strict: bool) -> bool:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(parsed) if strict else phonenumbers.is_possible_number(parsed)

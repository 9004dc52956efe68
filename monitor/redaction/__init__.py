"""Personal data and secrets in text: found, and replaced by typed placeholders such as `[EMAIL]`.

| kind | what | how it is made sure |
| --- | --- | --- |
| `email` | e-mail addresses | form of local part and domain |
| `phone` | telephone numbers | the numbering plans of `phonenumbers`, grouping, words before it |
| `card` | payment cards | issuer prefix, grouping, Luhn check digit (ISO/IEC 7812-1) |
| `iban` | bank accounts | length for the country, remainder modulo 97 (ISO 13616) |
| `ip` | IPv4 and IPv6 addresses | parsed; loopback and version numbers left alone |
| `ssn` | US social security numbers | number ranges that are issued, dashes or words before it |
| `secret` | keys, tokens, passwords | provider prefixes, names they are assigned to (`secret_patterns`) |

Ordinary text costs some ten microseconds: a few substring searches and one look-ahead for digits decide what is looked
for at all. What is masked stays masked and is never masked again. Names and addresses of people are not found: without
a language model that cannot be done honestly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.errors import SettingsError
from monitor.redaction.number_patterns import find_cards, find_ibans, find_ips, find_phones, find_ssns
from monitor.redaction.secret_patterns import find_secrets
from monitor.settings import Settings

KINDS = ("secret", "email", "iban", "card", "ssn", "ip", "phone")
"""All kinds; where findings overlap, the earlier kind wins."""

PLACEHOLDER = re.compile(r"\[(SECRET|EMAIL|IBAN|CARD|SSN|IP|PHONE)\]")
"""What stands in a text where something was masked."""

_FIGURES = "0123456789"
# Seven digits with at most three separators between them, or the first three parts of an IPv4 address.
_DIGITS = re.compile(r"[0-9](?:(?:[ .()/\-\u00a0]{0,3}[0-9]){6}|\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9])")
_LOCAL = re.compile(r"[\w.%+'-]{1,64}\Z")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,62}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w@])")
_FILE_NAME = re.compile(r"\d+x\.(?:png|jpe?g|gif|svg|webp)\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """Where something of a kind stands in a text: `text[start:end]`."""

    kind: str
    start: int
    end: int


class Redactor:
    """Finds and masks the kinds that the settings name; all of them where they name none.

    Raises SettingsError for a kind that does not exist and for a region that is not a country code.
    """

    def __init__(self, settings: Settings) -> None:
        unknown = sorted(set(settings.redaction_kinds) - set(KINDS))
        if unknown:
            raise SettingsError(
                f"MONITOR_REDACTION_KINDS: {', '.join(unknown)} is not a kind; kinds are {', '.join(KINDS)}."
            )
        self._kinds = frozenset(settings.redaction_kinds or KINDS)
        self._region = settings.default_region.upper()
        if not re.fullmatch("[A-Z]{2}", self._region):
            raise SettingsError("MONITOR_DEFAULT_REGION: must be a country code of two letters, such as US or DE.")
        self._off = settings.redaction == "off"

    def mask(self, text: str) -> tuple[str, dict[str, int]]:
        """The text with placeholders in place of what was found, and how many there are of each kind.

        Masking twice gives the same as masking once. With redaction switched off the text stays as it is.
        """
        counts: dict[str, int] = {}
        if self._off:
            return text, counts
        # A replacement can lay bare what was glued to it, hence again until nothing is found.
        while findings := self.find(text):
            pieces: list[str] = []
            position = 0
            for finding in findings:
                pieces += text[position : finding.start], f"[{finding.kind.upper()}]"
                position = finding.end
                counts[finding.kind] = counts.get(finding.kind, 0) + 1
            text = "".join(pieces) + text[position:]
        return text, counts

    def find(self, text: str) -> list[Finding]:
        """What there is in the text, in order, without overlaps; placeholders are not findings."""
        if _is_plain(text):
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
        for finding in found:
            start, end = _outside(finding.start, finding.end, taken)
            if start < end and all(end <= other.start or start >= other.end for other in kept):
                kept.append(Finding(finding.kind, start, end))
        return sorted(kept, key=lambda finding: finding.start)

    def _candidates(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Findings in the order of KINDS."""
        any_digit = any(map(text.__contains__, _FIGURES))
        for start, end in find_secrets(text, digits=any_digit):
            yield "secret", start, end
        if "@" in text:
            for start, end in _emails(text):
                yield "email", start, end
        digits = any_digit and _DIGITS.search(text) is not None
        if digits:
            for kind, find in (("iban", find_ibans), ("card", find_cards), ("ssn", find_ssns)):
                for start, end in find(text):
                    yield kind, start, end
        if digits or ":" in text:
            for start, end in find_ips(text):
                yield "ip", start, end
        if digits and "phone" in self._kinds:
            for start, end in find_phones(text, self._region):
                yield "phone", start, end


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
    for first, last in taken:
        if first <= start < last:
            start = last
        if first < end <= last:
            end = first
    return start, end

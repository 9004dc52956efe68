"""National identifiers, dates of birth, postal addresses, ages and web addresses in text.

| kind | what | how it is made sure |
| --- | --- | --- |
| `national_id` | identity, tax and social security numbers of 17 countries | check digits, and for forms that other numbers share a word before them; passports and licences by their words |
| `birth_date` | dates of birth | a date after a word such as "born" or "DOB" |
| `address` | street addresses, post boxes, flats | house number and name with a word for street, in fourteen languages |
| `age` | ages of people | a number with "years old", "aged" and the like |
| `url` | web addresses | scheme or `www.` |
"""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monitor.redaction.number_patterns import Range, luhn

_REACH = 50


@dataclass(frozen=True)
class _Identifier:
    """One form of identifier: its pattern, its check, and the words before it that it needs (none: it needs none)."""

    pattern: re.Pattern[str]
    fits: Callable[[str], bool]
    words: re.Pattern[str] | None


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _cpf(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        rest = _weighted(digits, tuple(range(length + 1, 1, -1))) * 10 % 11 % 10
        if rest != int(digits[length]):
            return False
    return True


def _german_tax(digits: str) -> bool:
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return digits[0] != "0" and (11 - product) % 10 == int(digits[10])


_VERHOEFF = tuple(
    tuple(
        (a + b) % 5 if a < 5 and b < 5 else (a + b) % 5 + 5 if a < 5 else (a - b) % 5 + (5 if b < 5 else 0)
        for b in range(10)
    )
    for a in range(10)
)
_PERMUTED = [list(range(10))]
for _ in range(7):
    _PERMUTED.append([_PERMUTED[-1][value] for value in (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)])


def _aadhaar(digits: str) -> bool:
    check = 0
    for index, digit in enumerate(reversed(digits)):
        check = _VERHOEFF[check][_PERMUTED[index % 8][int(digit)]]
    return check == 0 and digits[0] not in "01"


def _spanish(compact: str) -> bool:
    number = compact[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == compact[-1]


_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22,
    25, 24, 23), strict=True))  # fmt: skip


def _italian(compact: str) -> bool:
    total = sum(
        _ODD[character] if index % 2 == 0 else (int(character) if character.isdigit() else ord(character) - 65)
        for index, character in enumerate(compact[:15])
    )
    return chr(65 + total % 26) == compact[15]


def _chinese(compact: str) -> bool:
    return (
        "10X98765432"[_weighted(compact[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11]
        == compact[17]
    )


def _swiss(digits: str) -> bool:
    return (10 - _weighted(digits[:12], (1, 3) * 6) % 10) % 10 == int(digits[12])


def _french(digits: str) -> bool:
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def _belgian(digits: str) -> bool:
    return int(digits[9:]) in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)


def _always(_compact: str) -> bool:
    return True


def _form(pattern: str, fits: Callable[[str], bool] = _always, words: str = "") -> _Identifier:
    return _Identifier(
        re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])", re.IGNORECASE),
        fits,
        re.compile(words, re.IGNORECASE) if words else None,
    )


_FORMS = (
    _form(r"\d{3}\.\d{3}\.\d{3}-\d{2}", _cpf),  # Brazil
    _form(r"756\.?\d{4}\.?\d{4}\.?\d{2}", _swiss),  # Switzerland
    _form(r"[XYZ]?-?\d{7,8}-?[A-HJ-NP-TV-Z]", _spanish, r"\bdni\b|\bnie\b|\bnif\b|identidad|spanish"),  # Spain
    _form(r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d{2} ?\d{3} ?\d{3} ?\d{2}", _french),
    _form(r"\d{2} ?\d{3} ?\d{3} ?\d{3}", _german_tax, r"steuer|tax|\bidnr\b|\btin\b"),  # Germany
    _form(r"\d{9}|\d{4}[. ]\d{2}[. ]\d{3}", lambda d: len(d) == 9 and _dutch(d), r"\bbsn\b|burgerservice|sofi"),
    _form(r"\d{11}", lambda d: _weighted(d, (1, 3, 7, 9) * 2 + (1, 3, 1)) % 10 == 0, r"pesel"),  # Poland
    _form(r"\d{4} ?\d{4} ?\d{4}", _aadhaar, r"aadha|uidai"),  # India
    _form(r"[A-Z]{5}\d{4}[A-Z]", _always, r"\bpan\b|permanent account"),
    _form(r"\d{3}[ -]?\d{3}[ -]?\d{3}", luhn, r"\bsin\b|social insurance"),  # Canada
    _form(r"(?:19|20)?\d{6}[-+]\d{4}", lambda d: luhn(d[-10:]), r"personnummer|personal identity|swedish"),  # Sweden
    _form(r"\d{17}[\dX]", _chinese),  # China
    _form(r"9\d{2}-[5-9]\d-\d{4}", _always, r"\bitin\b|\btax"),  # United States
    _form(r"\d{3} ?\d{3} ?\d{3}", lambda d: _weighted(d, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0, r"\btfn\b|tax file"),
    _form(r"\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}", _belgian, r"rijksregister|num[ée]ro national|\bbelg"),
)  # fmt: skip
_BARE_FORMS = tuple(form for form in _FORMS if form.words is None)
_ANY_WORD = re.compile("|".join(form.words.pattern for form in _FORMS if form.words is not None), re.IGNORECASE)
_WORDED = (
    _form(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"),  # United Kingdom
    _form(r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", _italian),  # Italy
    _form(
        r"(?=(?:[A-Z-]*\d){4})[A-Z0-9][A-Z0-9-]{5,16}",
        _always,
        r"(?:passport|passeport|pasaporte|reisepass|passaporto)[^\n]{0,25}\Z|driv\w+(?:'s)? licen[cs]e[^.\n]{0,25}\Z"
        r"|licen[cs]e (?:number|no\.?|#)[^.\n]{0,10}\Z|f[üu]hrerschein\w*[^.\n]{0,20}\Z",
    ),
)


def _dutch(digits: str) -> bool:
    return _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and len(set(digits)) > 1


_ID_WORDS = ("insurance", "fiscale", "licen", "hrersch", "pass", "pasap")

_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|f[ée]vrier|mar(?:ch|s)?|m[äa]rz|apr(?:il)?|avril|ma[yi]|june?|juni"
    r"|juin|july?"
    r"|juli|juillet|aug(?:ust)?|ao[ûu]t|sep(?:t(?:ember|embre)?)?|o[ck]t(?:ober|obre)?|nov(?:ember|embre)?"
    r"|de[cz](?:ember|embre)?|d[ée]cembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|diciembre)"
)
_DAY = (
    r"(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2}(?:st|nd|rd|th|\.)?(?: of| de)? " + _MONTH + r"\.?,?(?: de)? \d{4}"
    r"|" + _MONTH + r"\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4})"
)
_BIRTH = re.compile(
    r"\b(?:born|birth ?(?:day|date)?|date of birth|d\.?o\.?b\.?|geboren|geburtsdatum|naissance|n[ée]e? le"
    r"|nacid[oa]|nacimiento|nat[oa] il|nascita)\b[^\n\d]{0,25}?\b(" + _DAY + r")(?!\d)",
    re.IGNORECASE,
)
_BIRTH_WORDS = (
    "born",
    "birth",
    "dob",
    "d.o.b",
    "gebor",
    "geburt",
    "naiss",
    "né",
    "nacid",
    "nacim",
    "nato",
    "nata",
    "nascit",
)

_NAME = r"(?:[A-Z0-9ÄÖÜÉÈÀÁÍÓÚÑÇŠŽØÅ][\w'’.-]{0,24} ){1,4}?"
_STREET = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Square|Sq|Terrace|Ter|Place|Pl|Highway"
    r"|Hwy"
    r"|Parkway|Pkwy|Way|Circle|Cir|Crescent|Trail|Close|Row)"
)
# What stands before a street: a number, then a capital; both are found in the shape of the text.
_HOUSE = re.compile(rb"0[Ax]?x? (?:A|0|x(?=x))")
_FRENCH = ("rue ", "avenue ", "boulevard ", "place ", "chemin ", "impasse ", "quai ")
_NUMBER_FIRST = re.compile(
    rf"\d{{1,5}}[A-Za-z]?,? {_NAME}{_STREET}\b\.?"
    r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Floor|#)\.? ?[\w-]{1,6})?"
    r"(?:,? [A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2},? [A-Z]{2} \d{5}(?:-\d{4})?)?"
    r"|\d{1,4}(?: ?bis)?,? (?:rue|avenue|boulevard|place|chemin|impasse|quai) (?:d[eu]s? |de la |de l'|d')?"
    r"[A-ZÉÈÀ][\w'’-]+(?: [A-ZÉÈÀ][\w'’-]+){0,3}(?:,? \d{5} [A-ZÉ]\w+)?"
)
_NAME_FIRST = re.compile(
    r"(?<!\w)[A-ZÄÖÜ][\wäöüß-]{2,25}(?:straße|strasse|str\.|gasse|allee) \d{1,4} ?[a-z]?"
    r"(?:,? \d{5} [A-ZÄÖÜ]\w+)?(?!\w)"
    r"|(?<!\w)(?:Calle|Avenida|Avda\.|Plaza|Via|Viale|Piazza|Corso|Rua) (?:de |del |di |da |do )?[A-ZÁÉÍÓÚÑ][\w'-]+"
    r"(?: [A-ZÁÉÍÓÚÑ][\w'-]+){0,2},? (?:n[.º°]? ?)?\d{1,4}(?!\w)"
    r"|(?<!\w)P\.? ?O\.? ?Box \d{1,6}(?!\w)"
    r"|(?<!\w)(?:PSC|CMR|Unit) \d{3,5},? Box \d{1,6}(?:,?\s[AFD]PO [A-Z]{2} \d{5})?(?!\w)"
    r"|(?<!\w)(?:Post[Bb]o[xk]s?|Postfach|Postboks) \d{1,6}(?!\w)"
    r"|(?<![\w.,-])(?:\d{1,5}[A-Za-z]?,? [A-ZÀ-ÖØ-Þ][\w.'’-]{1,24}(?: [\w.'’-]{1,24}){0,3},? )?(?:Apt"
    r"|Apartment)\.? ?#?\d{1,5}"
    r"[A-Za-z]?(?!\w)"
    r"|(?<![\w.,-])\d{1,5}[A-Za-z]?,? [A-ZÀ-ÖØ-Þ][\w.'’-]{1,24}(?: [\w.'’-]{1,24}){0,3},? Suite \d{1,4}(?!\w)"
    r"|(?<!\w)[A-ZÀ-ÖØ-Þ][\w'’-]{2,25}(?:weg|laan|straat|gade|vej|vägen|vagen|gatan|katu|plein|gracht|kade|dijk|veien"
    r"|braut"
    r"|platz|damm|ufer|stræti) \d{1,4}[A-Za-z]?(?!\w|[.,]\d)"
    r"|(?<!\w)[A-ZÀ-ÖØ-Þ][\w'’-]{1,25}(?: [\w'’-]{2,25})? (?:utca|út|útja|u\.|tér|körút|trg|ulica|cesta|Strasse"
    r"|Straße|Allee"
    r"|Platz|Weg|väg|gata|vej) \d{1,4}[A-Za-z]?\.?(?!\w|[.,]\d)"
    r"|(?<!\w)(?:ul|al|os)\. [A-ZŁŚŻŹĆ][\w'’-]+(?: [A-ZŁŚŻŹĆ][\w'’-]+)? \d{1,4}[A-Za-z]?(?!\w)"
)
_FIGURE, _LOWER = b"0x"
_NOT_BEFORE = frozenset("$€£.,/-#")
_NAME_FIRST_WORDS = (
    "straße",
    "strasse",
    "str.",
    "gasse",
    "allee",
    "Calle",
    "Aven",
    "Plaza",
    "Via",
    "Piazza",
    "Rua ",
    " Box",
    "ul. ",
    "os. ",
)
# What stands right before the number of a house, a flat or a box.
_BEFORE_NUMBER = (
    *("weg ", "laan ", "straat ", "gade ", "vej ", "gen ", "gatan ", "gata ", "katu ", "plein ", "gracht ", "kade "),
    *("dijk ", "veien ", "braut ", "latz ", "damm ", "ufer ", "stræti ", "utca ", "út ", "útja ", " u. ", "tér "),
    *(
        "körút ",
        " trg ",
        "ulica ",
        "cesta ",
        "Strasse ",
        "Straße ",
        "Allee ",
        "Weg ",
        "väg ",
        "Apt. ",
        "Apt ",
        "Suite ",
    ),
    *("Apartment ", "Postbox ", "PostBox ", "Postfach ", "Postboks ", "PSC ", "CMR "),
)

_AGE = re.compile(
    r"\b(?:aged?|alter)[: ]{1,2}(\d{1,3})(?![\d%.-])|\b(\d{1,3})[- ]years?[- ]olds?\b|\b(\d{1,3}) ?y/?o\b"
    r"|\b(\d{1,3}) (?:jahre alt|ans\b|años|anni\b)|\bturn(?:s|ed|ing) (\d{1,3})\b(?! (?:percent|degrees|%))",
    re.IGNORECASE,
)
_URL = re.compile(r"(?:https?://|(?<![\w@./])www\.)[^\s<>\"'`\[\]{}|\\^]{3,500}", re.IGNORECASE)
_URL_END = ".,;:!?)*_"


def find_identifiers(text: str, start: int, end: int) -> Iterator[Range]:
    """National identifiers among runs of digits."""
    worded = _ANY_WORD.search(text, max(0, start - _REACH), end) is not None
    for form in _FORMS if worded else _BARE_FORMS:
        for match in form.pattern.finditer(text, start, end):
            compact = re.sub(r"[\s.\-+]", "", match[0]).upper()
            named = form.words is None or form.words.search(text, max(0, match.start() - _REACH), match.start())
            if named and form.fits(compact):
                yield match.span()


def find_worded_identifiers(text: str, lowered: str, shape: bytes) -> Iterator[Range]:
    """Identifiers of letters and few digits, in texts that speak of passports, licences, insurance or tax codes."""
    if not (b"0000" in shape or b"A0" in shape) or not any(map(lowered.__contains__, _ID_WORDS)):
        return
    for form in _WORDED:
        for match in form.pattern.finditer(text):
            compact = re.sub(r"[\s-]", "", match[0]).upper()
            if form.words is not None and not form.words.search(text[max(0, match.start() - _REACH) : match.start()]):
                continue
            if form.fits(compact):
                yield match.span()


def may_identify(text: str, lowered: str, shape: bytes) -> bool:
    """False where no worded identifier, no date of birth and no address can be in a text: what each is never without
    is missing.
    """
    return (
        ((b"0000" in shape or b"A0" in shape) and any(map(lowered.__contains__, _ID_WORDS)))
        or (b"0000" in shape and any(map(lowered.__contains__, _BIRTH_WORDS)))
        or (" " in text and _HOUSE.search(shape) is not None)
        or (" " in text and next(_before_numbers(text, shape), None) is not None)
    )


def _before_numbers(text: str, shape: bytes) -> Iterator[int]:
    """Where a blank and a number are that may follow the name of a street, or stand for a flat or a box."""
    place = shape.find(b" 0")
    if place < 0:
        return
    worded = any(map(text.__contains__, _NAME_FIRST_WORDS))
    while place >= 0:
        if text.endswith(_BEFORE_NUMBER, 0, place + 1) or (
            worded and any(map(text[max(0, place - _REACH) : place].__contains__, _NAME_FIRST_WORDS))
        ):
            yield place
        place = shape.find(b" 0", place + 2)


def find_birth_dates(text: str, lowered: str, shape: bytes) -> Iterator[Range]:
    """Dates after a word that says birth, looked for around each group of four digits."""
    place = shape.find(b"0000") if any(map(lowered.__contains__, _BIRTH_WORDS)) else -1
    while place >= 0:
        start = max(0, place - _REACH)
        near = lowered[start:place]
        if any(map(near.__contains__, _BIRTH_WORDS)):
            yield from (match.span(1) for match in _BIRTH.finditer(text, start, place + 10))
        place = shape.find(b"0000", place + 4)


def find_addresses(text: str, shape: bytes) -> Iterator[Range]:
    """Street addresses and post boxes."""
    last = 0
    for place in _HOUSE.finditer(shape):
        start = place.start()
        if shape[place.end() - 1] == _LOWER and not text.startswith(_FRENCH, place.end() - 1):
            continue
        while start > last and place.start() - start < 5 and shape[start - 1] == _FIGURE:
            start -= 1
        before = text[start - 1 : start]
        if before.isalnum() or before in _NOT_BEFORE:
            continue
        if match := _NUMBER_FIRST.match(text, start):
            yield match.span()
            last = match.end()
    for number in _before_numbers(text, shape):
        yield from (match.span() for match in _NAME_FIRST.finditer(text, max(0, number - _REACH), number + _REACH))


def find_ages(text: str) -> Iterator[Range]:
    """The numbers that say how old somebody is, up to 120."""
    for match in _AGE.finditer(text):
        if match.lastindex and int(match[match.lastindex]) <= 120:
            yield match.span(match.lastindex)


def find_urls(text: str) -> Iterator[Range]:
    """Web addresses, without punctuation behind them."""
    for match in _URL.finditer(text):
        stripped = match[0].rstrip(_URL_END)
        yield match.start(), match.start() + len(stripped)

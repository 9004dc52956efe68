"""Redaction finds what it must, leaves plain numbers alone, and never masks twice."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.errors import SettingsError
from monitor.redaction import KINDS, PLACEHOLDER, Redactor
from monitor.redaction.number_patterns import iban_fits, luhn
from monitor.settings import Settings
from tests.quality.personal_data import made_secrets


def redactor(**values: object) -> Redactor:
    return Redactor(Settings(**values))


REDACTOR = redactor()

# Put together here, so that no scanner of repositories takes them for real ones.
TAIL = "Ab3dEf6hIj9lMn2pQr5tUv8x"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Write to jane.roe+x@mail.example.co.uk, please.", "Write to [EMAIL], please."),
        ("mailto:a@b.de", "mailto:[EMAIL]"),
        ("Call me at (415) 555-0132.", "Call me at [PHONE]."),
        ("415-555-0132", "[PHONE]"),
        ("+49 30 901820", "[PHONE]"),
        ("+44 20 7946 0958 or +1-212-555-0187", "[PHONE] or [PHONE]"),
        ("My phone number is 0491 570 156", "My phone number is [PHONE]"),
        ("Meine Telefonnummer: 030 901820", "Meine Telefonnummer: [PHONE]"),
        ("Desk: 212-555-0187 x4587", "Desk: [PHONE]"),
        ("Card 4111 1111 1111 1111, exp 12/27", "Card [CARD], exp 12/27"),
        ("5500-0000-0000-0004", "[CARD]"),
        ("378282246310005", "[CARD]"),
        ("GB82 WEST 1234 5698 7654 32 is mine", "[IBAN] is mine"),
        ("DE89370400440532013000", "[IBAN]"),
        ("SSN 078-05-1120", "SSN [SSN]"),
        ("social security number 078051120", "social security number [SSN]"),
        ("from 192.168.1.10 to 8.8.4.114", "from [IP] to [IP]"),
        ("host 2001:db8::ff00:42:8329.", "host [IP]."),
        ("fe80::1ff:fe23:4567:890a", "[IP]"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert REDACTOR.mask(text)[0] == masked


@pytest.mark.parametrize(
    "secret",
    [
        "sk-" + TAIL,
        "sk-proj-" + TAIL + "_x-" + TAIL,
        "sk-ant-api03-" + TAIL,
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + TAIL + TAIL[:12],
        "github_pat_" + TAIL + "_" + TAIL,
        "AIza" + "SyA-" + TAIL + "0123456",
        "xoxb-" + "123456789012-" + TAIL,
        "sk_live_" + TAIL,
        "hf_" + TAIL + "AbCdEfGhIj",
        "glpat-" + TAIL,
        "npm_" + TAIL + TAIL[:12],
        "SG." + TAIL + "." + TAIL,
        "SK" + "0123456789abcdef" * 2,
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0" + "." + TAIL,
    ],
)
def test_keys_of_providers_are_masked_wherever_they_stand(secret: str) -> None:
    for text in (secret, f"use {secret}, then", f'{{"value": "{secret}"}}', f"({secret})"):
        masked, counts = REDACTOR.mask(text)
        assert secret[8:] not in masked
        assert masked == text.replace(secret, "[SECRET]")
        assert counts == {"secret": 1}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2x", "password=[SECRET]"),
        ("DB_PASSWORD: 'correct-horse'", "DB_PASSWORD: '[SECRET]'"),
        ('"api_key": "abcd1234efgh"', '"api_key": "[SECRET]"'),
        ("my password is Tr0ub4dor&3", "my password is [SECRET]"),
        ("?access_token=abc123def&page=2", "?access_token=[SECRET]&page=2"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPx", "aws_secret_access_key = [SECRET]"),
        ("Authorization: Bearer abcdef1234567890", "Authorization: Bearer [SECRET]"),
        ("postgresql://me:s3cr3t@db:5432/x", "postgresql://[SECRET]@db:5432/x"),
        ("https://user:pa55@example.com/a", "https://[SECRET]@example.com/a"),
    ],
)
def test_only_the_secret_is_masked_not_its_name(text: str, masked: str) -> None:
    assert REDACTOR.mask(text)[0] == masked


def test_a_private_key_is_masked_whole() -> None:
    lines = "\n".join(["MIIEpAIBAAKCAQEA75" + TAIL] * 5)
    text = f"before\n-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----\nafter"
    assert REDACTOR.mask(text) == ("before\n[SECRET]\nafter", {"secret": 1})
    cut = f"-----BEGIN PRIVATE KEY-----\n{lines}"
    assert TAIL not in REDACTOR.mask(cut)[0]


@pytest.mark.parametrize(
    "text",
    [
        "Is 17077 a prime number?",
        "3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47",
        "3 5 7 11 13 17 19 23 29 31",
        "2023-06-13 12:30:45 and 06/13/2023 10:11 and 13.06.2023",
        "1990-2000, 2019 2020 2021",
        "version 1.2.3.4 of v10.4.2.1, Chrome 92.0.4515.107, section 1.2.3.4",
        "1.2.3.4",
        "127.0.0.1:8050",
        "10:30:45, 00:1A:2B:3C:4D:5E, std::vector, a::b",
        "ISBN 978-3-16-148410-0 and 9783161484100",
        "order 112-1234567-1234567, order no. 1234567890",
        "123e4567-e89b-12d3-a456-426614174000",
        "3.14159265358979 0.4111111111111111 1,234,567.89",
        "1700000000000 1700000000 1234567890123456789",
        "max_tokens=100, token: the unit of text, token_count: 12345678",
        "Your password: must be at least 8 characters",
        "password = getpass(), password=password, api_key=os.environ['K'], token=${TOKEN}",
        'api_key="YOUR_API_KEY"',
        "The secret is to practise. The key: patience.",
        "react@18.2.0 icon@2x.png @home user@host",
        "sk-learn-contrib-imbalanced-learn",
        "100 200 300 400 500",
        "$1,000,000 in 2023 and 45000000 people",
        "4111 1111 1111 1112",
    ],
)
def test_plain_numbers_and_words_are_left_alone(text: str) -> None:
    assert REDACTOR.find(text) == []
    assert REDACTOR.mask(text) == (text, {})


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("CPF 529.982.247-25", "CPF [NATIONAL_ID]"),
        ("AHV 756.9217.0769.85", "AHV [NATIONAL_ID]"),
        ("mi DNI es 12345678Z", "mi DNI es [NATIONAL_ID]"),
        ("BSN 111222333", "BSN [NATIONAL_ID]"),
        ("PESEL 44051401359", "PESEL [NATIONAL_ID]"),
        ("Steuer-ID 86 095 742 719", "Steuer-ID [NATIONAL_ID]"),
        ("my national insurance number is AB123456C", "my national insurance number is [NATIONAL_ID]"),
        ("codice fiscale RSSMRA85T10A562S", "codice fiscale [NATIONAL_ID]"),
        ("passport no. C01X00T47", "passport no. [NATIONAL_ID]"),
        ("She was born on 12 March 1985 in Rome", "She was born on [BIRTH_DATE] in Rome"),
        ("DOB: 03/12/1985", "DOB: [BIRTH_DATE]"),
        ("geboren am 3. Mai 1970", "geboren am [BIRTH_DATE]"),
        ("I live at 221B Baker Street now", "I live at [ADDRESS] now"),
        ("Hauptstraße 12, 10115 Berlin", "[ADDRESS]"),
        ("12 rue de la Paix, 75002 Paris", "[ADDRESS]"),
        ("We moved to Asselsestraat 7 in May", "We moved to [ADDRESS] in May"),
        ("Bor: Rákóczi út 13., second floor", "Bor: [ADDRESS], second floor"),
        ("Mieszkam: ul. Długa 12a", "Mieszkam: [ADDRESS]"),
        ("Send it to 17 Maple Grove Apt. 4, please", "Send it to [ADDRESS], please"),
        ("PSC 2581, Box 0041", "[ADDRESS]"),
        ("They're not answering at 071 55 52 22 81", "They're not answering at [PHONE]"),
        ("416 60 039 office", "[PHONE] office"),
    ],
)
def test_identities_of_many_countries_are_masked(text: str, masked: str) -> None:
    assert REDACTOR.mask(text)[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "CPF 529.982.247-26",
        "PESEL 44051401358",
        "The library was built on 12 March 1985.",
        "Order 529 982 247 has 25 items.",
        "Anna is 34 years old, see https://example.com/anna",
        "In 2023 Street View was extended.",
        "Section 12 Drive carefully",
        "Unit 4 covers the water cycle, Suite 2019 is the new release.",
        "Spring 2019, Version 3, Platz 4 im Rennen, Weg 7",
        "The flat rate rose by 12, the vagen was 4.",
    ],
)
def test_what_only_looks_like_an_identity_stays(text: str) -> None:
    assert REDACTOR.mask(text) == (text, {})


def test_names_ages_and_addresses_of_the_web_are_masked_where_asked_for() -> None:
    asked = redactor(redaction_kinds=("name", "age", "url"))
    assert asked.mask("Dr. Anna Berg is 34 years old: https://example.com/anna.")[0] == (
        "Dr. [NAME] is [AGE] years old: [URL]."
    )


def test_a_value_has_one_placeholder_within_a_trace_and_another_elsewhere() -> None:
    keyed = Redactor(Settings(), b"key")
    first, _ = keyed.mask("a@b.de wrote to c@d.de, and A@B.DE answered from +49 30 901820.", "trace one")
    tags = re.findall(r"\[EMAIL_([A-Z2-7]{3})\]", first)
    assert tags[0] == tags[2] != tags[1]
    assert keyed.mask("Mail a@b.de", "trace one")[0] == f"Mail [EMAIL_{tags[0]}]"
    assert keyed.mask("Mail a@b.de", "trace two")[0] != f"Mail [EMAIL_{tags[0]}]"
    assert Redactor(Settings(), b"other").mask("Mail a@b.de", "trace one")[0] != f"Mail [EMAIL_{tags[0]}]"
    assert keyed.mask(first, "trace one") == (first, {})
    assert keyed.mask("Call +49 30 901820", "trace one")[0] == keyed.mask("Call +49 (30) 90 18 20", "trace one")[0]


def test_counts_are_by_kind() -> None:
    masked, counts = REDACTOR.mask("a@b.de, c@d.de, 192.168.1.10 and 192.168.1.11, 415-555-0132")
    assert masked == "[EMAIL], [EMAIL], [IP] and [IP], [PHONE]"
    assert counts == {"email": 2, "ip": 2, "phone": 1}


def test_findings_say_where() -> None:
    text = "mail a@b.de now"
    (finding,) = REDACTOR.find(text)
    assert (finding.kind, text[finding.start : finding.end]) == ("email", "a@b.de")


def test_only_the_kinds_of_the_settings_are_masked() -> None:
    only_email = redactor(redaction_kinds=("email",))
    assert only_email.mask("a@b.de 192.168.1.10") == ("[EMAIL] 192.168.1.10", {"email": 1})


def test_an_unknown_kind_is_said() -> None:
    with pytest.raises(SettingsError, match="REDACTION_KINDS: nickname is not a kind"):
        redactor(redaction_kinds=("email", "nickname"))


def test_switched_off_masks_nothing() -> None:
    assert redactor(redaction="off").mask("a@b.de") == ("a@b.de", {})


def test_the_region_decides_about_national_numbers() -> None:
    text = "030 901820"
    assert redactor(default_region="DE").mask(text)[0] == "[PHONE]"
    assert redactor(default_region="de").mask(text)[0] == "[PHONE]"
    with pytest.raises(SettingsError, match="two letters"):
        redactor(default_region="Germany")
    assert REDACTOR.mask(text)[0] == text


_PIECES = st.sampled_from(
    [
        *(f"[{kind.upper()}]" for kind in KINDS),
        "a@b.de",
        "4111111111111111",
        "4111 1111 1111 1111",
        "DE89370400440532013000",
        "078-05-1120",
        "192.168.1.10",
        "2001:db8::1",
        "415-555-0132",
        "+49 30 901820",
        "password=",
        "secret: ",
        "Bearer ",
        "sk-" + TAIL,
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "://u:p4ss@",
        "x",
        "1",
        " ",
        '"',
        "@",
        ".",
        ":",
        "[",
        "]",
        "-",
        "\n",
    ]
)


@given(st.lists(_PIECES, max_size=12).map("".join) | st.text(max_size=200))
@hypothesis_settings(max_examples=400, deadline=None)
def test_masking_twice_is_masking_once(text: str) -> None:
    masked, _ = REDACTOR.mask(text)
    assert REDACTOR.mask(masked) == (masked, {})


_WORDS_OF_IDENTIFIERS = st.sampled_from(
    [
        *"0123456789 -/.A",
        "12",
        "1990",
        "born ",
        "passport ",
        "steuer-id ",
        "X123",
        "chatcmpl-",
        "Main Street",
        " rue de Lille",
        "Hauptstraße",
        "Calle Mayor",
        "P.O. Box ",
        "sk-proj-" + TAIL,
        TAIL,
        "password is ",
        "bearer ",
    ]
)


@given(st.lists(_WORDS_OF_IDENTIFIERS | _PIECES, max_size=8).map("".join) | st.text(max_size=120))
@hypothesis_settings(max_examples=600, deadline=None)
def test_the_short_look_at_identifiers_overlooks_nothing(text: str) -> None:
    thorough = redactor()
    thorough._usual = False
    assert REDACTOR.find(text) == thorough.find(text)


@given(
    st.text(max_size=40),
    st.sampled_from(made_secrets(each=2)),
    st.text(max_size=40),
    st.sampled_from(["", " ", "\n", '"', "'", "(", ","]),
)
@hypothesis_settings(max_examples=150, deadline=None)
def test_no_part_of_a_secret_is_left(before: str, made: tuple[str, str, str], after: str, mark: str) -> None:
    _, text, body = made
    masked, counts = REDACTOR.mask(f"{before} {mark}{text}{mark} {after}")
    assert counts.get("secret")
    assert not any(body[place : place + 12] in masked for place in range(0, len(body) - 11, 4))


@given(st.lists(_PIECES, max_size=12).map("".join))
@hypothesis_settings(max_examples=200, deadline=None)
def test_what_is_counted_is_replaced(text: str) -> None:
    masked, counts = REDACTOR.mask(text)
    assert set(counts) <= set(KINDS)
    assert not counts or PLACEHOLDER.search(masked)
    assert bool(counts) == (masked != text)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz ,.", max_size=300))
def test_letters_alone_are_never_touched(text: str) -> None:
    assert REDACTOR.mask(text) == (text, {})


@given(st.integers(10**14, 10**15 - 1))
def test_the_check_digit_of_cards(number: int) -> None:
    fitting = [digit for digit in "0123456789" if luhn(f"{number}{digit}")]
    assert len(fitting) == 1


def test_the_check_digits_of_accounts() -> None:
    assert iban_fits("GB82WEST12345698765432")
    assert not iban_fits("GB83WEST12345698765432")
    assert not iban_fits("GB82WEST12345698765423")


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1",
        "a@",
        "1 2 ",
        "1-2.",
        ":",
        "password=",
        "-----BEGIN PRIVATE KEY-----",
        "://a:",
        "eyJ",
        "sk-",
        "GB82 WEST ",
    ],
)
def test_the_time_is_linear_in_the_length(piece: str) -> None:
    text = (piece * (100_000 // len(piece) + 1))[:100_000]
    started = time.process_time()
    REDACTOR.mask(text)
    assert time.process_time() - started < 3


def test_ordinary_text_costs_little() -> None:
    """Ordinary prose without digits, @ or names of secrets is answered by substring searches alone."""
    prose = re.sub(r"\d", "", "The committee met on Tuesday to discuss the budget, which had grown. " * 20)
    REDACTOR.find(prose)
    started = time.process_time()
    for _ in range(200):
        REDACTOR.find(prose)
    assert (time.process_time() - started) / 200 < 0.0005

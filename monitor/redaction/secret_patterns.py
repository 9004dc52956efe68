"""Credentials in text: keys by the prefixes their providers give them, and values that are assigned to a name like
`password` or `api_key`.

Only the secret itself is found, so that `password=[SECRET]` still tells what stood there. Values that are plainly not
secrets (variables, calls, words, samples such as `YOUR_API_KEY`) are left alone. Every pattern is bounded, so that
the time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Range = tuple[int, int]

_START = r"(?<![A-Za-z0-9])"
_KEYS = re.compile(
    _START
    + r"(?:"
    + "|".join(
        (
            r"sk-(?=[A-Za-z0-9_-]{0,60}[0-9])[A-Za-z0-9_-]{20,300}",  # OpenAI, Anthropic, OpenRouter, DeepSeek
            r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,300}",  # Stripe
            r"whsec_[A-Za-z0-9+/=]{24,100}",  # Stripe webhooks
            r"gsk_[A-Za-z0-9]{30,100}",  # Groq
            r"SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{16,60}",  # SendGrid
            r"A(?:KIA|SIA|GPA|IDA|ROA)[A-Z0-9]{16}",  # AWS key id
            r"AIza[A-Za-z0-9_-]{30,40}",  # Google
            r"ya29\.[A-Za-z0-9_-]{20,300}",  # Google access token
            r"GOCSPX-[A-Za-z0-9_-]{20,40}",  # Google client secret
            r"gh[pousr]_[A-Za-z0-9]{30,255}",  # GitHub
            r"github_pat_[A-Za-z0-9_]{30,255}",
            r"glpat-[A-Za-z0-9_-]{18,60}",  # GitLab
            r"xox[abeoprs]-[A-Za-z0-9-]{10,250}",  # Slack
            r"xapp-[A-Za-z0-9-]{20,250}",
            r"hf_[A-Za-z0-9]{28,60}",  # Hugging Face
            r"npm_[A-Za-z0-9]{30,50}",  # npm
            r"pypi-[A-Za-z0-9_-]{40,300}",  # PyPI
            r"dop_v1_[0-9a-f]{40,80}",  # DigitalOcean
            r"dapi[0-9a-f]{32}",  # Databricks
            r"r8_[A-Za-z0-9]{30,50}",  # Replicate
            r"pplx-[A-Za-z0-9]{30,80}",  # Perplexity
            r"xai-[A-Za-z0-9]{40,120}",  # xAI
            r"(?:AC|SK)[0-9a-f]{32}",  # Twilio
            r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
            r"sq0(?:atp|csp)-[A-Za-z0-9_-]{22,50}",  # Square
            r"key-[0-9a-f]{32}",  # Mailgun
            r"[0-9a-f]{32}-us[0-9]{1,2}",  # Mailchimp
            r"[0-9]{8,10}:AA[A-Za-z0-9_-]{32,36}",  # Telegram
            r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}",  # Discord
            r"hv[sb]\.[A-Za-z0-9_-]{24,300}",  # Vault
            r"dckr_pat_[A-Za-z0-9_-]{20,60}",  # Docker
            r"ATATT3[A-Za-z0-9_=-]{50,300}",  # Atlassian
            r"lin_api_[A-Za-z0-9]{30,60}",  # Linear
            r"(?:ntn|secret)_[A-Za-z0-9]{40,60}",  # Notion
            r"glsa_[A-Za-z0-9_]{30,60}",  # Grafana
            r"sntry[su]_[A-Za-z0-9_=+/]{40,300}",  # Sentry
            r"NRAK-[A-Z0-9]{20,40}",  # New Relic
            r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{30,80}",  # LangSmith
            r"pcsk_[A-Za-z0-9_]{40,100}",  # Pinecone
            r"sb[pt]_[A-Za-z0-9]{30,60}",  # Supabase
            r"EAA[A-Za-z0-9]{60,300}",  # Meta
            r"AAAAAAAAAAAAAAAAAAAA[A-Za-z0-9%]{40,200}",  # X
            r"eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,8000}(?:\.[A-Za-z0-9_-]{0,2000})?",  # JSON Web Token
        )
    )
    + r")"
)
# No key is without so many of these characters in a row: one plain search spares most texts the pattern.
_LONG = b"k" * 20
_KEY_CHARACTERS = bytes(107 if (chr(code).isalnum() and code < 128) or chr(code) in "_-" else 32 for code in range(256))

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:[A-Za-z0-9+/=\s\\:,.()]|-(?!-)){0,12000}-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:[\s\\nr]{0,4}[A-Za-z0-9+/=]{20,100}){1,200})"
)
_SLACK_HOOK = re.compile(r"hooks\.slack\.com/services/([A-Za-z0-9/]{20,100})")
_URL_CREDENTIALS = re.compile(r"://([^\s/@:\"'<>\[\]]{0,100}:[^\s/@\"'<>\[\]]{1,200})@(?=[\w\[])")
_BEARER = re.compile(r"\bbearer\s{1,3}(?=[A-Za-z._~+/=-]{0,80}[0-9])([A-Za-z0-9._~+/=-]{16,4000})", re.IGNORECASE)
_NAMES = ("pass", "pwd", "secret", "key", "token", "contrase", "mot de", "credential")
_ASSIGNED = re.compile(
    r"(?:passw(?:or)?d|passwort|passphrase|passcode|contrase[nñ]a|mot de passe|pwd|secret|credentials?"
    r"|(?<=api)key|(?<=[_-])(?:key|token)|(?<=(?:api|ess|ret|uth) )key|(?<=account)key)"
    r"[\"'`]{0,2}\s{0,3}(?:(?P<sign>:=|=>|=|:)|\s(?:is|ist|est|es)\b:?)\s{0,3}(?:[ubr]?(?P<quote>[\"'`]))?",
    re.IGNORECASE,
)
_BARE = re.compile(r"[^\s\"'`,;<>{}()\[\]|]{4,300}")
_QUOTED = {mark: re.compile(rf"[^{mark}\n]{{4,300}}(?={mark})") for mark in "\"'`"}
_NOT_A_SECRET = re.compile(
    r"[$%#{<*.]|(?:os|process|env|self|this|config|settings|request|args)[.\[]|https?:|\[[A-Z_2-7]+\]"
    r"|(?:your|my|the|some|enter|insert|replace|change|example|sample|dummy|test|fake|placeholder|redacted|none|null"
    r"|true|false|undefined|string|str|required|optional|default|hidden|xxx|\.\.\.|123456?$|password|secret|token)"
    r"(?![A-Za-z]*[0-9])",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[A-Za-z]")
_STRONG = re.compile(r"[0-9!@#$%^&*+=?~]")


def holds_key(text: str) -> bool:
    """True where a text holds a key of a known form."""
    possible = _LONG in text.encode("latin-1", "replace").translate(_KEY_CHARACTERS)
    return possible and _KEYS.search(text) is not None


def find_secrets(text: str, lowered: str, *, digits: bool) -> Iterator[Range]:
    """Start and end of every secret in the text; ranges may overlap.

    `lowered` is the text in lower case; `digits` tells whether it has any, since bearer tokens are never without.
    """
    if _LONG in text.encode("latin-1", "replace").translate(_KEY_CHARACTERS):
        yield from (match.span() for match in _KEYS.finditer(text))
    if "-----BEGIN" in text:
        yield from (match.span() for match in _PRIVATE_KEY.finditer(text))
    if "://" in text:
        yield from (match.span(1) for match in _URL_CREDENTIALS.finditer(text))
        yield from (match.span(1) for match in _SLACK_HOOK.finditer(text))
    if digits and "bearer" in lowered:
        yield from (match.span(1) for match in _BEARER.finditer(text))
    if ":" in text or "=" in text or "passw" in lowered:
        yield from _assigned(text, lowered if len(lowered) == len(text) else text)


def _assigned(text: str, lowered: str) -> Iterator[Range]:
    for name in _NAMES:
        position = lowered.find(name)
        while position >= 0:
            if match := _ASSIGNED.match(text, position):
                yield from _value(text, match)
            position = lowered.find(name, position + len(name))


def _value(text: str, match: re.Match[str]) -> Iterator[Range]:
    quote = match["quote"]
    value = (_QUOTED[quote] if quote else _BARE).match(text, match.end())
    if value is None:
        return
    start, end = value.span()
    if not quote:
        # In the query of an address the value ends where the next parameter begins.
        if match[0].endswith("=") and "&" in value[0]:
            end = start + value[0].index("&")
        end -= end - start - len(text[start:end].rstrip(".:"))
    if _is_secret(text[start:end], match["sign"] or "", quoted=bool(quote)):
        yield start, end


def _is_secret(value: str, sign: str, *, quoted: bool) -> bool:
    """Whether an assigned value is a secret rather than a word, a variable, a count or a sample."""
    if len(value) < 4 or _NOT_A_SECRET.match(value) or len(set(value)) < 3:
        return False
    if quoted and sign:
        return " " not in value.strip() and not (value.isdigit() and len(value) < 6)
    return len(value) >= 6 and bool(_LETTER.search(value)) and bool(_STRONG.search(value))

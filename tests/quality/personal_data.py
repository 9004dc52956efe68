"""Personal data and secrets: made-up people (Presidio), comments from the web (WNUT-17), keys made here."""

from __future__ import annotations

import random
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.redaction import KINDS, Finding, Redactor
from monitor.settings import Settings
from tests.quality import Figure
from tests.quality.injection import packed_rows
from tests.quality.measures import rows, share

PRESIDIO = "Presidio templates"
COMMENTS = "WNUT-17 comments"
KEYS = "Made keys of 20 kinds"
PROSE = "Ordinary sentences"
STRUCTURED = {
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "EMAIL_ADDRESS": "email",
    "IP_ADDRESS": "ip",
    "PHONE_NUMBER": "phone",
    "US_SSN": "ssn",
    "DOMAIN_NAME": "url",
}
_ADDRESSES = {"STREET_ADDRESS": "address"}
_NAMES = {"PERSON": "name", "person": "name"}

REDACTOR = Redactor(Settings(redaction_kinds=KINDS))


def counts(data: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> dict[str, tuple[int, int, int]]:
    """By kind: spans found, spans missed, and findings that touch no span of their kind."""
    found: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    false: Counter[str] = Counter()
    wanted = set(kinds.values())
    for row in data:
        spans = [(kinds[one["type"]], one["start"], one["end"]) for one in row["spans"] if one["type"] in kinds]
        findings = [one for one in REDACTOR.find(row["prompt"]) if one.kind in wanted]
        for kind, start, end in spans:
            (found if any(_same(one, kind, start, end) for one in findings) else missed)[kind] += 1
        for one in findings:
            if not any(_same(one, *span) for span in spans):
                false[one.kind] += 1
    return {kind: (found[kind], missed[kind], false[kind]) for kind in sorted(wanted)}


def _same(finding: Finding, kind: str, start: int, end: int) -> bool:
    return finding.kind == kind and finding.start < end and start < finding.end


def wrong_entities() -> list[bool]:
    """For each comment of the web, whether a structured entity was found in it: nearly always wrongly."""
    wanted = set(KINDS) - {"name", "age"}
    return [any(one.kind in wanted for one in REDACTOR.find(row["prompt"])) for row in rows("pii_names_wnut17")]


_BASE62 = string.ascii_letters + string.digits
_HEXADECIMAL = string.hexdigits[:16]
_MADE = {
    "OpenAI": ("sk-", _BASE62, 48),
    "OpenAI, project": ("sk-proj-", _BASE62 + "_-", 80),
    "Anthropic": ("sk-ant-api03-", _BASE62 + "_-", 93),
    "AWS key id": ("AKIA", string.ascii_uppercase + "234567", 16),
    "Google": ("AIza", _BASE62 + "_-", 35),
    "GitHub": ("ghp_", _BASE62, 36),
    "GitHub, fine-grained": ("github_pat_", _BASE62, 82),
    "GitLab": ("glpat-", _BASE62 + "_-", 20),
    "Slack": ("xoxb-", string.digits, 12),
    "Stripe": ("sk_live_", _BASE62, 24),
    "SendGrid": ("SG.", _BASE62, 22),
    "Twilio": ("SK", _HEXADECIMAL, 32),
    "Hugging Face": ("hf_", string.ascii_letters, 34),
    "npm": ("npm_", _BASE62, 36),
    "PyPI": ("pypi-", _BASE62 + "_-", 150),
    "JSON Web Token": ("eyJ", _BASE62, 33),
}
_ASSIGNED = {
    "AWS secret": "aws_secret_access_key = {}",
    "Azure storage": "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={}==",
    "connection string": "postgresql://app:{}@db.example.com:5432/shop",
    "private key": "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
}
_FRAMES = (
    "{}",
    "use {} for the call",
    'key = "{}"',
    "It says {}, is that right?",
    "curl -H 'X-Key: {}'",
    "({})",
    "TOKEN={}\n",
)


def made_secrets(seed: int = 3, each: int = 20) -> list[tuple[str, str, str]]:
    """Kind, text and the part of it that must be masked."""
    generator = random.Random(seed)

    def draw(alphabet: str, n: int) -> str:
        return "".join(generator.choices(alphabet, k=n))

    made = []
    for _ in range(each):
        for kind, (prefix, alphabet, n) in _MADE.items():
            body = draw(alphabet, n)
            if kind == "Slack":
                body += f"-{draw(string.digits, 12)}-{draw(_BASE62, 24)}"
            if kind in ("SendGrid", "JSON Web Token"):
                body += f".{draw(_BASE62 + '_-', 43)}"
            if kind == "JSON Web Token":
                body += f".{draw(_BASE62 + '_-', 43)}"
            made.append((kind, generator.choice(_FRAMES).format(prefix + body), body))
        for kind, frame in _ASSIGNED.items():
            body = (
                draw(_BASE62 + "+/", 64 if kind == "private key" else 40).replace("/", "x")
                if kind != "connection string"
                else draw(_BASE62, 16)
            )
            made.append((kind, frame.format(body), body))
    return made


def ordinary_sentences(least: int = 10_000) -> list[str]:
    """Sentences of comments, tweets, questions, instructions and documents."""
    texts = [row["prompt"] for name in ("pii_names_wnut17", "toxicity_davidson") for row in rows(name)]
    texts += [row["text"] for row in packed_rows("injection") if not row["label"] and row["family"] != "code"]
    texts += [
        row["text"] for row in packed_rows("../training/data/injection") if not row["label"] and row["family"] != "code"
    ]
    sentences = [piece for text in texts for piece in re.split(r"(?<=[.!?])\s+|\n+", text) if piece.strip()]
    return sorted(set(sentences))[: 2 * least]


def span_figures(data: Sequence[Mapping[str, Any]], kinds: Mapping[str, str], name: str) -> list[Figure]:
    """F1 of all kinds together, and the recall of each that occurs."""
    by_kind = {kind: found for kind, found in counts(data, kinds).items() if sum(found)}
    found, missed, false = (sum(values) for values in zip(*by_kind.values(), strict=True))
    n = found + missed
    f1 = 2 * found / max(1, 2 * found + missed + false)
    low, high = (2 * edge / (1 + edge) for edge in share(found, n + false)[1:])
    figures = [Figure("personal_data", f"{name}: {', '.join(by_kind)}", n, "F1", f1, low, high)]
    for kind, (hit, lost, _) in by_kind.items():
        if hit + lost:
            figures.append(Figure("personal_data", f"{name}: {kind}", hit + lost, "recall", *share(hit, hit + lost)))
    return figures


def report() -> list[Figure]:
    """F1 of the structured kinds, recall by kind, false alarms, and the same for secrets and names."""
    figures = []
    presidio, comments = rows("pii_presidio"), rows("pii_names_wnut17")
    figures += span_figures(presidio, STRUCTURED, PRESIDIO)
    hit, lost, extra = counts(presidio, _ADDRESSES)["address"]
    figures.append(Figure("personal_data", f"{PRESIDIO}: address", hit + lost, "recall", *share(hit, hit + lost)))
    figures.append(Figure("personal_data", f"{PRESIDIO}: address", hit + extra, "precision", *share(hit, hit + extra)))
    wrong = wrong_entities()
    figures.append(Figure("personal_data", COMMENTS, len(wrong), "false alarms", *share(sum(wrong), len(wrong))))
    for data, name in ((presidio, PRESIDIO), (comments, COMMENTS)):
        hit, lost, extra = counts(data, _NAMES)["name"]
        figures.append(Figure("person_named", name, hit + lost, "recall", *share(hit, hit + lost)))
        figures.append(Figure("person_named", name, hit + extra, "precision", *share(hit, hit + extra)))
    masked = [body not in REDACTOR.mask(text)[0] for _, text, body in made_secrets()]
    figures.append(Figure("secret", KEYS, len(masked), "recall", *share(sum(masked), len(masked))))
    hits = [any(one.kind == "secret" for one in REDACTOR.find(text)) for text in ordinary_sentences()]
    figures.append(Figure("secret", PROSE, len(hits), "false alarms", *share(sum(hits), len(hits))))
    return figures

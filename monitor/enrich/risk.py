"""Risks: personal data, secrets, and attempts to inject instructions, by users and in documents."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue
from monitor.records import HIDDEN
from monitor.redaction import KINDS, PLACEHOLDER, Redactor
from monitor.text.injection import THRESHOLD, injection_score, is_indirect_injection

if TYPE_CHECKING:
    from monitor.records import Message, Span
    from monitor.settings import Settings

_SECRET = "secret"  # noqa: S105
_NAME = "name"
_LOOKED_FOR = tuple(kind for kind in KINDS if kind not in ("url", "age"))
_NOT_PERSONAL = frozenset((_SECRET, _NAME, "url", "age"))
_CHARACTERS = 20_000
_OUTSIDE_ROLES = frozenset(("tool", "function", "ipython"))
_OWN_ROLES = frozenset(("system", "developer", "assistant", "model", "ai"))


def _compute(calls: Sequence[Span], settings: Settings) -> list[dict[str, SignalValue]]:
    redactor = _redactor(settings.default_region)
    return [_risks(call, redactor) for call in calls]


@functools.lru_cache(maxsize=4)
def _redactor(region: str) -> Redactor:
    from monitor.settings import Settings

    # Whatever is masked: what was stored unmasked must be seen.
    return Redactor(Settings.model_construct(default_region=region, redaction_kinds=_LOOKED_FOR))


def _risks(call: Span, redactor: Redactor) -> dict[str, SignalValue]:
    values: dict[str, SignalValue] = {}
    secret = call.masked.get(_SECRET, 0) > 0
    known = secret
    prompts = [message.content for message in call.prompt if message.content and message.content != HIDDEN]
    if prompts:
        kinds = _kinds(prompts, redactor)
        values["prompt_personal_data"] = bool(kinds - _NOT_PERSONAL)
        written = _written_by_user(call.prompt)
        if written is not None:
            score = injection_score(written)
            values["injection_score"] = score
            values["prompt_injection"] = score >= THRESHOLD
        known, secret = True, secret or _SECRET in kinds
    if call.has_response:
        kinds = _kinds([call.response], redactor)
        values["personal_data"] = bool(kinds - _NOT_PERSONAL)
        values["person_named"] = _NAME in kinds
        known, secret = True, secret or _SECRET in kinds
    if known:
        values["secret"] = secret
    if given := _from_outside(call):
        values["context_injection"] = any(map(is_indirect_injection, given))
    return values


def _kinds(texts: Iterable[str], redactor: Redactor) -> set[str]:
    kinds: set[str] = set()
    for text in texts:
        head = text[:_CHARACTERS]
        if "[" in head:
            kinds.update(match[1].lower() for match in PLACEHOLDER.finditer(head))
        kinds.update(finding.kind for finding in redactor.find(head))
    return kinds


def _written_by_user(messages: Sequence[Message]) -> str | None:
    """The last thing a user wrote: earlier turns were judged with their own calls."""
    for message in reversed(messages):
        if message.role not in _OWN_ROLES and message.role not in _OUTSIDE_ROLES:
            return message.content if message.content.strip() and message.content != HIDDEN else None
    return None


def _from_outside(call: Span) -> list[str]:
    """Documents and tool results, the first 20,000 characters of all together."""
    given: list[str] = []
    room = _CHARACTERS
    texts = [message.content for message in call.prompt if message.role in _OUTSIDE_ROLES]
    for text in (*call.context, *texts):
        if text.strip() and text != HIDDEN and room > 0:
            given.append(text[:room])
            room -= len(text)
    return given


_FOUND = (
    "Addresses of public places and dates of birth in biographies count too, and so does a placeholder such as [EMAIL] "
    "that the application wrote itself. First 20,000 characters of each text."
)
_ATTACKS = (
    "Tried is not won. Ways of attack unlike those of the training data are missed more often "
    "(docs/models/injection.md), other languages but for a few phrases; texts about attacks and elaborate role play "
    "may be found."
)

risk = Enricher(
    name="risk",
    version=2,
    signals=(
        Signal(
            "personal_data",
            Kind.FLAG,
            "Personal data in answers",
            "The response has an e-mail or postal address, a telephone, card, account or IP number, a national "
            "identifier or a date of birth, masked or not.",
            family="safety",
            good="down",
            relevant=0.01,
            misleads=_FOUND,
        ),
        Signal(
            "prompt_personal_data",
            Kind.FLAG,
            "Personal data in prompts",
            "What was sent to the model has an e-mail or postal address, a telephone, card, account or IP number, a "
            "national identifier or a date of birth, masked or not.",
            family="safety",
            good="down",
            relevant=0.02,
            misleads=_FOUND,
        ),
        Signal(
            "person_named",
            Kind.FLAG,
            "People named in answers",
            "The response names a person (titles, introductions, 7,200 first names of 18 countries).",
            family="safety",
            relevant=0.05,
            misleads="Finds three names in five in letters and addresses and one in four in comments from the web "
            "(docs/models/personal_data.md), and takes some places and works for people; public figures count.",
        ),
        Signal(
            "secret",
            Kind.FLAG,
            "Secrets",
            "A key, token or password was in the prompt or the response, masked or not.",
            family="safety",
            good="down",
            relevant=0.005,
            misleads="Keys of unknown make are found only where they are named; sample keys of manuals are found too.",
        ),
        Signal(
            "prompt_injection",
            Kind.FLAG,
            "Prompt injection",
            "The last user message tries to override the model's instructions or to lift its limits (rules, and a "
            "model with a score of 0.55 or more).",
            family="safety",
            good="down",
            relevant=0.01,
            misleads=_ATTACKS,
        ),
        Signal(
            "injection_score",
            Kind.NUMBER,
            "Injection score",
            "How much the last user message looks like an injection or jailbreak: 0 ordinary, 1 an attack.",
            family="safety",
            good="down",
            relevant=0.5,
            misleads=_ATTACKS,
        ),
        Signal(
            "context_injection",
            Kind.FLAG,
            "Injection in documents",
            "A document or tool result given to the model speaks to the model instead of to people, openly or hidden "
            "in comments, base64 or characters without width (rules).",
            family="safety",
            good="down",
            relevant=0.005,
            misleads="Known phrasings, mostly English; manuals about prompts are found too. First 20,000 characters of "
            "all documents together. Tried is not won.",
        ),
    ),
    compute=_compute,
)

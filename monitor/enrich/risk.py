"""Risks: personal data, secrets, and attempts to inject instructions."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue
from monitor.records import HIDDEN
from monitor.redaction import PLACEHOLDER, Redactor
from monitor.text.injection import is_indirect_injection, is_injection

if TYPE_CHECKING:
    from monitor.records import Message, Span
    from monitor.settings import Settings

_SECRET = "secret"  # noqa: S105
_CHARACTERS = 20_000
_OUTSIDE_ROLES = frozenset(("tool", "function", "ipython"))
_OWN_ROLES = frozenset(("system", "developer", "assistant", "model", "ai"))


def _compute(calls: Sequence[Span], settings: Settings) -> list[dict[str, SignalValue]]:
    redactor = _redactor(settings.default_region)
    return [_risks(call, redactor) for call in calls]


@functools.lru_cache(maxsize=4)
def _redactor(region: str) -> Redactor:
    from monitor.settings import Settings

    # All kinds, whatever is masked: what was stored unmasked must be seen.
    return Redactor(Settings.model_construct(default_region=region))


def _risks(call: Span, redactor: Redactor) -> dict[str, SignalValue]:
    values: dict[str, SignalValue] = {}
    secret = call.masked.get(_SECRET, 0) > 0
    known = secret
    prompts = [message.content for message in call.prompt if message.content and message.content != HIDDEN]
    if prompts:
        kinds = _kinds(prompts, redactor)
        values["prompt_personal_data"] = bool(kinds - {_SECRET})
        values["prompt_injection"] = _is_attacked(call)
        known, secret = True, secret or _SECRET in kinds
    if call.has_response:
        kinds = _kinds([call.response], redactor)
        values["personal_data"] = bool(kinds - {_SECRET})
        known, secret = True, secret or _SECRET in kinds
    if known:
        values["secret"] = secret
    return values


def _kinds(texts: Iterable[str], redactor: Redactor) -> set[str]:
    kinds: set[str] = set()
    for text in texts:
        head = text[:_CHARACTERS]
        if "[" in head:
            kinds.update(match[1].lower() for match in PLACEHOLDER.finditer(head))
        kinds.update(finding.kind for finding in redactor.find(head))
    return kinds


def _is_attacked(call: Span) -> bool:
    return (
        any(is_injection(text) for text in _written_by_users(call.prompt))
        or any(is_indirect_injection(message.content) for message in call.prompt if message.role in _OUTSIDE_ROLES)
        or any(is_indirect_injection(document) for document in call.context if document != HIDDEN)
    )


def _written_by_users(messages: Sequence[Message]) -> Iterable[str]:
    """The last thing a user wrote: earlier turns were judged with their own calls."""
    for message in reversed(messages):
        if message.role not in _OWN_ROLES and message.role not in _OUTSIDE_ROLES and message.content != HIDDEN:
            return (message.content,)
    return ()


_FOUND = (
    "Names and postal addresses are not found; a placeholder such as [EMAIL] that the application wrote itself "
    "counts. First "
    "20,000 characters of each text."
)

risk = Enricher(
    name="risk",
    version=1,
    signals=(
        Signal(
            "personal_data",
            Kind.FLAG,
            "Personal data in answers",
            "The response has an e-mail address, telephone, card, account or social security number or IP "
            "address, masked "
            "or not.",
            family="safety",
            good="down",
            relevant=0.01,
            misleads=_FOUND,
        ),
        Signal(
            "prompt_personal_data",
            Kind.FLAG,
            "Personal data in prompts",
            "What was sent to the model has an e-mail address, telephone, card, account or social security "
            "number or IP "
            "address, masked or not.",
            family="safety",
            good="down",
            relevant=0.02,
            misleads=_FOUND,
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
            "The last user message, a document or a tool result tries to override the model's instructions (rules).",
            family="safety",
            good="down",
            relevant=0.01,
            misleads="Known ways of attack only: new ones are missed, texts about attacks found. Tried is not won.",
        ),
    ),
    compute=_compute,
)

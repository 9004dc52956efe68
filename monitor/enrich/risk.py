"""Risks of privacy: personal data and secrets in prompts and answers."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue
from monitor.records import HIDDEN
from monitor.redaction import KINDS, PLACEHOLDER, Redactor

if TYPE_CHECKING:
    from monitor.records import Span
    from monitor.settings import Settings

_SECRET = "secret"  # noqa: S105
_NAME = "name"
_LOOKED_FOR = tuple(kind for kind in KINDS if kind not in ("url", "age"))
_NOT_PERSONAL = frozenset((_SECRET, _NAME, "url", "age"))
_CHARACTERS = 20_000


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
        known, secret = True, secret or _SECRET in kinds
    if call.has_response:
        kinds = _kinds([call.response], redactor)
        values["personal_data"] = bool(kinds - _NOT_PERSONAL)
        values["person_named"] = _NAME in kinds
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


_FOUND = (
    "Addresses of public places and dates of birth in biographies count too, and so does a placeholder such as [EMAIL] "
    "that the application wrote itself. First 20,000 characters of each text."
)

risk = Enricher(
    name="risk",
    version=3,
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
            good="down",
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
    ),
    compute=_compute,
)

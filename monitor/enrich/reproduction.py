"""How much of an answer is taken word for word from a registered protected text, or from its own context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue
from monitor.records import HIDDEN
from monitor.text.fingerprints import SURE, Fingerprints, copied, read_fingerprints, reproduced

if TYPE_CHECKING:
    from monitor.records import Span
    from monitor.settings import Settings

_MUCH = 0.3
_CONTEXT_CHARACTERS = 50_000


def _compute(calls: Sequence[Span], settings: Settings) -> list[dict[str, SignalValue]]:
    known = read_fingerprints(settings.protected_texts) if settings.protected_texts is not None else None
    return [_measure(call, known) for call in calls]


def _measure(call: Span, known: Fingerprints | None) -> dict[str, SignalValue]:
    values: dict[str, SignalValue] = {}
    if not call.has_response:
        return values
    if known is not None and (share := reproduced(call.response, known)) is not None:
        values["protected_share"] = share
        values["protected"] = share >= _MUCH
    given = [text[:_CONTEXT_CHARACTERS] for text in call.context if text.strip() and text != HIDDEN]
    if given and (share := copied(call.response, given)) is not None:
        values["context_copied"] = share
    return values


_SETTING = "Only with MONITOR_PROTECTED_TEXTS (made by llmops-monitor fingerprint). "

reproduction = Enricher(
    name="reproduction",
    version=1,
    signals=(
        Signal(
            "protected_share",
            Kind.NUMBER,
            "Protected text in answers",
            "Share of the words of the answer that stand in runs shared with a registered protected text; every run of "
            f"{SURE} words is found (winnowing).",
            family="safety",
            good="down",
            relevant=0.5,
            misleads=_SETTING + "Paraphrases and translations are missed; common phrases and quotations are found.",
            weight=0.3,
        ),
        Signal(
            "protected",
            Kind.FLAG,
            "Answers that reproduce protected text",
            "30% or more of the words of the answer stand in runs shared with a registered protected text.",
            family="safety",
            good="down",
            relevant=0.005,
            misleads=_SETTING + "A short protected passage in a long answer stays below the limit: see the share.",
        ),
        Signal(
            "context_copied",
            Kind.NUMBER,
            "Copied from the context",
            f"Share of the words of the answer that stand in runs of {SURE} words or more which its context has too.",
            family="quality",
            relevant=0.2,
            misleads="Quoting is what some applications are for. Answers under eight words have no value.",
            weight=0.3,
        ),
    ),
    compute=_compute,
)

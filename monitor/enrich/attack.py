"""Attacks and harm: injection by users and in documents, harmful topics, and whether the model went along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue, each
from monitor.records import HIDDEN
from monitor.text.harm import NONE, harm_category
from monitor.text.indirect import is_indirect_injection
from monitor.text.injection import THRESHOLD, injection_score
from monitor.text.refusal import is_refusal

if TYPE_CHECKING:
    from monitor.records import Message, Span

_CHARACTERS = 20_000
_LEAST_ANSWER = 20
_OUTSIDE_ROLES = frozenset(("tool", "function", "ipython"))
_OWN_ROLES = frozenset(("system", "developer", "assistant", "model", "ai"))


def _attacks(call: Span) -> dict[str, SignalValue]:
    values: dict[str, SignalValue] = {}
    written = _written_by_user(call.prompt)
    if written is not None:
        score = injection_score(written)
        category = harm_category(written)
        attacked = score >= THRESHOLD
        values |= {"injection_score": score, "prompt_injection": attacked}
        values |= {"harm_category": category, "harmful_prompt": category != NONE}
        if call.has_response:
            values["unsafe_compliance"] = (
                (attacked or category != NONE)
                and len(call.response.strip()) >= _LEAST_ANSWER
                and not is_refusal(call.response)
            )
    if given := _from_outside(call):
        values["context_injection"] = any(map(is_indirect_injection, given))
    return values


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


_ATTACKS = (
    "Tried is not won. Ways of attack unlike those of the training data are missed more often "
    "(docs/models/injection.md), other languages but for a few phrases; texts about attacks and elaborate role play "
    "may be found."
)

_HARM = (
    "Topics, not intent: who asks for help with thoughts of suicide is found like who plans one, and so are questions "
    "of researchers and novelists. English; hints are missed (docs/models/harm.md). First 2,000 characters."
)

attack = Enricher(
    name="attack",
    version=2,
    signals=(
        Signal(
            "prompt_injection",
            Kind.FLAG,
            "Prompt injection",
            "The last user message tries to override the model's instructions or to lift its limits (rules, and a "
            "model with a score of 0.45 or more).",
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
            "in comments, invisible styles, base64 or characters without width (rules, and a model).",
            family="safety",
            good="down",
            relevant=0.005,
            misleads="Mostly English. An order that could be meant for people is missed; texts about prompts and "
            "assistants are found too. First 20,000 characters of all documents together, of each the first 8,000 and "
            "the last 1,000. Tried is not won (docs/models/planted.md).",
        ),
        Signal(
            "harmful_prompt",
            Kind.FLAG,
            "Harmful prompts",
            "The last user message is about self-harm, violence, sexual content, hate or other illegal acts.",
            family="safety",
            good="down",
            relevant=0.01,
            misleads=_HARM,
        ),
        Signal(
            "harm_category",
            Kind.CATEGORY,
            "Harmful topics of prompts",
            "What harm the last user message asks for or speaks of: self_harm, violence, sexual, hate, illegal, none "
            "(model).",
            family="drift",
            relevant=0.02,
            misleads=_HARM,
        ),
        Signal(
            "unsafe_compliance",
            Kind.FLAG,
            "Unsafe compliance",
            "The prompt was an attack or about something harmful, and the model answered instead of refusing.",
            family="safety",
            good="down",
            relevant=0.01,
            misleads="A harmless answer to a harmful prompt counts as well, such as help for somebody in distress; a "
            "refusal after a long preamble is taken for an answer. Inherits the errors of injection, harm and refusal.",
        ),
    ),
    compute=each(_attacks),
)

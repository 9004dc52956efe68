"""The canonical records: what every sender's dialect is turned into, and what the enrichers read.

A `Span` is one operation an application reported; a span of kind `llm` is a call. A `Feedback` is what a human or
an evaluator says of a span, a trace or a session. They are plain structures: checked where they come in
(`monitor.ingest`), never changed afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

SpanKind = Literal[
    "llm",
    "embedding",
    "retriever",
    "reranker",
    "tool",
    "agent",
    "chain",
    "guardrail",
    "evaluator",
    "prompt",
    "duplicate",
    "unknown",
]
Status = Literal["ok", "error"]
Scalar = str | int | float | bool

HIDDEN = "__REDACTED__"
"""What OpenInference senders put in place of content they hide: stored as such, never scored as text."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a conversation. `content` is its text; tool calls and other parts stand in `parts` as JSON."""

    role: str
    content: str = ""
    parts: str = ""


class Tokens(msgspec.Struct, frozen=True, omit_defaults=True):
    """Token counts in disjoint buckets: each token is in exactly one; None means that the sender said nothing.

    `rule` tells how the sender's input count was read: `inclusive` (cached tokens were part of it and have been
    subtracted), `exclusive` (they came on top) or empty (no cached tokens were reported).
    """

    input_uncached: int | None = None
    input_cache_read: int | None = None
    input_cache_write: int | None = None
    input_cache_write_1h: int | None = None
    input_audio: int | None = None
    output_text: int | None = None
    output_reasoning: int | None = None
    output_audio: int | None = None
    rule: Literal["", "inclusive", "exclusive"] = ""

    @property
    def input(self) -> int | None:
        """All input tokens, or None where nothing was reported."""
        return _sum(
            self.input_uncached,
            self.input_cache_read,
            self.input_cache_write,
            self.input_cache_write_1h,
            self.input_audio,
        )

    @property
    def output(self) -> int | None:
        """All output tokens, or None where nothing was reported."""
        return _sum(self.output_text, self.output_reasoning, self.output_audio)


def _sum(*counts: int | None) -> int | None:
    present = [count for count in counts if count is not None]
    return sum(present) if present else None


class Feedback(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a human or an evaluator says of a span (trace and span id), a trace (trace id only) or a session.

    Exactly one of `value` (thumbs and flags are 0 or 1, ratings are numbers) and `label` (a category) is usual; a
    comment or correction may stand alone. `identifier` makes a repeated report replace the earlier one. The annotator
    `implicit` is what a user did rather than said, such as copying an answer.
    """

    name: str
    time: datetime
    trace_id: str = ""
    span_id: str = ""
    session_id: str = ""
    value: float | None = None
    flag: bool = False
    label: str | None = None
    comment: str | None = None
    correction: str | None = None
    annotator: Literal["human", "llm", "code", "implicit"] = "human"
    annotator_id: str = ""
    identifier: str = ""


class Span(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One operation reported by an application, in the product's own terms.

    Times are aware UTC. Durations are in seconds, costs in US dollars as the *sender* states them. `user` is a keyed
    pseudonym, never the identifier that was sent. `tags` are what may become segments; `attributes` is the rest of
    what was sent and not understood, kept for people to read. `masked` counts what redaction replaced, by kind;
    `truncated` names fields that were cut.
    """

    trace_id: str
    span_id: str
    time: datetime
    kind: SpanKind = "llm"
    name: str = ""
    parent_id: str = ""
    session_id: str = ""
    user: str = ""
    provider: str = ""
    model: str = ""
    requested_model: str = ""
    environment: str = ""
    release: str = ""
    prompt_version: str = ""
    feature: str = ""
    prompt: tuple[Message, ...] = ()
    response: str = ""
    response_parts: str = ""
    context: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    tokens: Tokens = Tokens()
    cost_usd: float | None = None
    latency_s: float | None = None
    time_to_first_token_s: float | None = None
    status: Status = "ok"
    error: str = ""
    finish_reason: str = ""
    service_tier: str = ""
    tags: Mapping[str, Scalar] = {}
    attributes: Mapping[str, object] = {}
    masked: Mapping[str, int] = {}
    truncated: tuple[str, ...] = ()
    source: str = ""

    @property
    def prompt_text(self) -> str:
        """The last user message; all messages joined where there is none."""
        for message in reversed(self.prompt):
            if message.role == "user":
                return message.content
        return "\n\n".join(message.content for message in self.prompt)

    @property
    def has_response(self) -> bool:
        """True where the text of the answer is there to be looked at."""
        return bool(self.response) and self.response != HIDDEN


class Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """The heavy part of a span, stored compressed and apart from its row, so that lists never read it."""

    prompt: tuple[Message, ...] = ()
    response: str = ""
    response_parts: str = ""
    context: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    error: str = ""
    attributes: Mapping[str, object] = {}
    truncated: tuple[str, ...] = ()


BODY_FIELDS = frozenset(Body.__struct_fields__)

"""Spans that say nothing of language models: requests, queries, functions. They give a trace its shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.contracts import Decoded, Dialect
from monitor.ingest.assemble import assemble
from monitor.ingest.messages import answer_of, messages_of
from monitor.ingest.raw_span import RawSpan
from monitor.ingest.vocabulary import Vocabulary

VOCABULARY = Vocabulary(fields={"input": ("input.value",), "output": ("output.value",)})


def recognises(attributes: Mapping[str, Any]) -> bool:  # noqa: ARG001 - every span, whatever its attributes
    """True: what no other dialect knows is taken as it is."""
    return True


def decode(raw: RawSpan) -> Decoded:
    """The span with its attributes; a root of a trace is a chain."""
    found = VOCABULARY.sort(raw.attributes)
    return assemble(
        raw,
        found,
        "unknown" if raw.parent_id else "chain",
        prompt=messages_of(found.fields.get("input")),
        response=answer_of(messages_of(found.fields.get("output"), "assistant")),
    )


DIALECT = Dialect("plain", 0, recognises, decode)

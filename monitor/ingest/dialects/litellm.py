"""LiteLLM, library and proxy: what it adds to `gen_ai.*`.

The cost it worked out, the usage with cached tokens (JSON inside `hidden_params`, or as Python writes it), names of
its own for what is called, who holds the key, guardrails. Its counts follow OpenAI's: cached tokens are part of the
input, whatever the provider.
A call answered from its own cache costs nothing and says so. The request to the provider is a span below the call
(`llm.<provider>.*`) that repeats it: it counts nothing. Source: BerriAI/litellm,
litellm/integrations/opentelemetry.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monitor.contracts import Decoded, Dialect
from monitor.ingest.assemble import assemble
from monitor.ingest.raw_span import RawSpan
from monitor.ingest.usage import usage_of
from monitor.ingest.values import try_json
from monitor.ingest.vocabulary import Sorted, Vocabulary
from monitor.records import Message, SpanKind

VOCABULARY = Vocabulary(
    fields={
        "operation": ("gen_ai.operation.name", "llm.request.type"),
        "provider": ("gen_ai.provider.name", "gen_ai.system"),
        "model": ("gen_ai.response.model",),
        "requested_model": ("gen_ai.request.model",),
        "user": (
            "llm.user",
            "gen_ai.user",
            "user.id",
            "metadata.user_api_key_end_user_id",
            "metadata.user_api_key_user_id",
        ),
        "session": ("session.id", "gen_ai.conversation.id", "metadata.litellm_session_id"),
        "cost": ("llmops.cost_usd", "gen_ai.cost.total_cost", "gen_ai.usage.cost"),
        "hidden": ("hidden_params",),
        "usage": ("metadata.usage_object",),
        "error_type": ("error.type", "exception.type"),
        "guardrail": ("guardrail_name",),
        "output": ("guardrail_response",),
        "withheld": (
            "metadata.user_api_key_user_email",
            "metadata.user_api_key_hash",
            "metadata.requester_ip_address",
            "metadata.requester_metadata",
            "metadata.spend_logs_metadata",
        ),
    },
    kept=("gen_ai.", "llm.", "guardrail_", "masked_entity_count", "error.", "litellm"),
)

_KINDS: dict[str, SpanKind] = {
    "completion": "llm",
    "chat": "llm",
    "text_completion": "llm",
    "responses": "llm",
    "anthropic_messages": "llm",
    "generate_content": "llm",
    "generate_content_stream": "llm",
    "embedding": "embedding",
    "embeddings": "embedding",
    "rerank": "reranker",
    "call_mcp_tool": "tool",
}
_REPEATED = re.compile(r"llm\.(?!request|response|usage|headers)\w+\.(messages|choices|usage|created|content)\Z")
_TELLING = frozenset(
    ("hidden_params", "gen_ai.cost.total_cost", "metadata.user_api_key_hash", "metadata.user_api_key_alias")
)


def recognises(attributes: Mapping[str, Any]) -> bool:
    """True where a span has what only LiteLLM writes."""
    if any(_REPEATED.match(name) for name in attributes):
        return True
    return not _TELLING.isdisjoint(attributes) or ("guardrail_name" in attributes and "guardrail_mode" in attributes)


def decode(raw: RawSpan) -> Decoded:
    """The span in the product's own terms; messages, and tokens without cached ones, are left to `gen_ai`."""
    found = VOCABULARY.sort(raw.attributes)
    fields = found.fields
    if any(_REPEATED.match(name) for name in raw.attributes):
        # Who asked is told by the call above, as a pseudonym.
        found.rest = {name: value for name, value in found.rest.items() if not name.endswith((".user", ".metadata"))}
        return assemble(raw, found, "chain")
    hidden = try_json(fields.get("hidden"))
    hidden = hidden if isinstance(hidden, Mapping) else {}
    usage = usage_of(hidden.get("usage_object")) or usage_of(_from_python(fields.get("usage")))
    if usage:
        fields |= usage
        fields["usage_rule"] = "inclusive"
    fields.setdefault("cost", hidden.get("response_cost"))
    if fields.get("provider") == "Unknown":
        del fields["provider"]
    return assemble(raw, found, _kind(found), response=_response(found), prompt=_prompt(found))


def _from_python(value: Any) -> Any:
    """The value of Python's way to write a dictionary of names and numbers."""
    return try_json(value.replace("'", '"').replace("None", "null")) if isinstance(value, str) else value


def _kind(found: Sorted) -> SpanKind:
    if "guardrail" in found.fields:
        return "guardrail"
    operation = found.text("operation").lower()
    # Asynchronous operations have an "a" in front.
    return _KINDS.get(operation) or _KINDS.get(operation.removeprefix("a")) or "unknown"


def _prompt(found: Sorted) -> tuple[Message, ...]:
    name = found.text("guardrail")
    return (Message("user", name),) if name else ()


def _response(found: Sorted) -> tuple[str, str]:
    return found.text("output"), ""


DIALECT = Dialect("litellm", 40, recognises, decode)

"""OpenLIT: guards, evaluations, costs."""

from __future__ import annotations

from datetime import timedelta

from monitor.records import Feedback, Message, Tokens
from tests.decoding import decode, record
from tests.telemetry import NOW, event


def test_openlit() -> None:
    decoded = decode(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 30,
            "gen_ai.usage.total_tokens": 130,
            "gen_ai.usage.prompt_tokens_details.cached_tokens": 64,
            "gen_ai.usage.cost": 0.00042,
            "gen_ai.server.ttft": 0.25,
            "gen_ai.server.tbt": 0.01,
            "gen_ai.environment": "staging",
            "gen_ai.application_name": "shop-bot",
            "gen_ai.request.user": "ann",
            "gen_ai.sdk.version": "1.2",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.eval.groundedness": 0.9,
        },
        events=[
            event("gen_ai.content.prompt", **{"gen_ai.prompt": "user: What is a river?"}),
            event("gen_ai.content.completion", **{"gen_ai.completion": "Water."}),
            event(
                "guard.evaluation",
                **{
                    "guard.name": "pii",
                    "guard.verdict": "yes",
                    "guard.denied": True,
                    "guard.explanation": "an address",
                },
            ),
        ],
    )
    assert decoded.span == record(
        provider="openai",
        model="gpt-4o-2024-08-06",
        requested_model="gpt-4o",
        prompt=(Message("user", "user: What is a river?"),),
        response="Water.",
        tokens=Tokens(input_uncached=36, input_cache_read=64, output_text=30, rule="inclusive"),
        cost_usd=0.00042,
        time_to_first_token_s=0.25,
        finish_reason="stop",
        environment="staging",
        feature="shop-bot",
        user="ann",
    )
    place = {"trace_id": f"{1:032x}", "span_id": f"{1:016x}"}
    assert decoded.feedback == (
        Feedback(name="groundedness", time=NOW - timedelta(seconds=5), value=0.9, annotator="llm", **place),  # type: ignore[arg-type]
        Feedback(
            name="guard.pii",
            time=NOW - timedelta(seconds=4),
            value=1.0,
            flag=True,
            comment="an address",
            annotator="code",
            **place,
        ),
    )
    assert decoded.unmapped == ()

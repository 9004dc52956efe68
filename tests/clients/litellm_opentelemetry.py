"""LiteLLM with its callback "otel", for a model of OpenAI and one of Anthropic."""

import os
import time

from standard_calls import (
    ANTHROPIC_MODEL,
    MONITOR,
    OPENAI_MODEL,
    OPENAI_TOOLS,
    PROVIDER,
    SERVICE,
    SESSION,
    USER,
    conversation,
    failing,
)

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["OTEL_EXPORTER"] = "otlp_http"
os.environ["OTEL_ENDPOINT"] = f"{MONITOR}/v1/traces"
os.environ["OTEL_SERVICE_NAME"] = SERVICE
os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "100"
# Anthropic's own tracing would count the call a second time.
os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "false"

import litellm

litellm.callbacks = ["otel"]
litellm.suppress_debug_info = True
OPENAI = {"model": f"openai/{OPENAI_MODEL}", "api_base": f"{PROVIDER}/v1"}
ANTHROPIC = {"model": f"anthropic/{ANTHROPIC_MODEL}", "api_base": PROVIDER}


def ask(question: str, place: dict[str, str], **more: object) -> object:
    """One call; LiteLLM writes into the metadata, so each gets its own."""
    who = {"user": USER, "metadata": {"session_id": SESSION}}
    made = litellm.completion(messages=conversation(question), api_key="none", num_retries=0, **who, **place, **more)
    time.sleep(0.3)  # it logs in the background, in no order
    return made


for place in (OPENAI, ANTHROPIC):
    ask("When do you open?", place)
    for _ in ask("And on Sunday?", place, stream=True, stream_options={"include_usage": True}):
        pass
    time.sleep(0.3)
    ask("Look it up.", place, tools=OPENAI_TOOLS)
    failing(lambda place=place: ask("Please fail 500.", place))
time.sleep(1.5)

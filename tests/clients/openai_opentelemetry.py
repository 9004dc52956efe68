"""openai with opentelemetry-instrumentation-openai-v2, conventions as they are now (messages on the spans)."""

import os

os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "span_only"

from openai import OpenAI
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from standard_calls import WhoAsks, call_openai, call_responses, openai_client, tracer_provider

provider = tracer_provider(WhoAsks())
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = openai_client(OpenAI)
call_openai(client)
call_responses(client)
provider.shutdown()

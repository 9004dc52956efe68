"""openai with OpenLLMetry's opentelemetry-instrumentation-openai."""

from openai import OpenAI
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from standard_calls import WhoAsks, call_openai, call_responses, openai_client, tracer_provider

provider = tracer_provider(WhoAsks())
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = openai_client(OpenAI)
call_openai(client)
call_responses(client)
provider.shutdown()

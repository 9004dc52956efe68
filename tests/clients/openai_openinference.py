"""openai with openinference-instrumentation-openai; session and user from its context manager."""

from openai import OpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai import OpenAIInstrumentor
from standard_calls import SESSION, USER, call_openai, call_responses, openai_client, tracer_provider

provider = tracer_provider()
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = openai_client(OpenAI)
with using_attributes(session_id=SESSION, user_id=USER):
    call_openai(client)
    call_responses(client)
provider.shutdown()

"""anthropic with openinference-instrumentation-anthropic; session and user from its context manager."""

from anthropic import Anthropic
from openinference.instrumentation import using_attributes
from openinference.instrumentation.anthropic import AnthropicInstrumentor
from standard_calls import SESSION, USER, anthropic_client, call_anthropic, tracer_provider

provider = tracer_provider()
AnthropicInstrumentor().instrument(tracer_provider=provider)
with using_attributes(session_id=SESSION, user_id=USER):
    call_anthropic(anthropic_client(Anthropic))
provider.shutdown()

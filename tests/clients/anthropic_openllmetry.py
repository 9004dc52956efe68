"""anthropic with OpenLLMetry's opentelemetry-instrumentation-anthropic."""

from anthropic import Anthropic
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
from standard_calls import WhoAsks, anthropic_client, call_anthropic, tracer_provider

provider = tracer_provider(WhoAsks())
AnthropicInstrumentor().instrument(tracer_provider=provider)
call_anthropic(anthropic_client(Anthropic))
provider.shutdown()

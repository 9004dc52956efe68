"""anthropic alone: since version 2 it traces its calls by itself where OpenTelemetry is set up."""

import os

os.environ["ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE"] = "content"

from anthropic import Anthropic
from opentelemetry import trace
from standard_calls import WhoAsks, anthropic_client, call_anthropic, tracer_provider

provider = tracer_provider(WhoAsks())
trace.set_tracer_provider(provider)
call_anthropic(anthropic_client(Anthropic))
provider.shutdown()

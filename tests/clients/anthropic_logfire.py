"""anthropic with logfire.instrument_anthropic; session and user as baggage."""

import os

from standard_calls import MONITOR, SERVICE, SESSION, USER, anthropic_client, call_anthropic

os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = MONITOR
os.environ["OTEL_METRICS_EXPORTER"] = "none"
# Anthropic's own tracing would count streamed calls a second time.
os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "false"

import logfire
from anthropic import Anthropic

logfire.configure(send_to_logfire=False, service_name=SERVICE, console=False, metrics=False)
logfire.instrument_anthropic()
with logfire.set_baggage(**{"session.id": SESSION, "user.id": USER}):
    call_anthropic(anthropic_client(Anthropic))
logfire.shutdown()

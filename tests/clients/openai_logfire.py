"""openai with logfire.instrument_openai; session and user as baggage."""

import os

from standard_calls import MONITOR, SERVICE, SESSION, USER, call_openai, call_responses, openai_client

os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = MONITOR
os.environ["OTEL_METRICS_EXPORTER"] = "none"

import logfire
from openai import OpenAI

logfire.configure(send_to_logfire=False, service_name=SERVICE, console=False, metrics=False)
logfire.instrument_openai()
client = openai_client(OpenAI)
with logfire.set_baggage(**{"session.id": SESSION, "user.id": USER}):
    call_openai(client)
    call_responses(client)
logfire.shutdown()

"""openai with opentelemetry-instrumentation-openai-v2 as it comes: conventions 1.30, messages as log records."""

import os

os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "true"

from openai import OpenAI
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from standard_calls import MONITOR, SERVICE, WhoAsks, call_openai, openai_client, tracer_provider

provider = tracer_provider(WhoAsks())
logs = LoggerProvider(Resource.create({"service.name": SERVICE}))
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{MONITOR}/v1/logs")))
OpenAIInstrumentor().instrument(tracer_provider=provider, logger_provider=logs)
call_openai(openai_client(OpenAI))
provider.shutdown()
logs.shutdown()

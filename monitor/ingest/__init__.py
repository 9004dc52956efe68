"""Ingest: what applications send becomes rows of the store.

`Ingester.submit` takes a `Batch` of records and answers a `Receipt` after the commit. The decoders beside it make
batches: `otlp` (OpenTelemetry) with the `dialects`, and `call_record` (JSON, files).
"""

from monitor.ingest.batch import Batch, Receipt, Rejection
from monitor.ingest.ingester import Ingester

__all__ = ["Batch", "Ingester", "Receipt", "Rejection"]

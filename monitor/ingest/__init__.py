"""Ingest: what applications send becomes rows of the store.

`Ingester.submit` takes a `Batch` of records and answers a `Receipt` after the commit. The decoders beside it make
batches: `otlp` (OpenTelemetry) with the `dialects`, and `call_record` (JSON, files). What needs no store is loaded
without it, for `helpers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitor.ingest.batch import Batch, Receipt, Rejection

if TYPE_CHECKING:
    from monitor.ingest.ingester import Ingester

__all__ = ["Batch", "Ingester", "Receipt", "Rejection"]


def __getattr__(name: str) -> Any:
    if name == "Ingester":
        from monitor.ingest.ingester import Ingester

        return Ingester
    raise AttributeError(name)

"""The way in: prepares what was sent and stores it; an answer means that it is on disk."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from monitor.ingest import otlp
from monitor.ingest.batch import Batch, Receipt
from monitor.ingest.buffer import GroupCommit
from monitor.ingest.helpers import Helpers
from monitor.ingest.parcel import Destination, Packer, Parcel
from monitor.ingest.writer import Writer
from monitor.settings import Settings
from monitor.store import Store


class Ingester:
    """Takes batches from any number of threads. Make one a process."""

    def __init__(self, store: Store, settings: Settings, helpers: int | None = None) -> None:
        """`helpers` bounds the helper processes; without it the machine's cores do."""
        self._writer = Writer(store)
        key = store.secret(settings.secret_key.get_secret_value())
        self._packer = Packer(settings, key)
        self.helpers = Helpers(settings, key, helpers)
        self._commits = GroupCommit[Parcel, Receipt](self._writer.write, settings.queue_records)

    def submit(self, batch: Batch, now: datetime) -> Receipt:
        """Stores a batch; returns after the commit.

        Raises Busy where too much waits already, Unavailable where the database cannot be written, InputError for an
        impossible project name. In all three cases nothing of the batch is promised to be stored.
        """
        return self.submit_all([batch], now)[0]

    def submit_all(self, batches: Iterable[Batch], now: datetime) -> list[Receipt]:
        """Stores several batches, in one transaction where nothing fails; receipts in order.

        Each batch is made ready to be written before the next is taken.
        """
        return self._submit([self._packer.pack(batch, now) for batch in batches], now)

    def submit_traces(self, body: bytes, encoding: str, destination: Destination, now: datetime) -> list[Receipt]:
        """Stores the spans of an OpenTelemetry request, as `submit_all` does."""
        with self.helpers.request(len(body)) as may_help:
            parcels = self.helpers.parcels(body, encoding, destination, now) if may_help else None
            if parcels is None:
                return self.submit_all(otlp.read_traces(body, encoding, destination.project_of), now)
            return self._submit(parcels, now)

    def _submit(self, parcels: list[Parcel], now: datetime) -> list[Receipt]:
        for name in {parcel.project for parcel in parcels}:
            self._writer.project(name, now)
        return self._commits.submit([(parcel, parcel.records) for parcel in parcels]) if parcels else []

    @property
    def records_waiting(self) -> int:
        """Records that wait to be written."""
        return self._commits.records_waiting

    def close(self) -> None:
        """Refuses what comes from now on; what has been taken is written."""
        self._commits.close()
        self._writer.close()
        self.helpers.close()

"""The way in: prepares what was sent and stores it; an answer means that it is on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
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
        """Stores several batches, in one transaction where nothing fails; receipts in order."""
        (outcome,) = self.commit([self.pack(batches, now)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def pack(self, batches: Iterable[Batch], now: datetime) -> list[Parcel]:
        """The parcels of batches, each made ready to be written before the next is taken.

        Raises InputError for an impossible project name.
        """
        return [self._packer.pack(batch, now) for batch in batches]

    @contextmanager
    def packed_traces(
        self, body: bytes, encoding: str, destination: Destination, now: datetime
    ) -> Iterator[list[Parcel]]:
        """The parcels of an OpenTelemetry request, made on another core where that helps. To be stored inside."""
        with self.helpers.request(len(body)) as may_help:
            parcels = self.helpers.parcels(body, encoding, destination, now) if may_help else None
            if parcels is None:
                parcels = self.pack(otlp.read_traces(body, encoding, destination.project_of), now)
            yield parcels

    def commit(self, requests: Sequence[list[Parcel]]) -> list[list[Receipt] | Exception]:
        """Stores the parcels of several requests; returns after the commit.

        Answers for each request the receipts of its parcels, or the error for which nothing of it is promised to be
        stored: Busy or Unavailable as `submit` raises them, or what the store refused.
        """
        refused = [self._without_project(parcels) for parcels in requests]
        known = [parcels for parcels, error in zip(requests, refused, strict=True) if error is None]
        stored = iter(self._commits.submit_together([[(one, one.records) for one in parcels] for parcels in known]))
        return [next(stored) if error is None else error for error in refused]

    def _without_project(self, parcels: list[Parcel]) -> Exception | None:
        """Why the projects of parcels are not there and cannot be made; None where they are."""
        try:
            for parcel in parcels:
                self._writer.project(parcel.project, parcel.now)
        except Exception as error:
            return error
        return None

    @property
    def records_waiting(self) -> int:
        """Records that wait to be written."""
        return self._commits.records_waiting

    def close(self) -> None:
        """Refuses what comes from now on; what has been taken is written."""
        self._commits.close()
        self._writer.close()
        self.helpers.close()

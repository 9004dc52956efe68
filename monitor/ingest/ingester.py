"""The way in: prepares what was sent and stores it; an answer means that it is on disk."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, cast

import msgspec

from monitor.errors import InputError
from monitor.ingest.batch import Batch, Receipt, Rejection
from monitor.ingest.buffer import GroupCommit
from monitor.ingest.prepare import Preparer, short
from monitor.ingest.tokens import recounted
from monitor.ingest.writer import Parcel, Writer
from monitor.records import Span
from monitor.settings import Settings
from monitor.store import Store

MAX_PROJECT = 100


class Ingester:
    """Takes batches from any number of threads. Make one a process."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._writer = Writer(store)
        self._preparer = Preparer(settings, store.secret(settings.secret_key.get_secret_value()))
        self._usage_rules = {
            sender: rule for sender, _, rule in (entry.rpartition("=") for entry in settings.usage_rules)
        }
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
        parcels = [self._prepare(batch, now) for batch in batches]
        return self._commits.submit([(parcel, parcel.records) for parcel in parcels]) if parcels else []

    @property
    def records_waiting(self) -> int:
        """Records that wait to be written."""
        return self._commits.records_waiting

    def close(self) -> None:
        """Refuses what comes from now on; what has been taken is written."""
        self._commits.close()

    def _prepare(self, batch: Batch, now: datetime) -> Parcel:
        name = check_project(batch.project)
        project_id = self._writer.project(name, now)
        parcel = Parcel(
            project_id, short(batch.sender), batch.unmapped, now, batch.dialects, rejected=list(batch.rejected)
        )
        rule = self._usage_rules.get(batch.sender)
        for index, span in enumerate(batch.spans if rule is None else _recounted(batch.spans, rule)):
            position = batch.position(index)
            try:
                parcel.add(position, self._preparer.span(name, span, now))
            except InputError as error:
                parcel.rejected.append(Rejection(position, str(error)))
        for index, item in enumerate(batch.feedback):
            try:
                parcel.feedback.append(self._preparer.feedback(name, item, now))
            except InputError as error:
                parcel.rejected.append(Rejection(index, str(error), field="feedback"))
        return parcel


def _recounted(spans: Iterable[Span], rule: str) -> list[Span]:
    """The spans with their tokens under the rule that the settings say their sender follows."""
    wanted = cast(Literal["inclusive", "exclusive"], rule)
    return [msgspec.structs.replace(span, tokens=recounted(span.tokens, wanted)) for span in spans]


def check_project(name: str) -> str:
    """The project's name without surrounding blanks. Raises InputError where it cannot be one."""
    name = name.strip()
    if not name or len(name) > MAX_PROJECT or not name.isprintable():
        raise InputError(f"project: a name has 1 to {MAX_PROJECT} printable characters.")
    return name

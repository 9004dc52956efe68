"""Writes prepared records: spans, texts, what waits for enrichment, feedback, and what could not be taken."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from monitor import tables
from monitor.clock import from_microseconds, to_microseconds
from monitor.errors import StoreError, Unavailable, describe
from monitor.identifiers import new_id
from monitor.ingest.batch import Receipt, Rejection
from monitor.ingest.completing import complete
from monitor.ingest.feedback import write_feedback
from monitor.ingest.parcel import Parcel
from monitor.ingest.senders import Entry, SenderCounts, write_rejects
from monitor.store import Statement, Store, is_transient, table_of

log = logging.getLogger(__name__)

ATTEMPTS = 3
PAUSE_SECONDS = 0.1
AWAY = "The store cannot be written just now; send the records again."
_LOOKUP = 500
_project_of = attrgetter("project_id")


class Writer:
    """Writes groups of parcels, each group in one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._senders = SenderCounts(store)

    def project(self, name: str, now: datetime) -> None:
        """Makes a project where it is new. Raises Unavailable where that cannot be done just now."""
        try:
            self._store.project(name, to_microseconds(now))
        except DBAPIError as error:
            if not is_transient(error):
                raise
            raise Unavailable(AWAY, 5) from None

    def write(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        """Commits the parcels and answers their receipts.

        Raises Unavailable where the database cannot be written just now, after `ATTEMPTS` tries. A parcel that the
        database refuses for what is in it is taken apart until only the records at fault are turned down.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._store.write() as connection:
                    receipts = self._write(connection, parcels)
                self._senders.committed()
                return receipts
            except IntegrityError:
                # Two processes drew the same id; fresh ones will differ.
                for parcel in parcels:
                    _renumber(parcel)
            except DBAPIError as error:
                if not is_transient(error):
                    return self._take_apart(parcels, error)
                if attempt == ATTEMPTS:
                    raise Unavailable(AWAY, 5) from None
                time.sleep(PAUSE_SECONDS * attempt)
        raise StoreError("The store refused the ids of new records.")

    def close(self) -> None:
        """Writes the counters that wait; where that cannot be done, they are lost."""
        if not self._senders.waiting:
            return
        try:
            with self._store.write() as connection:
                self._senders.finish(connection)
            self._senders.committed()
        except DBAPIError as error:
            log.warning("counters of senders were not written: %s", describe(error))

    def _take_apart(self, parcels: Sequence[Parcel], error: DBAPIError) -> list[Receipt]:
        """Finds the records at fault by halving."""
        if len(parcels) > 1:
            raise StoreError("The store refused a group of batches.") from error
        parcel = parcels[0]
        if parcel.records <= 1:
            if not parcel.records:
                raise StoreError("The store refused to count what was turned down.") from error
            place = parcel.positions[0] if parcel.positions else 0
            refused = Rejection(place, f"The database refused the record ({type(error.orig).__name__}).")
            return self.write([replace(parcel, spans=[], feedback=[], rejected=[*parcel.rejected, refused])])
        first, second = parcel.halves()
        return [self.write([first])[0] + self.write([second])[0]]

    def _write(self, connection: Connection, parcels: Sequence[Parcel]) -> list[Receipt]:
        rows = [row for parcel in parcels for row in parcel.spans]
        fresh = self._insert_spans(connection, rows)
        statements = self._texts(parcels, fresh)
        if fresh is not None:
            self._store.execute_together(connection, statements)
            statements = []
            texts = {identifier: body for parcel in parcels for identifier, body in parcel.bodies.items()}
            fresh |= complete(self._store, connection, [row for row in rows if row["id"] not in fresh], texts)
        # In the order of projects, as every writer of marks: none waits for another in a circle.
        for parcel in sorted(parcels, key=_project_of):
            write_feedback(self._store, connection, parcel.project_id, parcel.feedback, parcel.now)
        receipts = []
        entries = []
        for parcel in parcels:
            if parcel.rejected:
                write_rejects(
                    self._store, connection, parcel.project_id, parcel.sender, rejected=parcel.rejected, now=parcel.now
                )
            stored, lost = len(parcel.spans), parcel.lost
            if fresh is not None:
                stored = sum(1 for row in parcel.spans if row["id"] in fresh)
                lost = {place: count for place, count in lost.items() if place in fresh}
            receipt = Receipt(stored, len(parcel.spans) - stored, tuple(parcel.rejected), len(parcel.feedback))
            receipts.append(receipt)
            entries.append(
                Entry(
                    parcel.project_id,
                    parcel.sender,
                    to_microseconds(parcel.now),
                    receipt,
                    parcel.unmapped,
                    parcel.dialects,
                    sum(lost.values()),
                )
            )
        self._senders.add(connection, entries, statements)
        return receipts

    def _texts(self, parcels: Sequence[Parcel], fresh: set[int] | None) -> list[Statement]:
        """What goes with the spans that are new: their texts, and that calls wait for enrichment."""
        bodies, pending = [], []
        for parcel in parcels:
            for row in parcel.spans:
                identifier = row["id"]
                if fresh is not None and identifier not in fresh:
                    continue
                body = parcel.bodies.get(identifier)
                if body is not None:
                    bodies.append(body)
                if row["kind"] == "llm":
                    pending.append({"project_id": row["project_id"], "id": identifier, "received": row["received"]})
        chosen = ((tables.Body, bodies), (tables.Pending, pending))
        return [(self._store.inserting(model, found), found) for model, found in chosen if found]

    def _insert_spans(self, connection: Connection, rows: list[dict[str, Any]]) -> set[int] | None:
        """Inserts the spans that are new; answers their ids, or None where all were."""
        if not rows:
            return None
        key = ("project_id", "trace_id", "span_id")
        if self._store.insert_encoded(connection, tables.Span, rows, key) == len(rows):
            return None
        table = table_of(tables.Span)
        fresh: set[int] = set()
        by_project: dict[int, list[int]] = {}
        for row in rows:
            by_project.setdefault(row["project_id"], []).append(row["id"])
        for project_id, identifiers in by_project.items():
            for start in range(0, len(identifiers), _LOOKUP):
                chunk = identifiers[start : start + _LOOKUP]
                found = connection.execute(
                    select(table.c.id).where(table.c.project_id == project_id, table.c.id.in_(chunk))
                )
                fresh.update(found.scalars())
        return fresh


def _renumber(parcel: Parcel) -> None:
    bodies: dict[int, dict[str, Any]] = {}
    lost: dict[int, int] = {}
    for row in parcel.spans:
        old = row["id"]
        row["id"] = new_id(from_microseconds(row["time"]))
        if old in parcel.lost:
            lost[row["id"]] = parcel.lost[old]
        body = parcel.bodies.get(old)
        if body is not None:
            bodies[row["id"]] = body | {"id": row["id"]}
    parcel.bodies, parcel.lost = bodies, lost

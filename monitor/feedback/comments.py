"""The sentiment of comments, measured once each: English only, by `monitor.text.sentiment`, on the masked text."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select, update

from monitor import tables
from monitor.ingest.feedback import mark_calls
from monitor.rows import feedback_of
from monitor.store import Store, table_of
from monitor.text.language import UNKNOWN, detect_language

_FEEDBACK = table_of(tables.Feedback)
VERSION = 1
_SHORT = 60
_BATCH = 500


def sentiment_of(comment: str) -> float | None:
    """From -1 to 1; None for another language than English. Short texts without a clear language count as English."""
    from monitor.text.sentiment import sentiment

    language = detect_language(comment)
    if language == "en" or (language == UNKNOWN and comment.isascii() and len(comment) <= _SHORT):
        return sentiment(comment)
    return None


def measure_comments(store: Store, now: datetime) -> int:
    """Measures every comment that has not been, and marks the blocks of the calls they are about; answers how many."""
    done = 0
    while True:
        with store.read() as connection:
            waiting = _FEEDBACK.c.comment.is_not(None) & (_FEEDBACK.c.measured == 0)
            rows = connection.execute(select(_FEEDBACK).where(waiting).limit(_BATCH)).mappings().all()
        if not rows:
            return done
        values = [
            {
                "project": row["project_id"],
                "row": row["id"],
                "text": row["comment"],
                "found": sentiment_of(row["comment"]),
            }
            for row in rows
        ]
        with store.write() as connection:
            connection.execute(
                update(_FEEDBACK)
                .where(
                    _FEEDBACK.c.project_id == bindparam("project"),
                    _FEEDBACK.c.id == bindparam("row"),
                    _FEEDBACK.c.comment == bindparam("text"),
                )
                .values(sentiment=bindparam("found"), measured=VERSION),
                values,
            )
            for project_id in sorted({row["project_id"] for row in rows}):
                own = [feedback_of(dict(row)) for row in rows if row["project_id"] == project_id]
                mark_calls(store, connection, project_id, own, now)
        done += len(rows)

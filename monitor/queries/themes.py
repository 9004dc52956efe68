"""Themes of complaints as the newest search stored them, with the comments behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select

from monitor import tables
from monitor.clock import from_microseconds, to_microseconds
from monitor.queries.calls import FeedbackNote, note_of
from monitor.queries.conditions import FEEDBACK
from monitor.queries.feedback import COMMENTS, CommentPage
from monitor.store import Store, table_of

_RUN = table_of(tables.ThemeRun)
_THEME = table_of(tables.Theme)
_COMMENT = table_of(tables.ThemeComment)
_FEW = 2_000


@dataclass(frozen=True)
class ThemeRecord:
    """A theme: what it is called, how large it is, where it stands, and typical comments.

    `state` is `new`, `growing`, `shrinking`, `steady` or `too_few`; `weeks` counts complaints by week, oldest first;
    `segments` are where it is raised clearly more often than complaints in general (dimension, value, share, usual).
    """

    id: int
    name: str
    state: str
    first_found: datetime
    complaints: int
    users: int
    recent: int
    earlier: int
    weeks: tuple[int, ...]
    quotes: tuple[FeedbackNote, ...]
    segments: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Themes:
    """The newest search: when, over which comments, how many were complaints, and the themes, largest first.

    `stability` is the mean agreement (adjusted Rand index) of its groups with those of subsamples.
    """

    made: datetime
    start: datetime
    recent: datetime
    comments: int
    complaints: int
    stability: float
    themes: tuple[ThemeRecord, ...]


@dataclass(frozen=True)
class Concentration:
    """Who gave feedback: how many pieces of how many known people, and how many came from the busiest of them."""

    feedback: int
    people: int
    most: int

    @property
    def share(self) -> float:
        """The share of the busiest."""
        return self.most / self.feedback if self.feedback else 0.0


def themes(store: Store, project_id: int) -> Themes | None:
    """What the newest search found; None where there has been none."""
    with store.read() as connection:
        run = connection.execute(select(_RUN).where(_RUN.c.project_id == project_id)).first()
        if run is None:
            return None
        rows = connection.execute(select(_THEME).where(_THEME.c.project_id == project_id)).all()
        wanted = [identifier for row in rows for identifier in row.quotes]
        chosen = and_(FEEDBACK.c.project_id == project_id, FEEDBACK.c.id.in_(wanted))
        notes = {row.id: note_of(row) for row in connection.execute(select(FEEDBACK).where(chosen))}
    return Themes(
        from_microseconds(run.made),
        from_microseconds(run.start),
        from_microseconds(run.recent),
        run.comments,
        run.complaints,
        run.stability,
        tuple(_record(row, notes) for row in sorted(rows, key=lambda row: (-row.complaints, row.id))),
    )


def theme_comments(
    store: Store, project_id: int, theme: int, *, before: tuple[int, int] | None = None, limit: int = COMMENTS
) -> CommentPage:
    """The comments of a theme, newest first; `before` is the `following` of the page before."""
    statement = (
        select(FEEDBACK)
        .join(_COMMENT, and_(_COMMENT.c.project_id == FEEDBACK.c.project_id, _COMMENT.c.feedback_id == FEEDBACK.c.id))
        .where(_COMMENT.c.project_id == project_id, _COMMENT.c.theme == theme)
        .order_by(FEEDBACK.c.time.desc(), FEEDBACK.c.id.desc())
        .limit(limit + 1)
    )
    if before:
        older = and_(FEEDBACK.c.time == before[0], FEEDBACK.c.id < before[1])
        statement = statement.where(or_(FEEDBACK.c.time < before[0], older))
    with store.read() as connection:
        rows = connection.execute(statement).all()
    notes = tuple(note_of(row) for row in rows[:limit])
    following = (rows[limit - 1].time, rows[limit - 1].id) if len(rows) > limit else None
    return CommentPage(notes, following)


def themes_of(store: Store, project_id: int, notes: Sequence[FeedbackNote]) -> dict[int, tuple[int, str]]:
    """The theme, as id and name, of those of some comments that are in one."""
    with store.read() as connection:
        statement = (
            select(_COMMENT.c.feedback_id, _THEME.c.id, _THEME.c.name)
            .join(_THEME, and_(_THEME.c.project_id == _COMMENT.c.project_id, _THEME.c.id == _COMMENT.c.theme))
            .where(_COMMENT.c.project_id == project_id, _COMMENT.c.feedback_id.in_([note.id for note in notes]))
        )
        return {row.feedback_id: (row.id, row.name) for row in connection.execute(statement)}


def concentration(store: Store, project_id: int, start: datetime, end: datetime) -> Concentration:
    """How much of the newest 2,000 pieces of feedback of known people the busiest of them gave."""
    newest = (
        select(FEEDBACK.c.annotator_id)
        .where(
            FEEDBACK.c.project_id == project_id,
            FEEDBACK.c.time >= to_microseconds(start),
            FEEDBACK.c.time < to_microseconds(end),
            FEEDBACK.c.annotator == "human",
            FEEDBACK.c.annotator_id.is_not(None),
        )
        .order_by(FEEDBACK.c.time.desc())
        .limit(_FEW)
        .subquery()
    )
    statement = select(func.count().label("n")).select_from(newest).group_by(newest.c.annotator_id)
    with store.read() as connection:
        counts = list(connection.execute(statement).scalars())
    return Concentration(sum(counts), len(counts), max(counts, default=0))


def _record(row: Any, notes: Mapping[int, FeedbackNote]) -> ThemeRecord:
    return ThemeRecord(
        row.id,
        row.name,
        row.state,
        from_microseconds(row.first_found),
        row.complaints,
        row.users,
        row.recent,
        row.earlier,
        tuple(row.weeks),
        tuple(notes[identifier] for identifier in row.quotes if identifier in notes),
        tuple(row.segments),
    )

"""Calls with ratings and comments of real readers (FeedbackQA), for what reads them: themes, sentiment, pages."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from monitor.ingest import Batch, Ingester
from monitor.records import Feedback, Message, Span
from monitor.settings import Settings
from monitor.store import Store

_FILE = Path(__file__).parent / "data" / "feedbackqa_comments.jsonl.gz"


def rated() -> list[dict[str, Any]]:
    """Comments with ratings from 1 to 4."""
    with gzip.open(_FILE, "rt") as lines:
        return [json.loads(line) for line in lines]


def complaints() -> list[str]:
    """The comments rated 1 or 2."""
    return [row["comment"] for row in rated() if row["rating"] <= 2]


def send(
    store: Store,
    settings: Settings,
    said: Sequence[tuple[int, str]],
    start: datetime,
    end: datetime,
    *,
    first: int = 0,
    writers: int = 200,
) -> None:
    """Calls spread evenly over a time, each with a rating and a comment, in two versions of the prompt."""
    dice = random.Random(first)
    spans, feedback = [], []
    for place, (rating, comment) in enumerate(said):
        number = first + place
        moment = start + (end - start) * place / max(len(said), 1)
        trace = f"{number + 1:032x}"
        user = f"user {dice.randrange(writers)}"
        spans.append(
            Span(
                trace_id=trace,
                span_id=f"{number + 1:016x}",
                session_id=f"session {number}",
                time=moment,
                user=user,
                model="gpt-4",
                prompt_version="v2" if moment > end - timedelta(days=14) else "v1",
                feature="health",
                prompt=(Message("user", f"Question number {number}?"),),
                response="An answer.",
            )
        )
        feedback.append(
            Feedback(
                name="rating",
                time=moment + timedelta(minutes=1),
                trace_id=trace,
                span_id=f"{number + 1:016x}",
                value=float(rating),
                comment=comment,
                annotator_id=user,
            )
        )
    ingester = Ingester(store, settings)
    ingester.submit(Batch(project="default", spans=spans, feedback=feedback, sender="tests"), now=end)
    ingester.close()

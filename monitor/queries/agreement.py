"""How well a judge agrees with people, and what the two together say of all judged calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from monitor.contracts import Judge
from monitor.queries.judging import judged_values, labelled_calls
from monitor.stats.prediction_powered import MIN_LABELS, Corrected, cohen_kappa, corrected_mean
from monitor.store import Store

_YES = 0.5


@dataclass(frozen=True)
class Agreement:
    """`labelled` calls have both a score and a person's label. `kappa` is of yes and no (a score above a half is yes),
    None with fewer than 20 labels; so is `corrected`, the mean of what people would say of all judged calls."""

    labelled: int
    kappa: float | None
    corrected: Corrected | None


def agreement(store: Store, project_id: int, judge: Judge, start: datetime, end: datetime) -> Agreement:
    """The agreement over the judged calls of a range."""
    both = labelled_calls(store, project_id, judge, start=start, end=end)
    if len(both) < MIN_LABELS:
        return Agreement(len(both), None, None)
    seen = {item.id for item in both}
    rest = [value for key, value in judged_values(store, project_id, judge, start, end).items() if key not in seen]
    labels = np.array([item.label for item in both])
    judged = np.array([item.judge for item in both])
    return Agreement(
        len(both),
        cohen_kappa((labels > _YES).astype(float), (judged > _YES).astype(float)),
        corrected_mean(labels, judged, np.array(rest)),
    )

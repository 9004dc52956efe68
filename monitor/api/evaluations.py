"""What the API answers about judges and scans for unfairness."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from monitor.contracts import Judge
from monitor.queries.agreement import agreement
from monitor.queries.judging import chosen_judges, progress, prompts_of
from monitor.settings import Settings
from monitor.store import Store


class CorrectedScore(msgspec.Struct, frozen=True, kw_only=True):
    """The mean of what people would say of all judged calls, by prediction-powered inference, with its 95 % interval.

    `labels_only` is the mean of the labels alone; `bias` is label less judge; `narrower` is how much narrower the
    interval is than that of the labels alone (0.2 is a fifth).
    """

    value: float
    low: float
    high: float
    labels_only: float
    labels_low: float
    labels_high: float
    bias: float
    bias_low: float
    bias_high: float
    narrower: float


class JudgeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A judge over the calls of a range: how far it got, what it cost, how it agrees with people.

    `backlog` is about how many sampled calls were not looked at yet, `waiting` will be tried again. `kappa` and
    `corrected` are null with fewer than 20 labels. `prompts` maps each version to the words it was asked with.
    """

    name: str
    title: str
    version: int
    models: list[str]
    is_on: bool
    sampled: float
    judged: int
    failed: int
    waiting: int
    backlog: int
    coverage: float | None
    mean: float | None
    cost_usd: float
    cost_today_usd: float
    budget_usd: float
    labelled: int
    kappa: float | None
    corrected: CorrectedScore | None
    prompts: Mapping[str, str]


def judge_answers(
    store: Store, settings: Settings, project_id: int, *, start: datetime, end: datetime, now: datetime
) -> list[JudgeAnswer]:
    """All judges that the settings choose."""
    return [
        _answer(store, settings, project_id, judge, start=start, end=end, now=now) for judge in chosen_judges(settings)
    ]


def _answer(
    store: Store, settings: Settings, project_id: int, judge: Judge, *, start: datetime, end: datetime, now: datetime
) -> JudgeAnswer:
    done = progress(store, settings, project_id, judge, start=start, end=end, now=now)
    people = agreement(store, project_id, judge, start, end)
    corrected = None
    if people.corrected is not None:
        values = {field: float(getattr(people.corrected, field)) for field in CorrectedScore.__struct_fields__}
        corrected = CorrectedScore(**values)
    return JudgeAnswer(
        name=judge.name,
        title=judge.title,
        version=judge.version,
        models=list(done.models),
        is_on=bool(settings.judge_url),
        sampled=settings.judge_sample,
        judged=done.done,
        failed=done.failed,
        waiting=done.waiting,
        backlog=done.backlog,
        coverage=done.coverage,
        mean=done.mean,
        cost_usd=done.cost_usd,
        cost_today_usd=done.cost_today_usd,
        budget_usd=settings.judge_budget_usd,
        labelled=people.labelled,
        kappa=people.kappa,
        corrected=corrected,
        prompts={str(version): text for version, _digest, text in prompts_of(store, judge.name)},
    )

"""Judges on the quality page: how far they got, what they cost, how well they agree with people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dash import html

from dashboards import cards
from dashboards.filters import Request
from monitor import wording
from monitor.queries.agreement import Agreement, agreement
from monitor.queries.judging import Progress, chosen_judges, progress
from monitor.stats.prediction_powered import MIN_LABELS


def judges_section(request: Request) -> Any:
    """The card of the judges; says how to turn them on where none has ever spoken."""
    start, end = request.start, request.end
    found = [
        progress(request.store, request.settings, request.project_id, judge, start=start, end=end, now=request.now)
        for judge in chosen_judges(request.settings)
    ]
    is_on = bool(request.settings.judge_url)
    spoken = [item for item in found if is_on or item.done or item.failed]
    if not spoken:
        return cards.section(
            "Judges",
            cards.nothing(
                "No judge model is configured (MONITOR_JUDGE_URL). One scores a sample of the calls, within a budget."
            ),
        )
    head = ["Judge", "Score", "As people would score", "Agreement", "Judged", "Coverage", "Waiting", "Failed", "Cost"]
    rows = [_row(request, item, start, end) for item in spoken]
    return cards.section(
        "Judges",
        cards.table(head, rows, caption="Judges", numeric=(4, 5, 6, 7, 8)),
        _notes(request, spoken, is_on=is_on),
        lead="Scores from 0 to 1 that a model gave a sample of the calls, and their worth beside people's labels.",
    )


def _row(request: Request, item: Progress, start: datetime, end: datetime) -> list[Any]:
    judge = item.judge
    with_people = agreement(request.store, request.project_id, judge, start, end)
    title = html.Span(judge.title, title=f"version {judge.version}, {', '.join(item.models) or 'not asked yet'}")
    scored = request.link("/explorer", signal=f"feedback.judge.{judge.name}:..")
    return [
        cards.link(judge.title, scored) if item.done else title,
        wording.MISSING if item.mean is None else f"{item.mean:.2f}",
        _corrected(with_people),
        _kappa(with_people),
        wording.count(item.done),
        wording.MISSING if item.coverage is None else wording.percent(item.coverage),
        wording.count(item.waiting + item.backlog),
        wording.count(item.failed),
        wording.money(item.cost_usd),
    ]


def _corrected(found: Agreement) -> str:
    if found.corrected is None:
        missing = MIN_LABELS - found.labelled
        return f"needs {wording.plural(missing, 'more label')}"
    corrected = found.corrected
    text = f"{corrected.value:.2f} ({corrected.low:.2f} to {corrected.high:.2f})"
    gain = corrected.narrower
    return f"{text}, {wording.percent(gain)} narrower than labels alone" if gain >= 0.01 else text


def _kappa(found: Agreement) -> str:
    if found.kappa is None or found.corrected is None:
        return wording.MISSING
    bias = found.corrected
    side = ""
    if bias.bias_low > 0:
        side = f"; too strict by {bias.bias:.2f}"
    elif bias.bias_high < 0:
        side = f"; too generous by {-bias.bias:.2f}"
    return f"kappa {found.kappa:.2f} over {wording.plural(found.labelled, 'label')}{side}"


def _notes(request: Request, found: list[Progress], *, is_on: bool) -> Any:
    settings = request.settings
    if not is_on:
        return cards.note("No judge model is configured at present; these are earlier judgements.")
    return cards.note(
        f"{settings.judge_model} is asked about {wording.percent(settings.judge_sample)} of the calls. "
        f"Today's judgements cost {wording.money(found[0].cost_today_usd)} of "
        f"{wording.money(settings.judge_budget_usd)}. "
        "Coverage is the share of the sampled calls that has a score."
    )

"""Two variants compared (A/B), as people see it: the choice, the decisions in words, the figures, what to mind."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
from dash import html

from dashboards import cards, explanations, streams
from dashboards.filters import Request
from monitor import wording
from monitor.clock import BlockLength
from monitor.contracts import Segment, Signal
from monitor.errors import InputError
from monitor.queries import options
from monitor.queries.options import SegmentOption
from monitor.queries.usage import Usage, usage

if TYPE_CHECKING:
    from monitor.stats.variants import Difference
    from monitor.trials import Compared, Trial

MOST_CALLS = 40_000
"""Calls that a page reads at most; a command reads more."""
_PREFERRED = ("prompt_version", "release", "model", "feature", "environment")
_MOST_VALUES = 300
_MOST_WORDS = 12
_DECISIONS = {
    "worse": ("bad", "Worse"),
    "better": ("ok", "Better"),
    "different": ("moved", "Differs"),
    "undecided": ("too_few", "Undecided"),
    "same": ("ok", "The same"),
    "too_few": ("too_few", "Too few users"),
}
_QUIET = ("same", "too_few")


def layout(request: Request) -> list[Any]:
    """The choice, and the comparison where one is asked for."""
    known = {
        dimension: found
        for dimension, found in options.segments(request.store, request.project_id).items()
        if "+" not in dimension
    }
    usable = [name for name, found in known.items() if len(found) > 1]
    if not usable:
        return [cards.nothing(_nothing(known))]
    wanted = request.parameter("by")
    chosen = wanted if wanted in usable else _default(usable)
    first, second = request.parameter("first"), request.parameter("second")
    parts = [_form(usable, chosen, known[chosen], first, second)]
    if wanted and wanted not in usable:
        one = known.get(wanted)
        parts.append(
            cards.nothing(
                f"Calls have one {wording.dimension_text(wanted)} only so far; two are needed to compare."
                if one
                else "Calls of this project are not told apart by that."
            )
        )
    elif first and second:
        parts += _asked(request, chosen, first, second)
    else:
        parts.append(cards.nothing("Choose two variants above; every signal of their calls is compared."))
    return parts


def _nothing(known: Mapping[str, Sequence[SegmentOption]]) -> str:
    if not known:
        return (
            "Nothing tells calls apart yet: name a prompt version, a release, a model or a feature with each call, or "
            "declare a tag of your own (MONITOR_SEGMENT_TAGS)."
        )
    names = wording.listed([wording.dimension_text(name) for name in known], most=5)
    return f"There is one value only so far of each of {names}; two are needed to compare."


def _default(usable: Sequence[str]) -> str:
    return next((name for name in _PREFERRED if name in usable), usable[0])


def _form(usable: Sequence[str], chosen: str, found: Sequence[SegmentOption], first: str, second: str) -> Any:
    newest = sorted(found, key=lambda option: option.last_seen, reverse=True)[:_MOST_VALUES]
    pair = sorted(newest[:2], key=lambda option: option.first_seen)
    values = [option.segment.value for option in newest]
    first = first if first in values else pair[0].segment.value
    second = second if second in values else pair[1].segment.value
    data = [{"value": value, "label": wording.shortened(value, 80)} for value in sorted(values)]
    return html.Div(
        [
            dmc.Select(
                id="compare-by",
                label="Told apart by",
                size="xs",
                data=[{"value": name, "label": wording.dimension_text(name).capitalize()} for name in usable],
                value=chosen,
                allowDeselect=False,
                searchable=True,
            ),
            *(
                dmc.Select(
                    id=f"compare-{name}",
                    label=label,
                    size="xs",
                    data=data,
                    value=value,
                    allowDeselect=False,
                    searchable=True,
                    limit=_MOST_VALUES,
                )
                for name, label, value in (("first", "First", first), ("second", "Second", second))
            ),
            dmc.Button("Compare", id="compare-go", size="xs", variant="light"),
        ],
        className="explorer-form",
        role="search",
        **cards.aria(label="Variants"),
    )


def _asked(request: Request, dimension: str, first: str, second: str) -> list[Any]:
    traffic = usage(request.store, request.project_id, BlockLength.DAY, request.start, request.end)
    if traffic.total.calls > MOST_CALLS:
        return [_too_many(request, traffic, dimension, first, second)]
    from monitor.trials import trial_of_store

    try:
        trial = trial_of_store(
            request.store,
            request.settings,
            request.project_id,
            dimension=dimension,
            first=first,
            second=second,
            start=request.start,
            end=request.end,
        )
    except InputError as error:
        return [cards.nothing(wording.shortened(str(error), 300))]
    return [
        _sides(request, trial),
        *(html.P([html.Strong("Mind: "), warning], className="notice") for warning in trial.warnings),
        cards.section("In words", _words(trial)),
        cards.section("All signals", _table(request, trial), lead=_lead(trial)),
    ]


def _too_many(request: Request, traffic: Usage, dimension: str, first: str, second: str) -> Any:
    command = shlex.join(
        [
            *("llmops-monitor", "ab", first, second, "--dimension", dimension, "--project", request.project),
            *("--from", f"{request.start:%Y-%m-%d}", "--to", f"{request.end:%Y-%m-%d}"),
        ]
    )
    start = _fitting(traffic)
    shorter = (
        cards.link(
            f"Compare {wording.period(start, request.end)} here",
            request.link(start=start, end=request.end, by=dimension, first=first, second=second),
            strong=True,
        )
        if start is not None
        else None
    )
    return cards.card(
        html.P(
            f"The range has {wording.plural(traffic.total.calls, 'call')}. A user who came on several days must count "
            f"once, so that calls have to be read; a page reads {wording.count(MOST_CALLS)} at most. Choose a shorter "
            "range, or let the command read them all:"
        ),
        html.Pre(html.Code(command), tabIndex=0),
        html.P(shorter) if shorter is not None else None,
    )


def _fitting(traffic: Usage) -> datetime | None:
    """The first of the newest days that together have few enough calls; None where the newest alone has too many."""
    calls, start = 0, None
    for point in sorted(traffic.points, key=lambda point: point.start, reverse=True):
        calls += point.calls
        if calls > MOST_CALLS:
            break
        start = point.start
    return start


def _sides(request: Request, trial: Trial) -> Any:
    compared = [item for item in trial.compared if not streams.repeats(item.signal)]
    decided = [item for item in compared if item.difference.decision in ("better", "worse", "different")]
    worse = sum(item.difference.decision == "worse" for item in decided)
    numbers = [
        cards.number_card(
            wording.shortened(value, 60),
            wording.plural(users, "user"),
            symbol="users",
            detail=wording.plural(calls, "call"),
            href=request.link("/explorer", segment=Segment(trial.dimension, value)),
        )
        for value, users, calls in zip((trial.first, trial.second), trial.users, trial.calls, strict=True)
    ]
    return cards.number_row(
        *numbers,
        cards.number_card(
            "Decided",
            f"{len(decided)} of {len(compared)}",
            symbol="compare",
            detail=f"signals; {wording.count(worse)} for the worse" if decided else "signals",
        ),
    )


def _words(trial: Trial) -> Any:
    from monitor.trials import in_words

    compared = [item for item in trial.compared if not streams.repeats(item.signal)]
    told = [item for item in compared if item.difference.decision in ("better", "worse", "different")]
    waiting = [item for item in compared if item.difference.decision == "undecided"]
    if not trial.compared:
        return cards.nothing("The two have no signal in common.")
    lines = [
        html.Li(
            [
                cards.badge(*_DECISIONS[item.difference.decision]),
                " ",
                wording.shortened(in_words(item, trial.first, trial.second), 400),
            ]
        )
        for item in told[:_MOST_WORDS]
    ]
    rest = []
    if not told:
        rest.append("No signal differs for sure so far.")
    if len(told) > _MOST_WORDS:
        rest.append(f"{wording.count(len(told) - _MOST_WORDS)} more are in the table.")
    if waiting:
        rest.append(f"Undecided: {wording.listed([item.signal.title for item in waiting], most=4)}.")
    return cards.card(html.Ul(lines, className="changes") if lines else None, html.P(" ".join(rest)) if rest else None)


def _lead(trial: Trial) -> str:
    return (
        f"{wording.shortened(trial.second, 40)} less {wording.shortened(trial.first, 40)}, one value a user. All "
        "intervals hold together, at all times, with 95%: look as often as you like. Standardised: as if both had "
        "been asked by the same mix of features and languages."
    )


def _table(request: Request, trial: Trial) -> Any:
    """Signals that differ or may; those that do not, that repeat another, or have too few users, fold away."""
    telling: list[Compared] = []
    quiet: list[Compared] = []
    for item in trial.compared:
        folds = item.difference.decision in _QUIET or streams.repeats(item.signal)
        (quiet if folds else telling).append(item)
    if not telling:
        return _rows(request, trial, quiet, "All signals")
    folded = f"{wording.plural(len(quiet), 'signal')} without a difference that matters, with too few users, "
    folded += "or that say again what another says"
    fold = [html.Summary(folded), _rows(request, trial, quiet, "Further signals")]
    return html.Div(
        [
            _rows(request, trial, telling, "Signals that differ or may"),
            html.Details(fold, className="fold") if quiet else None,
        ]
    )


def _rows(request: Request, trial: Trial, items: Sequence[Compared], caption: str) -> Any:
    return cards.table(
        [
            "Decision",
            "Signal",
            wording.shortened(trial.first, 24),
            wording.shortened(trial.second, 24),
            "Difference",
            "95% interval",
            "Standardised",
            "Calls",
        ],
        [_row(request, trial, item) for item in items],
        caption=caption,
        numeric=(2, 3, 4, 5, 6),
        empty="The two have no signal in common.",
    )


def _row(request: Request, trial: Trial, item: Compared) -> list[Any]:
    signal, found = item.signal, item.difference
    links = [
        cards.link(
            name,
            streams.calls_link(request, signal.name, Segment(trial.dimension, value), request.start, request.end),
        )
        for name, value in (("first", trial.first), ("second", trial.second))
    ]
    return [
        html.Div([cards.badge(*_DECISIONS[found.decision]), html.Div(_missing(found), className="dim small-text")]),
        html.Div(
            wording.shortened(signal.title, 60), title=wording.shortened(signal.description, 300), className="named"
        ),
        wording.format_value(signal, item.first.mean),
        wording.format_value(signal, item.second.mean),
        _amount(signal, found.effect),
        html.Span(_interval(signal, found), className="dim"),
        _plain(_amount(signal, item.standardised.effect)) if item.standardised else wording.MISSING,
        html.Span([links[0], " · ", links[1]], className="nowrap"),
    ]


def _amount(signal: Signal, effect: float) -> str:
    return explanations.amount(signal, effect) if math.isfinite(effect) else wording.MISSING


def _interval(signal: Signal, found: Difference) -> str:
    if found.decision == "too_few":
        return wording.MISSING
    return f"{_plain(_amount(signal, found.low))} to {_plain(_amount(signal, found.high))}"


def _plain(amount: str) -> str:
    """Without the unit, which stands beside the difference."""
    return amount.partition(" ")[0]


def _missing(found: Difference) -> str:
    return f"{wording.plural(found.missing, 'user')} more" if found.missing else ""

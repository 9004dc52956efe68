"""`llmops-monitor ab`: two variants compared, from the store or from a file; may be asked as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands.export import Moment
from monitor.commands.importing import Timezone, rows_progress
from monitor.terminal import database_option, json_option, opened, print_json, print_table

if TYPE_CHECKING:
    from monitor.stats.variants import Difference
    from monitor.trials import Call, Compared, Trial

WEEKS = 8


@click.command("ab", help="Compare two variants, such as prompt versions, on every signal; safe to look at every day.")
@click.argument("first", metavar="FIRST")
@click.argument("second", metavar="SECOND")
@click.option("--dimension", default="prompt_version", show_default=True, help="What FIRST and SECOND are values of.")
@click.option("--file", type=click.Path(path_type=Path), help="A log of calls, instead of the store.")
@click.option("--project", help="Project (default: the one of the settings).")
@click.option("--from", "start", type=Moment(), metavar="TIME", help="From this time on; default 8 weeks ago.")
@click.option("--to", "end", type=Moment(), metavar="TIME", help="Up to this time; default now.")
@click.option("--timezone", type=Timezone(), help="Zone of times in the file that name none.")
@json_option
@database_option
def command(
    *,
    first: str,
    second: str,
    dimension: str,
    file: Path | None,
    project: str | None,
    start: datetime | None,
    end: datetime | None,
    timezone: tzinfo | None,
    as_json: bool,
    database_url: str | None,
) -> None:
    from monitor import clock
    from monitor.trials import trial_of_calls, trial_of_store

    if file is not None:
        calls = _calls(file, dimension, timezone)
        found = trial_of_calls(calls, dimension=dimension, first=first, second=second)
    else:
        from monitor.commands.costs import known_project

        until = end or clock.now()
        with opened(database_url) as (store, settings):
            found = trial_of_store(
                store,
                settings,
                known_project(store, project or settings.project),
                dimension=dimension,
                first=first,
                second=second,
                start=start or until - timedelta(weeks=WEEKS),
                end=until,
            )
    if as_json:
        print_json(as_document(found))
    else:
        _print(found)


def _calls(file: Path, dimension: str, timezone: tzinfo | None) -> Iterator[Call]:
    from itertools import islice

    from monitor import clock
    from monitor.enrich import enrich_batch
    from monitor.errors import InputError
    from monitor.fairness.values import values_of
    from monitor.files import LogFile
    from monitor.files.calls import read_calls
    from monitor.profiles.calls import value_said
    from monitor.profiles.segments import dimension_values, dimensions
    from monitor.records import Span
    from monitor.settings import Settings
    from monitor.trials import ADJUSTED_FOR, Call

    settings = Settings()
    if dimension not in dimensions(settings) and not dimension.startswith("tag."):
        raise InputError(f"Calls are not sliced by {dimension!r}; write tag.NAME for a tag of your own.")
    wanted = (dimension, *(name for name in ADJUSTED_FOR if name != dimension))
    log = LogFile(file)
    with rows_progress() as progress:
        task = progress.add_task("read", total=max(log.size, 1), rows=0)
        calls = read_calls(
            log,
            settings,
            clock.now(),
            timezone,
            lambda position, rows: progress.update(task, completed=position, rows=rows),
        )
        while batch := list(islice(calls, 200)):
            signals = enrich_batch([call.span for call in batch], settings)
            for call, known in zip(batch, signals, strict=True):
                span = call.span
                language = known.get("language")
                columns = {name: getattr(span, name) for name in Span.__struct_fields__}
                values = dimension_values(columns, language if isinstance(language, str) else None, span.tags, wanted)
                if values[0] is not None:
                    said = [item for given in call.feedback if (item := value_said(given)) is not None]
                    user = (span.user or span.session_id or f"call {call.line}").encode()
                    yield Call(span.time.toordinal(), user, values[0], values[1:], values_of(known, said))


def as_document(found: Trial) -> dict[str, Any]:
    """The comparison for programs."""
    from monitor.trials import in_words

    return {
        "dimension": found.dimension,
        "first": {"value": found.first, "calls": found.calls[0], "users": found.users[0]},
        "second": {"value": found.second, "calls": found.calls[1], "users": found.users[1]},
        "warnings": list(found.warnings),
        "compared": [
            {
                "signal": item.signal.name,
                "title": item.signal.title,
                "first": {"users": item.first.users, "mean": item.first.mean},
                "second": {"users": item.second.users, "mean": item.second.mean},
                **_difference(item.difference),
                "standardised": _difference(item.standardised) if item.standardised else None,
                "words": in_words(item, found.first, found.second),
            }
            for item in found.compared
        ],
    }


def _difference(found: Difference) -> dict[str, Any]:
    import math

    def finite(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "decision": found.decision,
        "effect": finite(found.effect),
        "low": finite(found.low),
        "high": finite(found.high),
        "relevant": found.relevant,
        "missing_users": found.missing,
    }


def _print(found: Trial) -> None:
    from monitor import wording
    from monitor.trials import in_words

    click.echo(
        f"{found.dimension} {found.first}: {wording.plural(found.calls[0], 'call')}, "
        f"{wording.plural(found.users[0], 'user')}; {found.second}: {wording.plural(found.calls[1], 'call')}, "
        f"{wording.plural(found.users[1], 'user')}. All intervals hold together, at all times, with 95%."
    )
    for warning in found.warnings:
        click.echo(f"Mind: {warning}")
    for item in found.compared:
        if item.difference.decision in ("better", "worse", "different"):
            click.echo(in_words(item, found.first, found.second))
    print_table(
        (
            "decision",
            "signal",
            found.first,
            found.second,
            "difference",
            "95% interval",
            "standardised",
            "still missing",
        ),
        [_row(item) for item in found.compared],
        empty="The two have no signal in common.",
    )


def _row(item: Compared) -> tuple[str, ...]:
    from monitor import wording

    signal, found = item.signal, item.difference
    interval = "-"
    if found.decision != "too_few":
        interval = f"{_change(item, found.low)} to {_change(item, found.high)}"
    return (
        found.decision.replace("_", " "),
        signal.title,
        wording.format_value(signal, item.first.mean),
        wording.format_value(signal, item.second.mean),
        _change(item, found.effect),
        interval,
        _change(item, item.standardised.effect) if item.standardised else "-",
        f"{wording.count(found.missing)} users" if found.missing else "-",
    )


def _change(item: Compared, effect: float) -> str:
    from monitor import wording

    return wording.format_difference(item.signal, item.first.mean, item.first.mean + effect)

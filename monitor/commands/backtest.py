"""`llmops-monitor backtest`: what would have been alarmed on a log, or on what a project has stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands.importing import Timezone, rows_progress
from monitor.terminal import database_option, json_option, opened, print_json, print_table

if TYPE_CHECKING:
    from monitor.backtest import Report
    from monitor.hindsight.alarms import Alarm


@click.command(
    "backtest",
    help="Replay a log of calls, or what a project has stored, as if live: every alarm that would have been raised.",
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path), required=False)
@click.option("--project", help="Instead of a file: replay this project's stored history; its page shows the result.")
@click.option(
    "--weeks",
    type=click.IntRange(1, 26),
    default=12,
    show_default=True,
    help="With --project: so many of the newest weeks are judged.",
)
@click.option("--baseline-until", metavar="TIME", help="Raise nothing before this day or time (ISO 8601): only learn.")
@click.option(
    "--block",
    type=click.Choice(["hour", "day"]),
    default="day",
    show_default=True,
    help="day: judge closed days only, which is quicker. hour: watch closed hours too, as the live monitor does.",
)
@click.option(
    "--budget",
    type=click.FloatRange(0, 1000, min_open=True),
    metavar="N",
    help="False alarms a quarter that are accepted; default: MONITOR_ALARM_BUDGET, else 1.",
)
@click.option("--timezone", type=Timezone(), help="Zone of times that name none, such as Europe/Berlin or +02:00.")
@json_option
@database_option
def command(
    *,
    file: Path | None,
    project: str | None,
    weeks: int,
    baseline_until: str | None,
    block: str,
    budget: float | None,
    timezone: tzinfo | None,
    as_json: bool,
    database_url: str | None,
) -> int:
    if (file is None) == (project is None):
        raise click.UsageError("Name a FILE, or a --project whose stored history is to be replayed.")
    if file is None:
        return _stored(project or "", weeks, block, budget, as_json, database_url)
    from monitor import clock
    from monitor.backtest import as_document, backtest
    from monitor.files import LogFile
    from monitor.settings import Settings

    until = _moment(baseline_until, timezone) if baseline_until else None
    settings = Settings.from_flags(alarm_budget=budget)
    log = LogFile(file)
    with rows_progress() as progress:
        reading = progress.add_task("reading", total=max(log.size, 1), rows=0)
        replaying = progress.add_task("replaying", total=None, rows=0)
        report = backtest(
            log,
            settings,
            clock.now(),
            block=clock.BlockLength(block),
            timezone=timezone,
            baseline_until=until,
            reading=lambda position, rows: progress.update(reading, completed=position, rows=rows),
            day_done=lambda day, days, calls: progress.update(
                replaying, total=days, advance=1, rows=calls, description=f"{day:%Y-%m-%d}"
            ),
        )
    if as_json:
        print_json(as_document(report))
    else:
        _print(report)
    return 0


def _stored(  # noqa: PLR0917 - private
    project: str, weeks: int, block: str, budget: float | None, as_json: bool, database_url: str | None
) -> int:
    from monitor import clock
    from monitor.hindsight.history import as_document
    from monitor.hindsight.running import run_and_keep
    from monitor.queries.backtests import checked

    with opened(database_url) as (store, settings), rows_progress() as progress:
        task = progress.add_task("replaying", total=None, rows=0)
        found = run_and_keep(
            store,
            settings,
            project,
            checked(weeks, block, settings.alarm_budget if budget is None else budget),
            clock.now(),
            day_done=lambda done, days: progress.update(task, completed=done, total=days, rows=done),
        )
    if as_json:
        print_json(as_document(found))
    else:
        from monitor import wording

        click.echo(
            f"{project}: {wording.period(found.first, found.end)}, {wording.plural(found.days, 'day')} judged again. "
            f"{_budget(found.wanted.budget, found.expected_false_alarms)}"
        )
        _alarms(found.alarms)
    return 0


def _moment(text: str, timezone: tzinfo | None) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise click.UsageError("--baseline-until must be a day or time as in ISO 8601, such as 2026-03-11.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone or UTC)).astimezone(UTC)


def _print(report: Report) -> None:
    from monitor import wording
    from monitor.clock import BlockLength, block_start

    end = block_start(report.last, BlockLength.DAY) + BlockLength.DAY.duration
    click.echo(
        f"{report.file}: {wording.plural(report.calls, 'call')}, {wording.period(report.first, end)}; "
        f"{report.judged_days} of {wording.plural(report.days, 'day')} could raise an alarm. "
        f"{_budget(report.budget, report.expected_false_alarms)}"
    )
    _alarms(report.alarms)


def _budget(budget: float, expected: float) -> str:
    from monitor import wording

    alarms = (
        wording.plural(budget, "false alarm") if budget == int(budget) else f"{wording.number(budget)} false alarms"
    )
    return f"The budget of {alarms} a quarter allows {wording.number(expected)} in that time."


def _alarms(alarms: Sequence[Alarm]) -> None:
    from monitor import wording

    found = len({alarm.alert.incident_id for alarm in alarms})
    if alarms:
        click.echo(f"{wording.plural(len(alarms), 'alarm')} in {wording.plural(found, 'incident')}:")
    print_table(
        ("raised", "since", "indicator", "where", "change", "evidence", "calls", "what else changed", "over"),
        [_row(alarm) for alarm in alarms],
        empty="No alarm would have been raised.",
    )


def _row(alarm: Alarm) -> tuple[str, ...]:
    from monitor import wording
    from monitor.alerts.telling import category_of, signal_of

    alert = alarm.alert
    signal = signal_of(alert)
    drivers = [f"{wording.segment_text(item.segment)} ({wording.day(item.first_seen)})" for item in alarm.drivers]
    value = category_of(alert)
    title = f"{signal.title} {value}".rstrip()
    return (
        f"{alarm.raised:%Y-%m-%d %H:%M}",
        f"{alert.since:%Y-%m-%d %H:%M}".removesuffix(" 00:00"),
        alert.indicator,
        wording.segment_text(alert.segment),
        f"{title}: {wording.format_change(signal, alert.before, alert.after)}",
        alert.reason,
        wording.count(alert.n),
        ", ".join(drivers) or "-",
        f"{alarm.resolved:%Y-%m-%d}" if alarm.resolved else "-",
    )

"""`llmops-monitor jobs`: what the jobs did, and running one now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from monitor.terminal import database_option, duration, json_option, moment, opened, print_json, print_table


@click.group("jobs", invoke_without_command=True, help="Last run, duration, lag and errors of each job.")
@json_option
@database_option
@click.pass_context
def command(context: click.Context, as_json: bool, database_url: str | None) -> None:
    context.obj = database_url
    if context.invoked_subcommand is not None:
        return
    from monitor import clock, runs
    from monitor.jobs import all_jobs

    now = clock.now()
    with opened(database_url) as (store, _settings):
        found = [(job, runs.history(store, job.name, now)) for job in all_jobs()]
    documents: list[dict[str, Any]] = []
    for job, history in found:
        every = timedelta(seconds=job.every_seconds)
        latest, failure = history.latest, history.latest_failure
        documents.append(
            {
                "job": job.name,
                "description": job.description,
                "every_seconds": job.every_seconds,
                "state": latest.state if latest else "never ran",
                "last_run": latest.started if latest else None,
                "duration_seconds": _seconds(latest.duration if latest else None),
                "done": latest.done if latest else None,
                "lag_seconds": _seconds(history.lag(now, every)),
                "failures_last_day": history.failures,
                "last_error": failure.note if failure else None,
                "last_error_at": failure.started if failure else None,
            }
        )
    if as_json:
        print_json({"as_of": now, "jobs": documents})
        return
    rows = [
        [
            job.name,
            duration(timedelta(seconds=job.every_seconds)),
            document["state"],
            moment(document["last_run"]),
            duration(history.latest.duration if history.latest else None),
            duration(history.lag(now, timedelta(seconds=job.every_seconds))),
            str(history.failures),
            f"{moment(document['last_error_at'])} {document['last_error']}" if document["last_error"] else "",
        ]
        for (job, history), document in zip(found, documents, strict=True)
    ]
    titles = ("job", "every", "state", "last run (UTC)", "took", "lag", "failures (24 h)", "last error")
    print_table(titles, rows, empty="There are no jobs.")


@command.command("run", help="Run a job now.")
@click.argument("name")
@database_option
@click.pass_obj
def run(given_before: str | None, name: str, database_url: str | None) -> None:
    from monitor import clock
    from monitor.contracts import JobContext
    from monitor.jobs import named, run_now

    job = named(name)
    with opened(database_url or given_before) as (store, settings):
        outcome = run_now(job, JobContext(store, settings, clock.now()))
    click.echo(f"{outcome.job}: {outcome.note} ({outcome.seconds:.2f} s)")


def _seconds(value: timedelta | None) -> float | None:
    return round(value.total_seconds(), 3) if value is not None else None

"""`llmops-monitor worker`: the scheduler, nothing else."""

from __future__ import annotations

import os
import signal
import threading

import click

from monitor.terminal import database_option, opened


@click.command("worker", help="Runs the jobs, as a process of its own; several share them.")
@database_option
def command(database_url: str | None) -> None:
    from monitor.jobs import Scheduler

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with opened(database_url) as (store, settings):
        scheduler = Scheduler(store, settings)
        scheduler.start()
        click.echo("LLMOps monitor: jobs are running (Ctrl-C ends them)")
        stop.wait()
        finished = scheduler.stop()
    if not finished:
        click.echo("A job was still running; it will be done again.", err=True)
        os._exit(0)

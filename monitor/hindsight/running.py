"""Runs a back-test of stored history and keeps how it stands; and in a process of its own, for the worker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from monitor.errors import NotFound, describe
from monitor.hindsight.history import DayDone, History, as_document, replay_history
from monitor.identifiers import project_id
from monitor.queries import backtests
from monitor.queries.backtests import Wanted
from monitor.settings import Settings
from monitor.store import Store

_BETWEEN_BEATS = 1.0
_NICE = 10


def run_and_keep(
    store: Store, settings: Settings, project: str, wanted: Wanted, now: datetime, *, day_done: DayDone
) -> History:
    """Replays, says how far it got, and keeps what was found for the page. Raises what the replay raises."""
    number = project_id(project)
    current = backtests.standing(store, number)
    if current is None or current.state != "running":
        backtests.ask(store, number, wanted, now)
    began = time.monotonic()
    told = began

    def moment() -> datetime:
        return now + timedelta(seconds=time.monotonic() - began)

    def done(days: int, whole: int) -> None:
        nonlocal told
        day_done(days, whole)
        if time.monotonic() - told > _BETWEEN_BEATS:
            told = time.monotonic()
            backtests.change(store, number, state="running", beat=moment(), done_days=days, days=whole)

    try:
        found = replay_history(store, settings, project, wanted, now, day_done=done)
    except Exception as error:
        backtests.change(store, number, state="failed", beat=moment(), note=describe(error))
        raise
    backtests.change(store, number, state="done", beat=moment(), made=moment(), note="", result=as_document(found))
    return found


class Children:
    """Back-tests under way in processes of their own, so that they slow nobody down here."""

    def __init__(self) -> None:
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def look_after(self, store: Store, settings: Settings, now: datetime) -> int:
        """Begins those that were asked for, and notes those that ended badly; answers how many began."""
        for number, child in list(self._running.items()):
            if child.poll() is not None:
                del self._running[number]
                current = backtests.standing(store, number)
                if current is not None and current.state in ("asked", "running"):
                    note = f"Its process ended with {child.returncode}."
                    backtests.change(store, number, state="failed", beat=now, note=note)
        waiting = [(number, name) for number, name in backtests.asked(store) if number not in self._running]
        for number, name in waiting:
            self._begin(store, settings, number, name, now)
        return len(waiting)

    def wait(self, pause: Callable[[float], None] = time.sleep) -> None:
        """Waits until all have ended."""
        while any(child.poll() is None for child in self._running.values()):
            pause(0.05)

    def _begin(self, store: Store, settings: Settings, number: int, name: str, now: datetime) -> None:
        current = backtests.standing(store, number)
        if current is None:
            raise NotFound(f"No back-test of project {number} was asked for.")
        backtests.change(store, number, state="running", beat=now, done_days=0, days=0, note="")
        wanted = current.wanted
        arguments = ["--weeks", str(wanted.weeks), "--block", wanted.block, "--budget", str(wanted.budget)]
        self._running[number] = subprocess.Popen(  # noqa: S603 - this program with checked arguments
            [sys.executable, "-m", "monitor.cli", "backtest", f"--project={name}", *arguments],
            env=os.environ | {"MONITOR_DATABASE_URL": settings.database_url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, self._running[number].pid, _NICE)

"""Each slot is done once, whatever the number of processes, crashes and downtimes."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

import monitor.tasks
from monitor import clock, jobs, runs, tables
from monitor.contracts import Job, JobContext
from monitor.errors import Busy, NotFound, StoreError
from monitor.settings import Settings
from monitor.store import Store, table_of
from tests.conftest import NOW

RUN = table_of(tables.JobRun)


def note_slot(context: JobContext) -> tuple[int, str]:
    """Leaves a row that says which slot was done."""
    with context.store.write() as connection:
        name = f"{context.now.isoformat()} {uuid.uuid4()}"
        context.store.insert(connection, tables.Value, [{"name": name, "data": "done"}])
    return 1, "one row"


NOTING = Job("noting", 60, 1, "notes its slot", note_slot)


def done(store: Store) -> list[str]:
    """Moments as of which `note_slot` worked."""
    table = table_of(tables.Value)
    with store.read() as connection:
        names = connection.execute(select(table.c.name).where(table.c.data == "done")).scalars()
        return sorted(name.split()[0] for name in names)


def failing(error: Exception) -> Job:
    def run(_context: JobContext) -> tuple[int, str]:
        raise error

    return Job("failing", 60, 2, "always fails", run)


def stored(store: Store, job: str) -> list[tables.JobRun]:
    with store.read() as connection:
        return list(connection.execute(select(RUN).where(RUN.c.job == job).order_by(RUN.c.slot)).all())  # type: ignore[arg-type]


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_slots_are_cut_by_the_clock() -> None:
    moment = datetime(2026, 3, 11, 12, 30, 59, 999_999, tzinfo=NOW.tzinfo)
    assert jobs.slot_of(NOTING, moment) == NOW
    assert jobs.slot_of(NOTING, moment + timedelta(microseconds=1)) == NOW + timedelta(minutes=1)


def test_a_slot_is_done_once(store: Store, settings: Settings) -> None:
    context = JobContext(store, settings, NOW)
    outcome = jobs.run_due(NOTING, context, "one")
    assert outcome is not None
    assert (outcome.state, outcome.done, outcome.note) == ("ok", 1, "one row")
    assert jobs.run_due(NOTING, context, "one") is None
    assert jobs.run_due(NOTING, JobContext(store, settings, NOW + timedelta(seconds=59)), "two") is None
    assert jobs.run_due(NOTING, JobContext(store, settings, NOW + timedelta(seconds=60)), "two") is not None
    assert len(done(store)) == 2


def _race(url: str, slots: int, start: datetime, barrier: threading.Barrier) -> None:
    store = Store(url)
    settings = Settings(database_url=url)
    for number in range(slots):
        barrier.wait(60)
        jobs.run_due(NOTING, JobContext(store, settings, start + timedelta(minutes=number)), str(os.getpid()))
    store.close()


def test_three_processes_race_for_slots(store: Store, database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=_race, args=(database_url, 60, NOW, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert done(store) == [(NOW + timedelta(minutes=number)).isoformat() for number in range(60)]
    assert {run.state for run in stored(store, "noting")} == {"ok"}
    assert len({run.process for run in stored(store, "noting")}) > 1


def _die(url: str, started: threading.Event) -> None:
    def run(_context: JobContext) -> tuple[int, str]:
        started.set()
        time.sleep(60)
        return 0, ""

    store = Store(url)
    jobs.run_due(Job("noting", 60, 1, "hangs", run), JobContext(store, Settings(database_url=url), NOW), "victim")


def test_a_slot_whose_process_was_killed_is_taken_over(store: Store, settings: Settings, database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=_die, args=(database_url, started))
    process.start()
    assert started.wait(60)
    process.kill()
    process.join()
    soon, later = NOW + timedelta(seconds=20), NOW + timedelta(seconds=59, milliseconds=999)
    assert jobs.run_due(NOTING, JobContext(store, settings, soon), "heir") is None  # may still be alive
    with store.write() as connection:  # as if its last heartbeat had been longer ago
        connection.execute(update(RUN).values(heartbeat=clock.to_microseconds(later - runs.LEASE) - 1))
    assert jobs.run_due(NOTING, JobContext(store, settings, later), "heir") is not None
    (run,) = stored(store, "noting")
    assert (run.process, run.state, run.done) == ("heir", "ok", 1)


def test_a_slot_lost_long_ago_does_not_block_the_next_ones(store: Store, settings: Settings) -> None:
    assert runs.claim(store, "noting", NOW, "victim", NOW)
    later = NOW + timedelta(hours=5)
    assert jobs.run_due(NOTING, JobContext(store, settings, later), "heir") is not None
    assert [(run.process, run.state) for run in stored(store, "noting")] == [("victim", "lost"), ("heir", "ok")]
    # The victim was only asleep: what it says now no longer counts.
    runs.finish(store, "noting", NOW, "victim", later, state="ok", done=9, note="")
    assert stored(store, "noting")[0].state == "lost"


def test_a_long_run_keeps_its_lease_by_heartbeats_and_is_not_overtaken(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "HEARTBEAT", timedelta(seconds=0.05))
    release, started = threading.Event(), threading.Event()

    def run(_context: JobContext) -> tuple[int, str]:
        started.set()
        assert release.wait(30)
        return 3, "three"

    slow = Job("noting", 60, 1, "slow", run)
    thread = threading.Thread(target=jobs.run_due, args=(slow, JobContext(store, settings, NOW), "slow one"))
    thread.start()
    assert started.wait(30)
    first = stored(store, "noting")[0].heartbeat
    wait_for(lambda: stored(store, "noting")[0].heartbeat > first)
    assert jobs.run_due(NOTING, JobContext(store, settings, NOW + timedelta(seconds=60)), "other") is None
    with pytest.raises(Busy, match="running just now"):
        jobs.run_now(NOTING, JobContext(store, settings, NOW + timedelta(seconds=1)))
    release.set()
    thread.join()
    (run_row,) = stored(store, "noting")
    assert (run_row.state, run_row.done, run_row.note) == ("ok", 3, "three")
    assert run_row.finished >= run_row.started


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (StoreError("The store is full."), "StoreError: The store is full."),
        (ValueError("what a person wrote"), "ValueError in test_jobs.py line "),
    ],
)
def test_a_failure_is_recorded_without_texts_and_tried_again_in_the_next_slot(
    store: Store, settings: Settings, caplog: pytest.LogCaptureFixture, error: Exception, note: str
) -> None:
    outcome = jobs.run_due(failing(error), JobContext(store, settings, NOW), "one")
    assert outcome is not None
    assert outcome.state == "failed"
    assert outcome.note.startswith(note)
    assert "person" not in caplog.text
    assert stored(store, "failing")[0].note == outcome.note
    assert jobs.run_due(failing(error), JobContext(store, settings, NOW + timedelta(seconds=30)), "two") is None
    assert jobs.run_due(failing(error), JobContext(store, settings, NOW + timedelta(seconds=60)), "two") is not None
    history = runs.history(store, "failing", NOW + timedelta(seconds=61))
    assert history.failures == 2
    assert history.latest_ok is None
    assert history.lag(NOW, timedelta(seconds=60)) is None
    with pytest.raises(type(error)):
        jobs.run_now(failing(error), JobContext(store, settings, NOW + timedelta(minutes=5)))


def test_after_a_downtime_one_run_catches_up(store: Store, settings: Settings) -> None:
    jobs.run_due(NOTING, JobContext(store, settings, NOW), "one")
    back = NOW + timedelta(days=3)
    assert runs.history(store, "noting", back).lag(back, timedelta(seconds=60)) == timedelta(days=3, seconds=-60)
    assert jobs.run_due(NOTING, JobContext(store, settings, back), "one") is not None
    assert jobs.run_due(NOTING, JobContext(store, settings, back + timedelta(seconds=1)), "one") is None
    assert len(done(store)) == 2
    assert runs.history(store, "noting", back).lag(back, timedelta(seconds=60)) == timedelta()


def test_run_now_may_repeat_a_moment(store: Store, settings: Settings) -> None:
    context = JobContext(store, settings, NOW)
    assert [jobs.run_now(NOTING, context).state for _ in range(2)] == ["ok", "ok"]
    assert len(done(store)) == 2


def test_old_runs_are_forgotten_but_never_the_newest_good_one(store: Store, settings: Settings) -> None:
    idle = Job("idle", 60, 1, "has nothing to do", lambda _context: (0, ""))
    for age in (timedelta(days=31), timedelta(days=2), timedelta(hours=1)):
        for job in (NOTING, idle):
            jobs.run_due(job, JobContext(store, settings, NOW - age), "one")
    only = Job("only", 60, 1, "ran once, long ago", lambda _context: (0, ""))
    jobs.run_due(only, JobContext(store, settings, NOW - timedelta(days=300)), "one")
    assert runs.prune(store, NOW) == 3
    assert [len(stored(store, name)) for name in ("noting", "idle", "only")] == [2, 1, 1]
    assert runs.prune(store, NOW) == 0


def test_scheduler_does_jobs_until_it_is_stopped(store: Store, settings: Settings) -> None:
    counted = []
    quick = Job("quick", 1, 1, "counts", lambda context: (counted.append(context.now) or 1, ""))  # type: ignore[func-returns-value]
    broken = failing(ValueError("no"))
    scheduler = jobs.Scheduler(store, settings, [broken, quick, NOTING])
    scheduler.start()
    wait_for(lambda: len(counted) >= 2 and len(done(store)) == 1 and len(stored(store, "failing")) == 1)
    assert scheduler.stop()
    after = len(counted)
    time.sleep(1.2)
    assert len(counted) == after
    assert all(run.state in ("ok", "failed") for name in ("quick", "failing") for run in stored(store, name))


def test_scheduler_survives_a_store_that_is_away(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, calls = runs.claim, []

    def claim(*arguments: object, **options: object) -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise StoreError("The store is away.")
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "claim", claim)
    scheduler = jobs.Scheduler(store, settings, [Job("noting", 1, 1, "notes", note_slot)])
    scheduler.start()
    wait_for(lambda: bool(done(store)))
    assert scheduler.stop()
    assert "could not be started" in caplog.text


# What a record passes through: all signals are there before sums are made, and sums before they are judged.
RIVER = ("enrich", "comments", "implicit", "profiles", "indicators", "alerts", "summary", "deliver")


def test_every_packaged_job_is_found_in_the_order_of_the_river() -> None:
    found = jobs.all_jobs()
    names = [job.name for job in found]
    packaged = {path.stem for path in Path(str(monitor.tasks.__file__)).parent.glob("[!_]*.py")}
    assert set(names) == packaged, "one file a job, called like it"
    assert len(names) == len(packaged)
    orders = [job.order for job in found]
    assert orders == sorted(set(orders)), "each has a place of its own"
    places = [names.index(name) for name in RIVER]
    assert places == sorted(places)
    with pytest.raises(NotFound, match=f"'nothing'; there are {', '.join(names)}"):
        jobs.named("nothing")

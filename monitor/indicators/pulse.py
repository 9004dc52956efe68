"""Pulse: the monitor watches itself, so that silence is never taken for health."""

from __future__ import annotations

from collections.abc import Callable

from monitor import wording
from monitor.contracts import Evidence, Indicator, Rule, Signal, Verdict
from monitor.stats.budget import SUSPICIOUS, chance_of_false_alarms

MAX_LAG_SECONDS = 300.0
MAX_BACKLOG_SECONDS = 900.0
MIN_COVERAGE = 0.95
MIN_COVERED_CALLS = 20
MAX_REJECTED_SHARE = 0.05
MIN_REJECTED = 20
MIN_SILENT_HOURS = 6.0
SILENCE_FACTOR = 1.5
MIN_HISTORY_DAYS = 7.0


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"


def _judged(bad: bool, reason: str, value: float, limit: float, n: float = 0) -> Verdict:
    return Verdict("bad" if bad else "ok", reason, value=value, baseline=limit, n=int(n))


def _lag(evidence: Evidence) -> Verdict:
    lag = evidence.facts.get("lag_s")
    if lag is None:
        return Verdict("no_data", "No calls arrived in the last day, so their delay is unknown.")
    late = lag > MAX_LAG_SECONDS
    return _judged(
        late,
        f"Calls arrive {_duration(lag)} after they were made{', which is late' if late else ''}.",
        lag,
        MAX_LAG_SECONDS,
    )


def _backlog(evidence: Evidence) -> Verdict:
    waiting, calls = evidence.facts.get("backlog_s", 0.0), evidence.facts.get("backlog_calls", 0.0)
    reason = (
        f"{wording.plural(int(calls), 'call')} wait for their signals, the oldest for {_duration(waiting)}."
        if calls
        else "No call waits for its signals."
    )
    return _judged(waiting > MAX_BACKLOG_SECONDS, reason, waiting, MAX_BACKLOG_SECONDS, calls)


def _coverage(evidence: Evidence) -> Verdict:
    calls = evidence.facts.get("coverage_calls", 0.0)
    share = evidence.facts.get("coverage")
    if share is None or calls < MIN_COVERED_CALLS:
        return Verdict("no_data", "Too few calls in the last day to say how many have their signals.", n=int(calls))
    return _judged(
        share < MIN_COVERAGE,
        f"{wording.percent(share)} of the last {wording.plural(int(calls), 'call')} have their signals.",
        share,
        MIN_COVERAGE,
        calls,
    )


def _jobs(evidence: Evidence) -> Verdict:
    failed, stuck = evidence.facts.get("jobs_failed", 0.0), evidence.facts.get("jobs_stuck", 0.0)
    known = evidence.facts.get("jobs_known", 0.0)
    if not known:
        return Verdict("no_data", "No job has run yet.")
    bad = failed + stuck
    reason = (
        f"{wording.plural(int(failed), 'job')} failed and {int(stuck)} hang; the jobs command says why."
        if bad
        else f"All {wording.plural(int(known), 'job')} ran."
    )
    return _judged(bad > 0, reason, bad, 0.0, known)


def _rejects(evidence: Evidence) -> Verdict:
    rejected, received = evidence.facts.get("rejected", 0.0), evidence.facts.get("received", 0.0)
    whole = rejected + received
    share = rejected / whole if whole else 0.0
    bad = rejected >= MIN_REJECTED and share > MAX_REJECTED_SHARE
    reason = f"{wording.plural(int(rejected), 'record')} of {int(whole):,} could not be taken in the last hour."
    return _judged(bad, reason, share, MAX_REJECTED_SHARE, whole)


def _silence(evidence: Evidence) -> Verdict:
    hours = evidence.facts.get("silent_hours")
    if hours is None:
        return Verdict("no_data", "No call has arrived yet.")
    usual, history = evidence.facts.get("usual_gap_hours", 0.0), evidence.facts.get("history_days", 0.0)
    if history < MIN_HISTORY_DAYS:
        return Verdict(
            "too_few", f"The newest call is {_duration(hours * 3600)} old; a week of history says what is usual."
        )
    limit = max(MIN_SILENT_HOURS, SILENCE_FACTOR * usual)
    return _judged(
        hours > limit,
        f"The newest call is {_duration(hours * 3600)} old; the longest pause of four weeks was "
        f"{_duration(usual * 3600)}.",
        hours,
        limit,
    )


def _budget(evidence: Evidence) -> Verdict:
    marked = evidence.facts.get("alarms_false", 0.0)
    raised, spent = evidence.facts.get("alarms_raised", 0.0), evidence.facts.get("alarms_allowed", 0.0)
    bad = chance_of_false_alarms(int(marked), spent) < SUSPICIOUS
    reason = (
        f"{wording.plural(marked, 'incident')} of {int(raised)} in a quarter marked false, at most "
        f"{wording.number(spent)} expected{': an assumption of the alarm budget is broken' if bad else ''}."
    )
    return _judged(bad, reason, marked, spent, raised)


def _every(_signal: Signal) -> bool:
    return True


def _indicator(name: str, title: str, question: str, compute: Callable[[Evidence], Verdict]) -> Indicator:
    return Indicator(
        name=name,
        family="pulse",
        title=title,
        question=question,
        applies=_every,
        compute=compute,
        against="pulse",
        overall_only=True,
        rule=Rule(states=("bad",), for_blocks=1, clear_blocks=1),
    )


ingest_lag = _indicator("ingest_lag", "Delay of calls", "Do calls arrive soon after they were made?", _lag)
backlog = _indicator("backlog", "Waiting calls", "Do signals keep up with the calls?", _backlog)
coverage = _indicator("coverage", "Calls with signals", "Do all calls get their signals?", _coverage)
jobs = _indicator("jobs", "Jobs", "Do the monitor's own jobs run?", _jobs)
rejects = _indicator("rejects", "Rejected records", "Is what senders send understood?", _rejects)
silence = _indicator("silence", "Silence", "Are calls still arriving?", _silence)
budget = _indicator("budget", "Alarm budget", "Are there more false alarms than were allowed?", _budget)

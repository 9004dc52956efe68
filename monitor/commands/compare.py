"""`llmops-monitor compare`: a drift report on two files of calls, for people and for pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands.importing import Timezone, rows_progress
from monitor.terminal import json_option, print_json, print_table

if TYPE_CHECKING:
    from monitor.contracts import Segment
    from monitor.detect.table_comparison import Binning, ColumnDrift
    from monitor.files import LogFile
    from monitor.files.comparison import Compared, Drift


@click.command(
    "compare", help="Compare the calls of CURRENT with those of REFERENCE, signal by signal; needs no store."
)
@click.argument("reference", metavar="REFERENCE", type=click.Path(path_type=Path))
@click.argument("current", metavar="CURRENT", type=click.Path(path_type=Path))
@click.option(
    "--fail-on",
    type=click.Choice(["moved", "bad"]),
    help="Exit with 1 where anything got worse (bad), or changed at all (moved).",
)
@click.option("--timezone", type=Timezone(), help="Zone of times that name none, such as Europe/Berlin or +02:00.")
@click.option(
    "--binning",
    type=click.Choice(["deciles", "sturges"]),
    default="deciles",
    show_default=True,
    help="Bins of PSI and Jensen-Shannon in tables that are no logs of calls: deciles of the reference, or bins of "
    "equal width by Sturges' rule.",
)
@json_option
def command(
    reference: Path, current: Path, *, fail_on: str | None, timezone: tzinfo | None, binning: Binning, as_json: bool
) -> int:
    from monitor import clock
    from monitor.files import LogFile
    from monitor.files.calls import Progress
    from monitor.files.columns import is_table
    from monitor.files.comparison import as_document, compare_files
    from monitor.settings import Settings

    logs = {"reference": LogFile(reference), "current": LogFile(current)}
    if all(is_table(log) for log in logs.values()):
        return _compare_tables(logs["reference"], logs["current"], fail_on, binning, as_json)
    with rows_progress() as progress:

        def told(name: str) -> Progress:
            task = progress.add_task(name, total=max(logs[name].size, 1), rows=0)
            return lambda position, rows: progress.update(task, completed=position, rows=rows)

        drift = compare_files(
            logs["reference"],
            logs["current"],
            Settings(),
            clock.now(),
            timezone=timezone,
            reading={name: told(name) for name in logs},
        )
    if as_json:
        print_json(as_document(drift))
    else:
        _print(drift)
    failing = {"bad": ("bad",), "moved": ("bad", "moved"), None: ()}[fail_on]
    return 1 if drift.worst in failing else 0


def _compare_tables(reference: LogFile, current: LogFile, fail_on: str | None, binning: Binning, as_json: bool) -> int:
    from dataclasses import asdict

    from monitor.detect import compare_tables
    from monitor.files.columns import read_columns

    before, after = read_columns(reference), read_columns(current)
    found = compare_tables(before, after, binning=binning)
    moved = [name for name, column in found.items() if column.moved]
    if as_json:
        print_json(
            {
                "reference": {"file": str(reference.path), "rows": _rows(before)},
                "current": {"file": str(current.path), "rows": _rows(after)},
                "state": "moved" if moved else "ok",
                "moved": moved,
                "columns": [asdict(column) for column in found.values()],
                "appeared": sorted(after.keys() - before.keys()),
                "vanished": sorted(before.keys() - after.keys()),
            }
        )
    else:
        _print_columns(list(found.values()), len(moved))
    return 1 if moved and fail_on == "moved" else 0


def _rows(table: Mapping[str, Any]) -> int:
    return len(next(iter(table.values()), ()))


def _print_columns(columns: list[ColumnDrift], moved: int) -> None:
    from monitor import wording

    click.echo(
        f"{wording.plural(len(columns), 'column')} compared, {wording.count(moved)} moved; two tables alike show any "
        "at all in at most 5% of cases."
    )
    print_table(
        ("state", "column", "before", "after", "PSI", "JS", "Wasserstein", "KS", "p-value"),
        [
            (
                "moved" if column.moved else "ok",
                column.column,
                *_before_and_after(column),
                wording.number(column.psi),
                wording.number(column.jensen_shannon),
                wording.number(column.wasserstein) if column.wasserstein is not None else "-",
                wording.number(column.ks) if column.ks is not None else "-",
                f"{column.p_value:.2g}",
            )
            for column in sorted(columns, key=lambda column: (not column.moved, column.p_value))
        ],
        empty="The two tables have no column in common.",
    )


def _before_and_after(column: ColumnDrift) -> tuple[str, str]:
    from monitor import wording

    if column.before is not None and column.after is not None:
        return wording.number(column.before), wording.number(column.after)
    name, before, after = column.names[0]
    return f"{wording.shortened(name, 30)}: {wording.percent(before)}", wording.percent(after)


def _print(drift: Drift) -> None:
    from monitor import wording
    from monitor.contracts import WHOLE

    changed = [item for item in drift.compared if item.state in ("bad", "moved")]
    calm = [item for item in drift.compared if item.state not in ("bad", "moved")]
    click.echo(
        f"{drift.current}: {wording.plural(drift.current_calls, 'call')} against {drift.reference}: "
        f"{wording.plural(drift.reference_calls, 'call')}. {wording.plural(drift.comparisons, 'comparison')}, "
        f"{wording.plural(sum(item.state == 'bad' for item in changed), 'change')} for the worse and "
        f"{wording.count(sum(item.state == 'moved' for item in changed))} other; two files alike show any at all in at "
        "most 5% of cases."
    )
    print_table(
        ("state", "where", "signal", "change", "95% interval", "effect", "calls", "PSI", "JS", "Wasserstein", "KS"),
        [_row(group) for group in _grouped([*changed, *(item for item in calm if item.segment == WHOLE)])],
        empty="The two files have no signal in common.",
    )
    quiet = [item for item in calm if item.segment != WHOLE]
    if quiet:
        few = sum(item.state == "too_few" for item in quiet)
        click.echo(
            f"In segments, {wording.plural(len(quiet) - few, 'comparison')} showed no relevant change and "
            f"{wording.count(few)} had too few users; --json has them all."
        )
    for title, segments in (("Only in the current file", drift.appeared), ("Only in the reference", drift.vanished)):
        if segments:
            click.echo(f"{title}: {', '.join(_segment(*item) for item in segments)}.")


def _segment(segment: Segment, calls: int) -> str:
    from monitor import wording

    return (
        f"{wording.dimension_text(segment.dimension)} {wording.shortened(segment.value, 60)} "
        f"({wording.plural(calls, 'call')})"
    )


def _grouped(items: Iterable[Compared]) -> Iterable[list[Compared]]:
    """Comparisons of the same calls under other names in one: where gpt-4 is only asked for primes, both are one."""
    groups: dict[object, list[Compared]] = {}
    for item in items:
        figures = (item.found.value, item.found.baseline) if item.found is not None else item.segment
        groups.setdefault((item.signal.name, item.n, item.reference_n, figures), []).append(item)
    return groups.values()


def _row(group: list[Compared]) -> tuple[str, ...]:
    from monitor import wording

    item = group[0]
    found = item.found
    signal = item.signal
    title = f"{signal.title}: {found.categories[0].value}" if found is not None and found.categories else signal.title
    figures = ("-", "-", "-")
    if found is not None:
        figures = (
            wording.format_change(signal, found.baseline, found.value, with_unit=True),
            wording.format_interval(signal, found.low, found.high).removeprefix("95% interval ") or "-",
            wording.format_difference(signal, found.baseline, found.value),
        )
    return (
        item.state.replace("_", " "),
        "; ".join(wording.segment_text(item.segment) for item in group),
        title,
        *figures,
        f"{wording.count(item.reference_n)} {wording.ARROW} {wording.count(item.n)}",
        *(
            wording.number(item.distances[name]) if name in item.distances else "-"
            for name in ("psi", "jensen_shannon", "wasserstein", "ks")
        ),
    )

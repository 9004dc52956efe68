"""The page docs/quality.md, made from the figures of all modules here."""

from __future__ import annotations

import functools
import importlib
import math
import pkgutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import tests.quality
from monitor.contracts import Kind, Signal
from monitor.signals import CONTRADICTS, FEEDBACK_PREFIX, describe, registry
from tests.quality import Figure
from tests.quality.coverage import COUNTED, LANGUAGES, MEASURED_AS, UNMEASURED

PAGE = Path(__file__).parent.parent.parent / "docs" / "quality.md"

FALSE_ALARMS = ("false alarms", "wrong called correct", "wrong")
"""Measures that count wrong answers among rows where there is nothing to find."""

_FORMAT = """\
## With your own data

`make quality DATA=FOLDER` prints the same figures for rows of yours, and writes nothing. The folder has a file for
each signal to be checked, named after it: `toxic.jsonl`, `groundedness.jsonl.gz` and so on (also `.xz`). One flat
JSON object a line:

| key | meaning |
| --- | --- |
| `id` | optional; shown where a row cannot be read |
| `prompt`, `response` | the texts; the prompt is the last message of the user |
| `context`, `reference` | a text or a list of texts |
| `label` | the truth: `true`/`false` or 1/0 for flags and numbers, -1/0/1 for sentiment, a name for categories |
| `prompt_id` | optional; rows with the same value are drawn together for the intervals |
| `spans` | for `personal_data` only: list of `{"type", "start", "end"}`, types as in `monitor.redaction.KINDS` |

Flags get precision, recall and false alarms; numbers the AUC (the chance that a row with label 1 has the higher value;
for groundedness, whose label 1 is often "made up", one minus it), also among texts with the same number of words;
categories the share of rows with the right name. Rows on which the signal has no value are counted and left out.
"""


def known() -> dict[str, Signal]:
    """The signals that may be measured: those of the enrichers, and what answers to one question are compared by."""
    name = FEEDBACK_PREFIX + CONTRADICTS
    return {**registry(), name: describe(name, Kind.FLAG)}


def reports() -> list[str]:
    """The modules here that measure something."""
    names = [info.name for info in pkgutil.iter_modules(tests.quality.__path__) if not info.name.startswith("_")]
    return [name for name in names if hasattr(importlib.import_module(f"tests.quality.{name}"), "report")]


@functools.cache
def figures_of(module: str) -> tuple[Figure, ...]:
    """The figures of one module."""
    return tuple(importlib.import_module(f"tests.quality.{module}").report())


def all_figures() -> list[Figure]:
    """The figures of all modules."""
    return [figure for module in reports() for figure in figures_of(module)]


def number(value: float) -> str:
    """Three digits; nothing where there is no value."""
    return "" if math.isnan(value) else f"{value:.3f}"


def interval(figure: Figure) -> str:
    """The figure, in bold, with its interval."""
    low, high = max(0.0, figure.low), min(1.0, figure.high)
    return f"**{number(figure.value)}** ({number(low)} to {number(high)})"


def table(figures: Iterable[Figure]) -> str:
    """Figures as a table of Markdown."""
    lines = ["| data | n | measure | figure (95% interval) | threshold | |", "| --- | ---: | --- | --- | ---: | --- |"]
    for one in figures:
        threshold = "" if one.threshold is None else f"{one.threshold:g}"
        lines.append(f"| {one.data} | {one.n:,} | {one.measure} | {interval(one)} | {threshold} | {one.note} |")
    return "\n".join(lines)


def overview(figures: Sequence[Figure]) -> str:
    """One row a signal: its first figure, and its false alarms on harmless rows."""
    head = "| signal | data | n | first figure | false alarms | threshold | languages |"
    lines = [head, "| --- | --- | ---: | --- | --- | ---: | --- |"]
    for name in known():
        own = [figure for figure in figures if figure.signal == name]
        if not own:
            continue
        first = own[0]
        false = next((one for one in own if one.measure in FALSE_ALARMS), None)
        lines.append(
            f"| [{name}](#{name}) | {first.data} | {first.n:,} | {first.measure} {interval(first)} "
            f"| {f'{number(false.value)} of {false.n:,}' if false else ''} "
            f"| {next((f'{one.threshold:g}' for one in own if one.threshold is not None), '')} "
            f"| {LANGUAGES.get(name, 'any')} |"
        )
    return "\n".join(lines)


def page(figures: Sequence[Figure]) -> str:
    """The whole page."""
    signals = known()
    measured = {figure.signal for figure in figures}
    compared = sorted(measured - signals.keys())
    lines = [
        "# Quality of the signals",
        "",
        "Made by `make quality` from the labelled rows in `tests/data`, which no model was trained on; who wrote the",
        "rules and word lists had seen some of them. Origins and licences stand in the NOTICE files there. Intervals:",
        "Wilson for shares, bootstrap over questions for AUC and F1. A false alarm is a harmless row that is flagged.",
        '"Planted", "made" and "written here" say that rows were made for this report and are no sample of real use.',
        "Your data will differ: see the end of the page.",
        "",
        overview(figures),
        "",
    ]
    for name, signal in signals.items():
        own = [figure for figure in figures if figure.signal == name]
        if not own:
            continue
        lines += [f"## {name}", "", f"{signal.title}. {signal.description}", ""]
        lines += [f"Languages: {LANGUAGES[name]}.  "] if name in LANGUAGES else []
        lines += [f"Misses: {signal.misleads}", "", table(own), ""]
    lines += ["## For comparison", "", "The same rows without this product's own rules and models.", ""]
    for name in compared:
        lines += [f"**{name}**", "", table(figure for figure in figures if figure.signal == name), ""]
    lines += ["## Measured as others", "", "The same measure of another text, or what follows from another signal.", ""]
    lines += [f"- `{name}`: see `{other}`" for name, other in MEASURED_AS.items() if name not in measured]
    lines += ["", "## Not measured on labelled rows", ""]
    lines += [f"- `{name}`: {why}. Languages: {LANGUAGES.get(name, 'any')}." for name, why in UNMEASURED.items()]
    lines += ["", "## Reported or counted", ""]
    lines += ["Nothing is judged, so there is no error rate: " + ", ".join(f"`{name}`" for name in COUNTED) + ".", ""]
    return "\n".join(lines) + "\n" + _FORMAT

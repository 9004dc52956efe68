"""The parts of the documentation that are made from the code: `python -m tests.documentation` writes them anew.

`tests/test_documentation.py` fails when what is written is not what the code says.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from monitor.contracts import Enricher, Indicator, Kind, collect
from monitor.settings import Settings
from monitor.signals import CONTRADICTS, COUNTED, FEEDBACK_PREFIX, describe

ROOT = Path(__file__).parent.parent
DIRECTIONS = {"up": "more is better", "down": "less is better", None: "neither is better"}


def settings_table() -> str:
    """Every setting with its default and help, as Markdown."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = field.default
        if hasattr(default, "get_secret_value"):
            default = default.get_secret_value()
        if isinstance(default, tuple):
            default = ",".join(default)
        shown = f"`{default}`" if default not in ("", None) else ""
        lines.append(f"| `MONITOR_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(lines)


def signals_page() -> str:
    """Every signal and indicator, as Markdown."""
    lines = [
        "# Signals and indicators",
        "",
        "A signal is a named value of one call. It is absent where it cannot be measured: not measured is never zero.",
        "",
        "`MONITOR_SIGNALS_OFF` switches signals off: names of signals, or of enrichers (the headings here) for all",
        "of theirs, such as `MONITOR_SIGNALS_OFF=tone,readability`. They are absent from calls scored from then on;",
        "what was stored stays. How often each signal is wrong: [quality.md](quality.md).",
        "",
    ]
    for enricher in collect(importlib.import_module("monitor.enrich"), Enricher).values():
        lines += [f"## {enricher.name}", ""]
        for signal in enricher.signals:
            unit = f", {signal.unit}" if signal.unit else ""
            relevant = (
                f"{signal.relevant_change:.0%} of the baseline"
                if signal.kind == "number"
                else f"{signal.relevant_change * 100:g} points"
            )
            lines.append(f"**`{signal.name}`** ({signal.kind}{unit}; {signal.family}; {DIRECTIONS[signal.good]})  ")
            lines.append(f"{signal.title}: {signal.description}  ")
            if signal.kind != "vector":
                lines.append(f"Smallest relevant change: {relevant}.  ")
            if signal.misleads:
                lines.append(f"Misleads: {signal.misleads}  ")
            lines.append("")
    lines += ["## Counted over a day", ""]
    for signal in COUNTED.values():
        lines.append(f"**`{signal.name}`** ({signal.kind}; {signal.family})  ")
        lines.append(f"{signal.title}: {signal.description}  ")
        lines.append(f"Smallest relevant change: {signal.relevant_change * 100:g} points.  ")
        lines += [f"Misleads: {signal.misleads}  ", ""]
    found = describe(FEEDBACK_PREFIX + CONTRADICTS, Kind.FLAG)
    lines += ["## Compared with earlier answers", ""]
    lines.append(f"**`{found.name}`** (flag; quality; less is better; off with `MONITOR_SIGNALS_OFF={CONTRADICTS}`)  ")
    lines += [f"{found.title}: {found.description}  ", f"Misleads: {found.misleads}  ", ""]
    lines += [
        "## feedback",
        "",
        "**`feedback.NAME`** (flag, number or category, as it is sent; quality)  ",
        "What people and evaluators said of the calls, one signal for each name. Trust it as far as those who",
        "rated are like those who did not.",
        "",
        "# Indicators",
        "",
    ]
    for indicator in collect(importlib.import_module("monitor.indicators"), Indicator).values():
        lines += [f"**{indicator.title}** (`{indicator.name}`, {indicator.family}): {indicator.question}", ""]
    return "\n".join(lines).rstrip() + "\n"


def readme_with_settings(text: str) -> str:
    """The README with the table of settings put into its place."""
    return re.sub(
        r"<!-- settings -->.*?(?=\n## )", f"<!-- settings -->\n{settings_table()}\n", text, count=1, flags=re.DOTALL
    )


def main() -> None:
    """Writes all of them."""
    (ROOT / "docs" / "signals.md").write_text(signals_page())
    readme = ROOT / "README.md"
    readme.write_text(readme_with_settings(readme.read_text()))


if __name__ == "__main__":
    main()

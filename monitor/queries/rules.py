"""The default rules: every indicator with its question and when it alerts, in words."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Literal

from monitor.contracts import Family, Indicator, Rule, collect

_TROUBLE = {
    "bad": "gets worse",
    "moved": "moves",
    "no_data": "has no data",
    "too_few": "has too few calls",
    "ok": "is fine",
}


@dataclass(frozen=True)
class IndicatorRecord:
    """An indicator as pages show it."""

    name: str
    family: Family
    title: str
    question: str
    against: Literal["past", "others", "pulse"]
    overall_only: bool
    rule: Rule

    @property
    def when(self) -> str:
        """When it alerts, as a sentence."""
        rule = self.rule
        states = " or ".join(_TROUBLE[state] for state in rule.states)
        fires = "as soon as" if rule.for_blocks == 1 else f"when {rule.for_blocks} times in a row"
        clears = (
            "as soon as it is fine"
            if rule.clear_blocks == 1
            else f"when it was fine {rule.clear_blocks} times in a row"
        )
        told = "" if rule.notify else " It stays on the pages; no mail is sent."
        return f"{fires.capitalize()} it {states}; over {clears}.{told}"


def indicators() -> dict[str, IndicatorRecord]:
    """All indicators by name."""
    found = collect(importlib.import_module("monitor.indicators"), Indicator)
    return {
        name: IndicatorRecord(
            name,
            indicator.family,
            indicator.title,
            indicator.question,
            indicator.against,
            indicator.overall_only,
            indicator.rule or Rule(),
        )
        for name, indicator in found.items()
    }

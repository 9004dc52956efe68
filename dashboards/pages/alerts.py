"""Alerts."""

from __future__ import annotations

from typing import Any

from dashboards import cards
from dashboards.filters import Request
from monitor.contracts import Page


def layout(request: Request) -> Any:
    """The page."""
    return cards.heading("Alerts", str(request.segment))


PAGE = Page("/alerts", "Alerts", "alerts", 7, layout)

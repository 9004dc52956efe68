"""Drift."""

from __future__ import annotations

from typing import Any

from dashboards import cards
from dashboards.filters import Request
from monitor.contracts import Page


def layout(request: Request) -> Any:
    """The page."""
    return cards.heading("Drift", str(request.segment))


PAGE = Page("/drift", "Drift", "drift", 3, layout)

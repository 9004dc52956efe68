"""Overview."""

from __future__ import annotations

from typing import Any

from dashboards import cards
from dashboards.filters import Request
from monitor.contracts import Page


def layout(request: Request) -> Any:
    """The page."""
    return cards.heading("Overview", str(request.segment))


PAGE = Page("/", "Overview", "overview", 1, layout)

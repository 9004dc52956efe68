"""Names of models: a snapshot and the family it belongs to."""

from __future__ import annotations

import re

# What snapshots append to a family's name: -0613, -20241022, -2024-08-06, @001, -001, -latest, -preview.
_SNAPSHOT = re.compile(r"(?:[-@:_](?:20\d{2}-?\d{2}-?\d{2}|\d{2}-\d{2}|\d{3,4}|v\d+:\d+|latest|preview))+\Z")


def model_family(model: str) -> str:
    """The model without its snapshot: gpt-4-0613 is gpt-4, claude-3-5-sonnet-20241022 is claude-3-5-sonnet."""
    return _SNAPSHOT.sub("", model) or model

"""Names of models: a snapshot and the family it belongs to."""

from __future__ import annotations

import re
from functools import lru_cache

# What marks a snapshot at the end of a name: a date, a month and day, a build number, a moving alias.
_SNAPSHOT = re.compile(
    r"[-@:_](?:(?:19|20)\d{2}-?[01]\d-?[0-3]\d|[01]\d[0-3]\d|[01]\d-(?:19|20)\d{2}|2\d(?:0[1-9]|1[0-2])|0\d\d|v\d+(?::\d+)?|latest)\Z"
)


@lru_cache(maxsize=4096)
def model_family(model: str) -> str:
    """The name without its snapshot: `gpt-4-0613` is of `gpt-4`, `claude-3-5-haiku-20241022` of `claude-3-5-haiku`."""
    while True:
        shorter = _SNAPSHOT.sub("", model)
        if shorter == model or not shorter:
            return model
        model = shorter

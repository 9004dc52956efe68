"""Which comments are complaints: a low rating, a thumb down, or unfriendly words where nothing else was said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monitor.contracts import Kind
from monitor.signals import feedback_signal

_LOW = 0.4
_UNFRIENDLY = -0.2
_WORSE_LABELS = frozenset(
    """
    bad poor terrible awful wrong incorrect inaccurate unhelpful irrelevant negative down dislike no false unsafe
    harmful incomplete fail failed failure thumbs_down thumbs-down thumbsdown thumb_down 👎
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Said:
    """What counts of one feedback: its name, value (0 or 1 for a flag), label and the sentiment of its comment."""

    name: str
    value: float | None
    is_flag: bool
    label: str
    sentiment: float | None


def scales(all_said: Iterable[Said]) -> dict[str, tuple[float, float]]:
    """The smallest and largest value of each rating."""
    found: dict[str, tuple[float, float]] = {}
    for said in all_said:
        if said.value is not None and not said.is_flag:
            low, high = found.get(said.name, (said.value, said.value))
            found[said.name] = min(low, said.value), max(high, said.value)
    return found


def is_complaint(said: Said, scale: Mapping[str, tuple[float, float]]) -> bool:
    """True for a flag on its worse side, a rating in the worse 40 % of the values it has, a label that finds fault.

    Where there is none of these, the comment's sentiment decides: -0.2 or less. A rating that was always the same says
    nothing either way. It misleads for ratings that have no "more is better", and for praise with unfriendly words.
    """
    worse_is_more = feedback_signal(said.name, Kind.FLAG).good == "down"
    if said.value is not None and said.is_flag:
        return bool(said.value) == worse_is_more
    low, high = scale.get(said.name, (0.0, 0.0))
    if said.value is not None and high > low:
        place = (said.value - low) / (high - low)
        return place >= 1 - _LOW if worse_is_more else place <= _LOW
    if said.label:
        return said.label.strip().lower() in _WORSE_LABELS
    return said.sentiment is not None and said.sentiment <= _UNFRIENDLY

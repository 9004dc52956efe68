"""Questions past the end of the model's training data, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue
from monitor.records import HIDDEN
from monitor.text.answering import is_dated, is_hedged
from monitor.text.refusal import is_refusal
from monitor.text.staleness import cutoff_of, newest_time, own_cutoffs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.records import Span
    from monitor.settings import Settings


def _compute(calls: Sequence[Span], settings: Settings) -> list[dict[str, SignalValue]]:
    own = own_cutoffs(settings.model_cutoffs)
    return [_stale(call, own) for call in calls]


def _stale(call: Span, own: Mapping[str, str]) -> dict[str, SignalValue]:
    prompt = call.prompt_text
    end = cutoff_of(call.model or call.requested_model, own)
    if not end or not prompt.strip() or prompt == HIDDEN:
        return {}
    is_past = newest_time(prompt, call.time) > end
    values: dict[str, SignalValue] = {"past_cutoff": is_past}
    if is_past and (call.has_response or call.status == "error"):
        answer = call.response
        values["past_cutoff_failed"] = (
            call.status == "error" or is_refusal(answer) or is_dated(answer) or is_hedged(answer)
        )
    return values


_TABLE = (
    "Cut-offs are what makers state, by the model's name; models without one have no value (add them with "
    "MONITOR_MODEL_CUTOFFS). "
)

staleness = Enricher(
    name="staleness",
    version=1,
    signals=(
        Signal(
            "past_cutoff",
            Kind.FLAG,
            "Questions past the cut-off",
            "The prompt names a year or month after the end of the model's training data, or asks for today's state.",
            family="drift",
            relevant=0.05,
            misleads=_TABLE + "Dates that are only mentioned, plans and texts given to be worked on count too. English "
            "words, years from 2010 on.",
            weight=0.3,
        ),
        Signal(
            "past_cutoff_failed",
            Kind.FLAG,
            "Failures past the cut-off",
            "Of the questions past the cut-off: the call failed, or its answer declines, guesses or excuses itself "
            "with the age of its knowledge.",
            family="quality",
            good="down",
            relevant=0.05,
            misleads=_TABLE + "Answers that are wrong without saying so are not seen.",
            weight=0.3,
        ),
    ),
    compute=_compute,
)

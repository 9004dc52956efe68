"""An explanation in plain sentences: one for each question, none where there is nothing to say."""

from __future__ import annotations

from dataclasses import replace

from monitor import wording
from monitor.contracts import Kind, Segment, Signal
from monitor.explain.records import Explanation, Mixture, MixturePart, Suspect, Topic, Where, Word

NO_VALUE = "none"
MOST_WORDS = 3
_EXPLAINS_LITTLE = 0.1


def as_sampled(signal: Signal, explanation: Explanation) -> Signal:
    """The signal as the figures of the explanation are to be read: shares, where they are those of one value."""
    if explanation.what or signal.kind is Kind.CATEGORY:
        return replace(signal, kind=Kind.FLAG, unit="")
    return signal


def since_text(explanation: Explanation) -> str:
    """ "14 Oct 2026", "14 Oct 2026, 09:00 UTC", and the range it could be in."""
    since = explanation.since
    if since is None:
        return ""
    write = wording.day if since.block == "day" else wording.moment_text
    if since.first == since.last:
        return f"{write(since.at)}, certain to the {since.block}"
    return f"{write(since.at)}, between {write(since.first)} and {write(since.last)} (95%)"


def place_text(where: Where) -> str:
    """A segment that was found: "case prime", "plan pro and country DE"."""
    return " and ".join(_value_text(name, value) for name, value in where.values.items())


def where_text(signal: Signal, explanation: Explanation) -> str:
    """Where it changed, with the figures inside and elsewhere."""
    if not explanation.where:
        if explanation.mixture is None or explanation.mixture.verdict in ("unclear", "mix"):
            return ""
        return "No part of these calls explains it better than all of them."
    shown = as_sampled(signal, explanation)
    first = explanation.where[0]
    text = place_text(first)
    if signal.kind is not Kind.VECTOR:
        text += f": {_change(shown, first.before, first.after)}"
        if first.rest_before is not None and first.rest_after is not None:
            text += f"; elsewhere {_change(shown, first.rest_before, first.rest_after)}"
    if len(explanation.where) > 1:
        text += f". Also {wording.listed([place_text(one) for one in explanation.where[1:]])}"
    return text + "."


def why_text(explanation: Explanation) -> str:
    """Whether the mix changed or the behaviour, and by how much."""
    found = explanation.mixture
    if found is None or found.verdict == "unclear" or not found.change:
        return ""
    mix, behaviour = explains_text(found.mix / found.change), explains_text(found.behaviour / found.change)
    dimension = wording.dimension_text(found.dimension)
    if found.verdict == "behaviour":
        return f"Calls of the same kind behave differently ({behaviour} of the change); the mix did not do it."
    moved = moved_part(found)
    what = (
        f" {_value_text(found.dimension, moved.value)} went from {wording.percent(moved.share_before)} to "
        f"{wording.percent(moved.share_after)} of the calls"
        if moved is not None
        else f" the shares of {dimension} moved"
    )
    if found.verdict == "mix":
        return f"Other calls came, not other behaviour ({mix} of the change):{what}."
    return f"Both the mix of {dimension} ({mix} of the change) and behaviour ({behaviour}):{what}."


def moved_part(mixture: Mixture) -> MixturePart | None:
    """The value whose share of the calls adds most to the mix."""
    parts = [part for part in mixture.parts if part.mix * mixture.mix > 0]
    return max(parts, key=lambda part: abs(part.mix), default=None)


def words_text(explanation: Explanation) -> str:
    """The words of the responses, where these did not change of the prompts: "More: "yes". Fewer: "step"."."""
    for whose, found in (("responses", explanation.response_words), ("prompts", explanation.prompt_words)):
        more, less = quoted(found, more=True), quoted(found, more=False)
        parts = [f"more {more}"] * bool(more) + [f"less {less}"] * bool(less)
        if parts:
            return f"In the {whose} {', '.join(parts)}."
    return ""


def quoted(found: tuple[Word, ...], *, more: bool) -> str:
    """The clearest words that became more (or less) common: "“yes”, “no”"."""
    chosen = [one.text for one in found if (one.score > 0) is more][:MOST_WORDS]
    return ", ".join(f"“{wording.shortened(text, 40)}”" for text in chosen)


def suspects_text(explanation: Explanation) -> str:
    """What appeared or vanished then and goes with the change, the likeliest first."""
    found = [one for one in explanation.suspects if (one.explains or 0.0) > _EXPLAINS_LITTLE]
    return "; ".join(suspect_text(one) for one in found[:MOST_WORDS])


def suspect_text(suspect: Suspect) -> str:
    """ "model gpt-4-0613 appeared on 14 Oct 2026 (100% of the change goes with it)"."""
    name = f"{wording.dimension_text(suspect.dimension)} {wording.shortened(suspect.value, 60)}"
    text = f"{name} {suspect.event} on {wording.day(suspect.moment)}"
    explained = explains_text(suspect.explains)
    return f"{text} ({explained} of the change goes with it)" if explained else text


def explains_text(share: float | None) -> str:
    """A share of the change in per cent, "0%" to "100%"; empty where there was none."""
    return "" if share is None else f"{min(max(share, 0.0), 1.0) * 100:.0f}%"


def topic_text(topic: Topic) -> str:
    """ "“prime, number, think” 12.0% → 48.1%"."""
    return f"“{', '.join(topic.words)}” {wording.percent(topic.before)} {wording.ARROW} {wording.percent(topic.after)}"


def _value_text(dimension: str, value: str | None) -> str:
    name = wording.dimension_text(dimension)
    return f"{name} {wording.shortened(value, 60) if value else NO_VALUE}"


def _change(signal: Signal, before: float | None, after: float | None) -> str:
    return wording.format_change(signal, before, after, with_unit=True)


def segment_of(where: Where) -> Segment:
    """The segment as a filter of pages: its dimension or pair."""
    return Segment("+".join(where.values), " + ".join(where.values.values()))

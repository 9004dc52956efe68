"""The explanation of one stream: first by its numbers, then by the texts of the calls that the numbers point at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec
import numpy as np

from monitor.clock import BlockLength, from_microseconds
from monitor.contracts import Kind
from monitor.explain import changes, mixture, records, topics, words
from monitor.explain.expected import worked
from monitor.explain.sample import Booleans, Integers, Sample
from monitor.explain.when import onset
from monitor.explain.where import Place, places
from monitor.profile import Floats

MIN_CALLS = 12
"""Fewer calls on a side explain nothing."""
EXAMPLES = 3
SHOWN_PARTS = 8
# From this share of the change on, mix (or behaviour) is what it is.
MOSTLY = 0.6
# A change smaller than this many standard errors of the sample is not divided.
CLEAR = 2.0
# A change point that may be anywhere in more blocks than this does not move the alarm's own.
VAGUE = 3
_MICROSECONDS_OF = {
    length: int(length.duration.total_seconds()) * 1_000_000 for length in (BlockLength.HOUR, BlockLength.DAY)
}


@dataclass(frozen=True)
class Focus:
    """What the numbers say, and the calls they point at: those of the first segment named, all where none is."""

    explanation: records.Explanation
    sample: Sample
    inside: Booleans


@dataclass(frozen=True)
class Texts:
    """Texts of calls in step: prompts and responses as masked, their vectors (rows of zeros where there is none)."""

    prompts: Sequence[str]
    responses: Sequence[str]
    prompt_vectors: Floats
    response_vectors: Floats
    after: Booleans
    users: Integers
    values: Floats
    identities: Sequence[tuple[str, str]]


def explain(sample: Sample, kind: Kind, made: datetime, *, length: BlockLength, what: str = "", seed: int = 1) -> Focus:
    """Since when, where, mix or behaviour, and what else changed.

    The change point is looked for again inside the segment that was named, where it is clearest; where that moves it,
    the rest is answered afresh with the calls on the right sides.
    """
    found = places(sample, kind, seed)
    since = began(sample, kind, _focus(sample, found), length)
    if since is not None and is_better(since, sample, length):
        sample = replace(sample, after=sample.times >= _microseconds(since.at))
        found = places(sample, kind, seed)
    inside = _focus(sample, found)
    before, after = sample.means()
    explanation = records.Explanation(
        made=made,
        calls_before=int((~sample.after).sum()),
        calls_after=int(sample.after.sum()),
        before=before,
        after=after,
        what=what,
        since=since,
        where=tuple(_where(sample, place) for place in found),
        mixture=_mixture(sample),
        suspects=tuple(
            records.Suspect(
                one.dimension,
                one.value,
                one.event,
                one.before,
                one.after,
                one.explains,
                from_microseconds(one.moment),
            )
            for one in changes.suspects(sample.take(inside))
        ),
    )
    return Focus(explanation, sample, inside)


def with_texts(explanation: records.Explanation, texts: Texts, seed: int = 1) -> records.Explanation:
    """The explanation with words, topics and typical calls of both sides."""
    after, users = texts.after, texts.users
    mixed = np.hstack([texts.prompt_vectors, texts.response_vectors])

    def examples(chosen: Booleans) -> tuple[records.Example, ...]:
        return tuple(
            records.Example(*texts.identities[place]) for place in topics.typical(mixed, texts.values, chosen, EXAMPLES)
        )

    prompts, responses = words.Corpus.of(texts.prompts), words.Corpus.of(texts.responses)
    return msgspec.structs.replace(
        explanation,
        prompt_words=_words(prompts, after, users),
        response_words=_words(responses, after, users),
        prompt_topics=_topics(prompts, texts.prompt_vectors, after, users, seed),
        response_topics=_topics(responses, texts.response_vectors, after, users, seed),
        examples_before=examples(~after),
        examples_after=examples(after),
    )


def began(sample: Sample, kind: Kind, inside: Booleans | None, length: BlockLength) -> records.Since | None:
    """The block in which the mean of the stream, or of a segment of it, changed; None where that cannot be said."""
    values, _ = worked(sample.values, kind)
    times, users = sample.times, sample.users
    if inside is not None:
        values, times, users = values[inside], times[inside], users[inside]
    if not len(values):
        return None
    size = _MICROSECONDS_OF[length]
    starts, block = np.unique(times // size, return_inverse=True)
    calls = np.bincount(block)
    together = np.unique(block.astype(np.int64) * (int(users.max()) + 1) + users) // (int(users.max()) + 1)
    units = np.bincount(together, minlength=len(starts)).astype(float)
    found = onset(np.bincount(block, values) / calls, units)
    if found is None:
        return None
    at, first, last = (from_microseconds(int(starts[place]) * size) for place in (found.block, found.first, found.last))
    name: Literal["hour", "day"] = "hour" if length is BlockLength.HOUR else "day"
    return records.Since(at, first, last, name)


def is_better(since: records.Since, sample: Sample, length: BlockLength) -> bool:
    """True where a change point that is certain to a few blocks divides the calls otherwise than they are.

    Both sides must have enough calls then.
    """
    if since.last - since.first > VAGUE * length.duration:
        return False
    after = sample.times >= _microseconds(since.at)
    enough = min(int(after.sum()), int((~after).sum())) >= MIN_CALLS
    return enough and bool((after != sample.after).any())


def verdict_of(found: mixture.Decomposition, sample: Sample) -> records.Verdict:
    """Mix, behaviour or both, by their shares of the change; unclear where the sample shows no clear change."""
    error = np.sqrt(sum(_variance(sample, side) for side in (sample.after, ~sample.after)))
    if abs(found.change) <= CLEAR * error:
        return "unclear"
    share = found.mix / found.change
    if MOSTLY <= share <= 2 - MOSTLY:
        return "mix"
    return "behaviour" if abs(share) <= 1 - MOSTLY else "both"


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def _focus(sample: Sample, found: Sequence[Place]) -> Booleans:
    """The calls inside the first segment, where both sides have enough of them; else all."""
    if found:
        inside = found[0].inside
        if min(int((inside & sample.after).sum()), int((inside & ~sample.after).sum())) >= MIN_CALLS:
            return inside
    return np.ones(len(sample), dtype=bool)


def _variance(sample: Sample, side: Booleans) -> float:
    part = sample.values[side]
    if not len(part):
        return 0.0
    together = np.bincount(np.unique(sample.users[side], return_inverse=True)[1], part - part.mean())
    return float((together**2).sum()) / len(part) ** 2


def _where(sample: Sample, place: Place) -> records.Where:
    here, rest = sample.take(place.inside).means(), sample.take(~place.inside).means()
    before, after = sample.means()
    share = float(place.inside[sample.after].mean())
    explains = None
    if None not in (*here, before, after) and after != before:
        explains = share * (here[1] - here[0]) / (after - before)  # type: ignore[operator]
    return records.Where(dict(place.values), share, *here, *rest, explains, place.strength, place.same)


def _mixture(sample: Sample) -> records.Mixture | None:
    found = mixture.best_decomposition(sample)
    if found is None:
        return None
    parts = [
        records.MixturePart(
            one.value, one.share_before, one.share_after, one.mean_before, one.mean_after, one.mix, one.behaviour
        )
        for one in found.parts
    ]
    if len(parts) > SHOWN_PARTS:
        rest = parts[SHOWN_PARTS - 1 :]
        shares = sum(one.share_before for one in rest), sum(one.share_after for one in rest)
        parts = [
            *parts[: SHOWN_PARTS - 1],
            records.MixturePart(
                "(rest)",
                *shares,
                _joined(rest, "before", shares[0]),
                _joined(rest, "after", shares[1]),
                sum(one.mix for one in rest),
                sum(one.behaviour for one in rest),
            ),
        ]
    return records.Mixture(
        found.dimension, found.change, found.mix, found.behaviour, verdict_of(found, sample), tuple(parts)
    )


def _joined(parts: Sequence[records.MixturePart], side: str, share: float) -> float | None:
    """The mean of several parts together."""
    if not share:
        return None
    total: float = sum(getattr(one, f"share_{side}") * (getattr(one, f"mean_{side}") or 0.0) for one in parts)
    return total / share


def _words(corpus: words.Corpus, after: Booleans, users: Integers) -> tuple[records.Word, ...]:
    return tuple(
        records.Word(one.text, one.before, one.after, one.score) for one in words.changed_words(corpus, after, users)
    )


def _topics(
    corpus: words.Corpus, vectors: Floats, after: Booleans, users: Integers, seed: int
) -> tuple[records.Topic, ...]:
    found = topics.changed_topics(vectors, corpus, after, users, seed)
    return tuple(records.Topic(one.words, one.before, one.after, one.score) for one in found)

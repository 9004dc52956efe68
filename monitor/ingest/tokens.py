"""Token counts in disjoint buckets, whatever the sender counted where.

OpenTelemetry and OpenAI count cached tokens as part of the input, Anthropic's API counts them on top, and
instrumentations mix the two up. What is known of the sender counts first; else the total, where one was sent that adds
up in one way only; else cached tokens that are more than the input came on top (`exclusive`), and others are part of
it (`inclusive`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from monitor.records import Tokens


class Counts(msgspec.Struct):
    """Token counts as sent; None where nothing was said. `rule` is how the sender is known to count cached tokens."""

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    input_audio: int | None = None
    reasoning: int | None = None
    output_audio: int | None = None
    rule: Literal["", "inclusive", "exclusive"] = ""


def disjoint(counts: Counts) -> Tokens:
    """The counts in buckets of which none is part of another."""
    read, write, write_1h = counts.cache_read, counts.cache_write, counts.cache_write_1h
    if write is not None and write_1h is not None and write >= write_1h:
        write -= write_1h  # the hour's tokens are part of all that were written
    written = (write or 0) + (write_1h or 0)
    cached = (read or 0) + written
    fresh = counts.input
    rule: Literal["", "inclusive", "exclusive"] = ""
    if fresh is not None and cached:
        inside = _inside(counts, fresh, read or 0, written)
        rule = "inclusive" if inside else "exclusive"
        fresh -= inside
    input_audio = counts.input_audio
    if fresh is not None and input_audio:
        input_audio = min(input_audio, fresh)
        fresh -= input_audio
    text = counts.output
    reasoning, output_audio = counts.reasoning, counts.output_audio
    spoken = (counts.input or 0) + (text or 0)
    on_top = bool(reasoning) and counts.total in (spoken + (reasoning or 0), spoken + (reasoning or 0) + cached)
    for part in (0 if on_top else reasoning, output_audio):
        if text is not None and part and part <= text:
            text -= part
    return Tokens(
        input_uncached=fresh,
        input_cache_read=read,
        input_cache_write=write,
        input_cache_write_1h=write_1h,
        input_audio=input_audio,
        output_text=text,
        output_reasoning=reasoning,
        output_audio=output_audio,
        rule=rule,
    )


def _inside(counts: Counts, fresh: int, read: int, written: int) -> int:
    """How many of the cached tokens the input includes: all, none, or only those read or written."""
    cached = read + written
    if counts.rule == "exclusive" or (counts.rule == "inclusive" and cached <= fresh):
        return 0 if counts.rule == "exclusive" else cached
    if counts.total is not None:
        twice = fresh + cached + (counts.output or 0) - counts.total
        if twice in (0, cached, read, written) and twice <= fresh:
            return twice
    return 0 if cached > fresh else cached


def recounted(tokens: Tokens, rule: Literal["inclusive", "exclusive"]) -> Tokens:
    """The counts under the rule that the sender is known to follow, where another one was taken for it.

    Where cached tokens are more than the input, they cannot be part of it: the counts stay as they are.
    """
    fresh = tokens.input_uncached
    cached = sum(
        count or 0 for count in (tokens.input_cache_read, tokens.input_cache_write, tokens.input_cache_write_1h)
    )
    if fresh is None or not cached or tokens.rule == rule:
        return tokens
    fresh += cached if rule == "exclusive" else -cached
    return tokens if fresh < 0 else msgspec.structs.replace(tokens, input_uncached=fresh, rule=rule)

"""Token counts in disjoint buckets, whatever the sender counted where.

OpenTelemetry and OpenAI count cached tokens as part of the input, Anthropic's API counts them on top, and
instrumentations mix the two up. Where the cached tokens are more than the input, or a total was sent that adds up only
with them on top, they came on top (`exclusive`); otherwise they are part of it (`inclusive`).
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.records import Tokens


@dataclass(slots=True)
class Counts:
    """Token counts as sent; None where nothing was said."""

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    input_audio: int | None = None
    reasoning: int | None = None
    output_audio: int | None = None


def disjoint(counts: Counts) -> Tokens:
    """The counts in buckets of which none is part of another."""
    read, write, write_1h = counts.cache_read, counts.cache_write, counts.cache_write_1h
    if write is not None and write_1h is not None and write >= write_1h:
        write -= write_1h  # the hour's tokens are part of all that were written
    cached = (read or 0) + (write or 0) + (write_1h or 0)
    fresh = counts.input
    rule = ""
    if fresh is not None and cached:
        on_top = counts.total is not None and counts.total == fresh + cached + (counts.output or 0)
        if cached > fresh or on_top:
            rule = "exclusive"
        else:
            rule = "inclusive"
            fresh -= cached
    input_audio = counts.input_audio
    if fresh is not None and input_audio:
        input_audio = min(input_audio, fresh)
        fresh -= input_audio
    text = counts.output
    reasoning, output_audio = counts.reasoning, counts.output_audio
    for part in (reasoning, output_audio):
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
        rule="exclusive" if rule == "exclusive" else "inclusive" if rule else "",
    )

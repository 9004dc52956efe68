"""Enrichment of calls with 1,500 characters on one core: all enrichers, each by itself, and two libraries called
directly on the same texts as a baseline."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from monitor.enrich import enrich_batch, enrichers
from monitor.records import Message, Span, Tokens
from monitor.settings import Settings

CALLS = 1000
BATCH = 500
PROMPT_CHARACTERS = 500
RESPONSE_CHARACTERS = 1000
CONTEXT_CHARACTERS = 3000

_SUBJECTS = (
    "The customer|Our support team|A new invoice|The delivery|This contract|The mobile app|Your subscription|He|She|It"
)
_VERBS = (
    "was changed|arrived late|needs to be checked|works well|could not be found|has been paid|looks very good|failed"
)
_ENDS = (
    "in March 2023|because the address was wrong|after 14 days|for 39.90 euros|although everybody had been told|again"
    "|with order 4711-22|, which made them happy|, but nobody complained|in the second quarter of the year"
)


def _text(generator: random.Random, characters: int) -> str:
    """Sentences of a support desk; one text in ten has an address, one in twenty a list, one in fifty code."""
    pieces = []
    length = 0
    while length < characters:
        parts = (generator.choice(part.split("|")) for part in (_SUBJECTS, _VERBS, _ENDS))
        filler = "".join(generator.choices("bcdfghklmnprst", k=2)) + "ation"
        sentence = f"{' '.join(parts)} ({filler}). "
        pieces.append(sentence)
        length += len(sentence)
    text = "".join(pieces)[:characters]
    chance = generator.random()
    if chance < 0.1:
        text = text[: characters - 40] + " write to jane.roe@example.com"
    elif chance < 0.15:
        text = text.replace(". ", ".\n- ")
    elif chance < 0.17:
        text = "```python\ndef total(rows):\n    return sum(rows)\n```\n" + text
    return text[:characters]


def calls(count: int) -> list[Span]:
    """Calls that differ, always the same ones."""
    generator = random.Random(7)
    start = datetime(2026, 3, 2, tzinfo=UTC)
    return [
        Span(
            trace_id=f"{index:032x}",
            span_id=f"{index:016x}",
            time=start + timedelta(seconds=20 * index),
            provider="openai",
            model=generator.choice(("gpt-4o-2024-08-06", "gpt-4o-mini", "gpt-4-0613")),
            prompt=(Message("user", _text(generator, PROMPT_CHARACTERS)),),
            response=_text(generator, RESPONSE_CHARACTERS),
            tokens=Tokens(input_uncached=120, input_cache_read=20, output_text=250),
            latency_s=1.5,
            finish_reason="stop",
        )
        for index in range(count)
    ]


def _with_context(spans: Sequence[Span]) -> list[Span]:
    generator = random.Random(8)
    return [msgspec.structs.replace(span, context=(_text(generator, CONTEXT_CHARACTERS),)) for span in spans]


def _rate(function: Callable[[Sequence[Span]], object], spans: Sequence[Span]) -> float:
    """Calls per second of CPU time, in batches."""
    started = time.process_time()
    for index in range(0, len(spans), BATCH):
        function(spans[index : index + BATCH])
    return len(spans) / (time.process_time() - started)


def _libraries(spans: Sequence[Span]) -> None:
    for span in spans:
        for text in (span.prompt_text, span.response):
            _VADER.polarity_scores(text)
            _LANGUAGES.classify(text)


def run() -> list[dict[str, object]]:
    """Calls a second on one core (CPU time), the share of each enricher, and the peak memory of the process."""
    global _VADER, _LANGUAGES
    from py3langid.langid import MODEL_FILE, LanguageIdentifier
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    settings = Settings()
    warm_up, measured = calls(CALLS + 50)[:50], calls(CALLS + 50)[50:]
    enrich_batch(warm_up, settings)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = _rate(lambda spans: enrich_batch(spans, settings), measured)
    rows: list[dict[str, object]] = [{"case": "all enrichers", "calls/s": round(rate), "peak MB": round(peak)}]
    for name, enricher in enrichers().items():
        _forget_languages()
        alone = _rate(lambda spans, enricher=enricher: enricher.compute(spans, settings), measured)  # type: ignore[misc]
        rows.append({"case": name, "calls/s": round(alone), "share": round(rate / alone, 3)})
    given = _with_context(measured)
    for name in ("grounding", "reproduction"):
        alone = _rate(lambda spans, name=name: enrichers()[name].compute(spans, settings), given)  # type: ignore[misc]
        rows.append({"case": f"{name}, {CONTEXT_CHARACTERS} characters of context", "calls/s": round(alone)})
    _VADER, _LANGUAGES = SentimentIntensityAnalyzer(), LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    rows.append(
        {"case": "baseline: VADER and py3langid, called directly", "calls/s": round(_rate(_libraries, measured))}
    )
    return rows


def _forget_languages() -> None:
    from monitor.text import language

    language._detect.cache_clear()
    language._sampled.cache_clear()

"""One call through every stage: what an enricher emits is stored, profiled and judged, whatever its kind."""

from __future__ import annotations

from datetime import timedelta

from monitor.clock import BlockLength, block_start
from monitor.contracts import WHOLE, Kind
from monitor.enrich import enrich_pending
from monitor.identifiers import project_id
from monitor.ingest import Batch, Ingester
from monitor.profiles import refresh
from monitor.queries.series import read_profiles
from monitor.records import Message, Span, Tokens
from monitor.settings import Settings
from monitor.signals import registry
from monitor.store import Store
from tests.conftest import NOW
from tests.enrichments import stored_signals


def test_every_signal_of_a_call_reaches_a_profile(store: Store, settings: Settings) -> None:
    span = Span(
        trace_id="1" * 32,
        span_id="2" * 16,
        time=NOW - timedelta(hours=2),
        provider="openai",
        model="gpt-4-0613",
        prompt=(Message("user", "Where is the parcel that I ordered last week, please?"),),
        response="Your parcel left our warehouse yesterday. It should reach you tomorrow before noon, at the latest.",
        tokens=Tokens(input_uncached=14, input_cache_read=4, output_text=20),
        latency_s=0.8,
        time_to_first_token_s=0.2,
        finish_reason="stop",
    )
    ingester = Ingester(store, settings)
    ingester.submit(Batch(project="river", spans=[span]), now=NOW)
    ingester.close()
    assert enrich_pending(store, settings, NOW) == 1
    refresh(store, settings, NOW)

    (signals,) = stored_signals(store)
    emitted = set(signals)
    day = block_start(span.time, BlockLength.DAY)
    profiled = {
        name: blocks[0].profile
        for (segment, name), blocks in read_profiles(
            store, project_id("river"), BlockLength.DAY, day, day + timedelta(days=1)
        ).items()
        if segment == WHOLE
    }
    assert set(profiled) == emitted
    assert {registry()[name].kind for name in emitted} == set(Kind)
    assert all(profile.n == 1 and profile.kind is registry()[name].kind for name, profile in profiled.items())
    vector = profiled["response_meaning"].vector
    assert vector is not None
    assert abs(float(vector @ vector) - 1) < 0.05

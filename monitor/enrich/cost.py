"""What a call cost: as the sender says, else by own prices, else by list prices at the time of the call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue
from monitor.prices import PriceList, catalogue_rates, price_list

# How gateways and caches of applications say that they answered by themselves: LiteLLM, Helicone, Portkey, GPTCache,
# LangChain, and those who log by hand.
_HIT_NAMES = (
    "cache_hit",
    "cacheHit",
    "litellm.cache_hit",
    "metadata.cache_hit",
    "helicone-cache",
    "portkey.cache_status",
    "gptcache.hit",
    "response_cache.hit",
)
_GAP_STEP = 0.05
_HIT = frozenset(("true", "1", "hit", "yes"))

if TYPE_CHECKING:
    from monitor.records import Span
    from monitor.settings import Settings


def _compute(calls: Sequence[Span], settings: Settings) -> list[dict[str, SignalValue]]:
    own = price_list(settings.price_overrides)
    return [_one(call, own) for call in calls]


def _one(call: Span, own: PriceList) -> dict[str, SignalValue]:
    reckoned, source = _reckoned(call, own)
    values: dict[str, SignalValue] = {}
    if is_cache_hit(call):
        values |= {"cost_source": "cache", "cost_usd": 0.0}
        if reckoned is not None:
            values["saved_usd"] = round(reckoned, 12)
    elif call.cost_usd is not None and call.cost_usd >= 0:
        values |= {"cost_source": "sender", "cost_usd": round(call.cost_usd, 12)}
        if reckoned:
            values["cost_gap"] = round(_steps(call.cost_usd / reckoned - 1), 2)
    else:
        values["cost_source"] = source
        if reckoned is not None:
            values["cost_usd"] = round(reckoned, 12)
    total = call.tokens.input
    if call.tokens.input_cache_read is not None and total:
        values["cached_share"] = round(call.tokens.input_cache_read / total, 4)
    return values


def _steps(share: float) -> float:
    """In steps of five points: what rounding of prices and counts does is no gap."""
    return round(share / _GAP_STEP) * _GAP_STEP


def is_cache_hit(call: Span) -> bool:
    """True where the application answered from a cache of its own, so that no provider was asked."""
    return any(
        str(place.get(name)).lower() in _HIT
        for place in (call.tags, call.attributes)
        if place
        for name in _HIT_NAMES
        if name in place
    )


def _reckoned(call: Span, own: PriceList) -> tuple[float | None, str]:
    """Tokens times price, and where the price is from: override, catalogue or none."""
    tokens = call.tokens
    if tokens.input is None or tokens.output is None:
        return None, "none"
    # The model that answered first; the one that was asked for only where the answer names none that has a price.
    models = [model for model in dict.fromkeys((call.model, call.requested_model)) if model]
    for model in models:
        rates = own.find(call.provider, model, call.time, call.service_tier, tokens.input)
        if rates is not None and (cost := rates.cost(tokens)) is not None:
            return cost, "override"
    for model in models:
        rates = catalogue_rates(call.provider, model, call.time, call.service_tier, tokens.input)
        if rates is not None and (cost := rates.cost(tokens)) is not None:
            return cost, "catalogue"
    return None, "none"


cost = Enricher(
    name="cost",
    version=2,
    signals=(
        Signal(
            "cost_usd",
            Kind.NUMBER,
            "Cost",
            "US dollars for the call: the sender's figure, else tokens times price at the time of the call, each token "
            "counted once (cached, written to the cache, audio and reasoning tokens at their own prices).",
            family="cost",
            unit="$",
            good="down",
            relevant=0.2,
            misleads="Calls without a known price have no value, so a sum is a lower bound; see the cost source. List "
            "prices know nothing of discounts, batches or committed use.",
        ),
        Signal(
            "cost_source",
            Kind.CATEGORY,
            "Cost source",
            "Where the cost is from: sender, override (own price), catalogue (list price), cache (the application "
            "answered from its own cache and paid nothing) or none (no price is known).",
            family="cost",
            misleads="A share of none means that the cost shown is too low.",
        ),
        Signal(
            "cost_gap",
            Kind.NUMBER,
            "Sender's cost over list price",
            "By what part the sender's figure is above tokens times price (0.5 is half as much again), of calls that "
            "have both; in steps of five points.",
            family="cost",
            good="down",
            relevant=0.5,
            weight=0.3,
            misleads="Discounts, batches and other price lists make a gap that is no mistake; a steady factor of two "
            "usually is cached tokens counted twice.",
        ),
        Signal(
            "saved_usd",
            Kind.NUMBER,
            "Saved by the application's cache",
            "US dollars that a call would have cost had the application not answered it from its own cache.",
            family="cost",
            unit="$",
            good="up",
            relevant=0.5,
            weight=0.3,
            misleads="Only calls that say they were hits and have token counts and a known price have it.",
        ),
        Signal(
            "cached_share",
            Kind.NUMBER,
            "Cached input",
            "Share of the input tokens that the provider read from its cache.",
            family="cost",
            good="up",
            relevant=0.1,
            misleads="Only calls whose sender reports cached tokens have it.",
        ),
    ),
    compute=_compute,
)

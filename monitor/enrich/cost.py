"""What a call cost: as the sender says, else by own prices, else by list prices at the time of the call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from monitor.contracts import Enricher, Kind, Signal, SignalValue
from monitor.prices import PriceList, catalogue_rates, price_list

if TYPE_CHECKING:
    from monitor.records import Span
    from monitor.settings import Settings


def _compute(calls: Sequence[Span], settings: Settings) -> list[dict[str, SignalValue]]:
    own = price_list(settings.price_overrides)
    return [_one(call, own) for call in calls]


def _one(call: Span, own: PriceList) -> dict[str, SignalValue]:
    cost, source = _cost(call, own)
    values: dict[str, SignalValue] = {"cost_source": source}
    if cost is not None:
        values["cost_usd"] = round(cost, 12)
    total = call.tokens.input
    if call.tokens.input_cache_read is not None and total:
        values["cached_share"] = round(call.tokens.input_cache_read / total, 4)
    return values


def _cost(call: Span, own: PriceList) -> tuple[float | None, str]:
    if call.cost_usd is not None and call.cost_usd >= 0:
        return call.cost_usd, "sender"
    tokens = call.tokens
    if tokens.input is None or tokens.output is None:
        return None, "none"
    # The model that answered first; the one that was asked for only where the answer names none that has a price.
    models = [model for model in dict.fromkeys((call.model, call.requested_model)) if model]
    for model in models:
        rates = own.find(call.provider, model, call.time)
        if rates is not None and (cost := rates.cost(tokens)) is not None:
            return cost, "override"
    for model in models:
        rates = catalogue_rates(call.provider, model, call.time, call.service_tier, tokens.input)
        if rates is not None and (cost := rates.cost(tokens)) is not None:
            return cost, "catalogue"
    return None, "none"


cost = Enricher(
    name="cost",
    version=1,
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
            "Where the cost is from: sender, override (own price), catalogue (list price) or none (no price is known).",
            family="cost",
            misleads="A share of none means that the cost shown is too low.",
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

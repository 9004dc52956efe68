"""What tokens cost: own prices from a file, and the packaged catalogue of list prices (genai-prices).

The file of own prices (`MONITOR_PRICE_OVERRIDES`) is JSON; prices are US dollars for a million tokens:

    {"prices": [{"model": "gpt-4-0314", "provider": "openai", "from": "2023-03-14", "until": "2024-06-13",
                 "input": 30, "output": 60}]}

`model` is a name as it is reported, or its beginning with a `*` at the end; the most exact name wins. `provider`,
`from` and `until` (days in UTC, `until` itself no longer included) are optional, and so are `service_tier` (the entry
holds for calls of that tier only, such as batch or priority) and `above` (it holds for requests of more input tokens
than that, all of which then cost its price). Beside `input` and `output` there may be `cache_read`, `cache_write`,
`cache_write_1h`, `input_audio`, `output_audio`, `reasoning` (where absent, the price of the ordinary token of that
direction holds) and `per_call` (US dollars a call).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from monitor.errors import SettingsError
from monitor.records import Tokens

_MILLION = 1_000_000
# Prices of list that hold only at certain hours change on the half hour.
_SLOT_SECONDS = 1800

# Names of the telemetry conventions that the catalogue does not know.
_PROVIDERS = {
    "gcp.gen_ai": "google",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "azure_openai": "azure",
    "x_ai": "x-ai",
}
# Models that run on one's own machines have no list price, whatever their name.
_SELF_HOSTED = frozenset(
    (
        "ollama",
        "vllm",
        "llama.cpp",
        "llamacpp",
        "llama_cpp",
        "lmstudio",
        "lm_studio",
        "tgi",
        "sglang",
        "local",
        "self_hosted",
    )
)


class Rates(msgspec.Struct, frozen=True):
    """US dollars for one token of each bucket, and for the call. None: no price is known for it."""

    input: float | None
    output: float | None
    cache_read: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    input_audio: float | None = None
    output_audio: float | None = None
    reasoning: float | None = None
    per_call: float = 0.0

    def cost(self, tokens: Tokens) -> float | None:
        """US dollars for a call. None where a token is of a sort without a price."""
        total = self.per_call
        for count, price in (
            (tokens.input_uncached, self.input),
            (tokens.input_cache_read, _first(self.cache_read, self.input)),
            (tokens.input_cache_write, _first(self.cache_write, self.input)),
            (tokens.input_cache_write_1h, _first(self.cache_write_1h, self.cache_write, self.input)),
            (tokens.input_audio, _first(self.input_audio, self.input)),
            (tokens.output_text, self.output),
            (tokens.output_reasoning, _first(self.reasoning, self.output)),
            (tokens.output_audio, _first(self.output_audio, self.output)),
        ):
            if count:
                if price is None:
                    return None
                total += count * price
        return total


def _first(*prices: float | None) -> float | None:
    return next((price for price in prices if price is not None), None)


class _OwnPrice(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    model: str
    input: float
    output: float
    provider: str = ""
    start: date | None = msgspec.field(default=None, name="from")
    until: date | None = None
    service_tier: str = ""
    above: int = 0
    cache_read: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    input_audio: float | None = None
    output_audio: float | None = None
    reasoning: float | None = None
    per_call: float = 0.0

    def holds(self, provider: str, day: date, service_tier: str) -> bool:
        return (
            self.provider in ("", provider)
            and self.service_tier in ("", service_tier)
            and (self.start is None or self.start <= day)
            and (self.until is None or day < self.until)
        )

    def rank(self, model: str) -> tuple[bool, int, bool, bool] | None:
        """How exactly it names the call: larger is more exact, None not at all."""
        named = self.model.endswith("*") and model.startswith(self.model[:-1])
        if self.model != model and not named:
            return None
        return (self.model == model, len(self.model), bool(self.provider), bool(self.service_tier))

    def overlaps(self, other: _OwnPrice) -> bool:
        latest = max(self.start or date.min, other.start or date.min)
        return (
            (self.model, self.provider, self.service_tier, self.above)
            == (other.model, other.provider, other.service_tier, other.above)
            and latest < (self.until or date.max)
            and latest < (other.until or date.max)
        )

    def rates(self) -> Rates:
        def each(price: float | None) -> float | None:
            return None if price is None else price / _MILLION

        return Rates(
            input=each(self.input),
            output=each(self.output),
            cache_read=each(self.cache_read),
            cache_write=each(self.cache_write),
            cache_write_1h=each(self.cache_write_1h),
            input_audio=each(self.input_audio),
            output_audio=each(self.output_audio),
            reasoning=each(self.reasoning),
            per_call=self.per_call,
        )


class _OwnPrices(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    prices: list[_OwnPrice]


class PriceList:
    """Own prices. Raises SettingsError, with the entry and what is wrong with it, for a file that cannot be used."""

    def __init__(self, path: Path | None = None) -> None:
        self._prices = _read(path) if path is not None else []
        self._known = functools.lru_cache(maxsize=4096)(self._look_up)

    def find(
        self, provider: str, model: str, moment: datetime, service_tier: str = "", input_tokens: int = 0
    ) -> Rates | None:
        """The own price of a model on the day (UTC) of a call, by its tier and the length of its request."""
        if not self._prices or not model:
            return None
        day = moment.astimezone(UTC).date()
        steps = self._known(provider.lower(), model.lower(), day, service_tier.lower())
        return next((rates for above, rates in steps if input_tokens > above or not above), None)

    def _look_up(self, provider: str, model: str, day: date, service_tier: str) -> list[tuple[int, Rates]]:
        """The prices of the most exact entry, longest requests first."""
        ranked = [
            (rank, price)
            for price in self._prices
            if price.holds(provider, day, service_tier) and (rank := price.rank(model)) is not None
        ]
        if not ranked:
            return []
        best = max(rank for rank, _ in ranked)
        chosen = [price for rank, price in ranked if rank == best]
        return [(price.above, price.rates()) for price in sorted(chosen, key=lambda price: -price.above)]


def price_list(path: Path | None) -> PriceList:
    """The own prices of a file, read again only when the file has changed."""
    if path is None:
        return _price_list(None, 0)
    try:
        changed = os.stat(path).st_mtime_ns
    except OSError:
        raise SettingsError(f"MONITOR_PRICE_OVERRIDES: {path} cannot be read.") from None
    return _price_list(path, changed)


@functools.lru_cache(maxsize=8)
def _price_list(path: Path | None, changed: int) -> PriceList:  # noqa: ARG001
    return PriceList(path)


def _read(path: Path) -> list[_OwnPrice]:
    try:
        prices = msgspec.json.decode(path.read_bytes(), type=_OwnPrices).prices
    except OSError:
        raise SettingsError(f"MONITOR_PRICE_OVERRIDES: {path} cannot be read.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"MONITOR_PRICE_OVERRIDES: {path}: {error}.") from None
    prices = [
        msgspec.structs.replace(
            price,
            model=price.model.lower(),
            provider=price.provider.lower(),
            service_tier=price.service_tier.lower(),
        )
        for price in prices
    ]
    for index, price in enumerate(prices):
        if problem := _problem(price, prices[:index]):
            raise SettingsError(f"MONITOR_PRICE_OVERRIDES: {path}: entry {index + 1}: {problem}.")
    return prices


def _problem(price: _OwnPrice, earlier: Sequence[_OwnPrice]) -> str:
    if not price.model.strip("*"):
        return "model is empty"
    if any(value is not None and value < 0 for value in msgspec.structs.astuple(price.rates())):
        return "a price is negative"
    if price.above < 0:
        return "above is negative"
    if price.start and price.until and price.until <= price.start:
        return "until is not after from"
    if any(price.overlaps(other) for other in earlier):
        return "an earlier entry holds for the same model on some of the same days"
    return ""


def catalogue_rates(provider: str, model: str, moment: datetime, service_tier: str, input_tokens: int) -> Rates | None:
    """The list price of a model at the time of a call; None where the catalogue does not know it.

    Prices may depend on the service tier, and on whether the request is longer than a threshold (then all of its
    tokens cost the price of that step).
    """
    if not model or provider.lower() in _SELF_HOSTED:
        return None
    slot = int(moment.timestamp()) // _SLOT_SECONDS
    steps = _steps(provider.lower(), model.lower(), service_tier.lower(), slot)
    if steps is None:
        return None
    chosen = steps[0][1]
    for start, rates in steps:
        if input_tokens > start:
            chosen = rates
    return chosen


@functools.lru_cache(maxsize=8192)
def _steps(provider: str, model: str, service_tier: str, slot: int) -> list[tuple[int, Rates]] | None:
    """Prices by the length of the request, from the shortest."""
    known = _find(provider, model)
    if known is None:
        return None
    prices = known.get_prices(
        datetime.fromtimestamp(slot * _SLOT_SECONDS, UTC), {"service_tier": service_tier} if service_tier else None
    )
    starts = {-1}
    for value in vars(prices).values():
        starts.update(tier.start for tier in getattr(value, "tiers", ()))
    steps = [(start, _rates(prices, start + 1)) for start in sorted(starts)]
    return steps if steps[0][1].input is not None else None


@functools.lru_cache(maxsize=4096)
def _find(provider: str, model: str) -> Any:
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    hint = _PROVIDERS.get(provider, provider)
    for name in (hint, None) if hint else (None,):
        try:
            return snapshot.find_provider_model(model, None, name, None)[1]
        except LookupError:
            continue
    return None


def _rates(prices: Any, input_tokens: int) -> Rates:
    def each(name: str, divisor: int = _MILLION) -> float | None:
        price = getattr(prices, name)
        if price is None:
            return None
        tiers = [tier for tier in getattr(price, "tiers", ()) if input_tokens > tier.start]
        chosen = tiers[-1].price if tiers else getattr(price, "base", price)
        return float(chosen) / divisor

    return Rates(
        input=each("input_mtok"),
        output=each("output_mtok"),
        cache_read=each("cache_read_mtok"),
        cache_write=each("cache_write_mtok"),
        cache_write_1h=each("cache_write_1h_mtok"),
        input_audio=each("input_audio_mtok"),
        output_audio=each("output_audio_mtok"),
        reasoning=each("output_reasoning_mtok"),
        per_call=each("requests_kcount", 1000) or 0.0,
    )
